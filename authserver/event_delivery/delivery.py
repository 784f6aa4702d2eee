"""Delivers every event of the audit trail to one receiver: in order, at least once, from one process at a time.

The receiver's row in the database says how far this has got. An attempt first claims the row, so that after a crash any
process can repeat it once the lease has expired.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import structlog

from ..domain.delivery import Progress, wait
from ..domain.errors import Unavailable
from ..domain.models import SECOND
from ..domain.times import span
from ..store import deliveries
from ..store.database import Database
from ..store.events import StoredEvent
from .receiver import NotReceived, Receiver

log: Any = structlog.get_logger("authserver")
Events = tuple[StoredEvent, ...]
Sleep = Callable[[float], Awaitable[None]]
"""Takes seconds."""
_LOOKS, _PAUSE = 20, 0.1
"""How often to check whether the transactions that add events have ended, and the seconds between two checks."""
_LONG = 60  # seconds
_STILL_OPEN = (
    "A transaction that may have added events is open for more than a minute. Until it ends, no later event is "
    "delivered. To find it: SELECT pid FROM pg_locks WHERE relation = 'events'::regclass;"
)


class Delivery:
    def __init__(self, receiver: Receiver, database: Database, now: Callable[[], int]) -> None:
        """`now` returns microseconds."""
        self._receiver, self._database, self._now, self._name = receiver, database, now, receiver.name

    async def run(self, sleep: Sleep) -> None:
        """Deliver what is due, until nothing is left or an attempt fails. Raises Unavailable."""
        while await self._deliver_some(sleep):
            pass

    def close(self) -> None:
        self._receiver.close()

    async def _deliver_some(self, sleep: Sleep) -> bool:
        """Deliver the next events. Returns whether there may be more to deliver now."""
        progress = await self._database.load(deliveries.progress_many, self._name) or Progress()
        if not progress.is_due(self._now()):
            return False
        events = await self._next_events(progress, sleep)
        if not events:
            return False
        begun = progress.begun(events[0].id, events[-1].id, self._now())
        return await self._database.write(deliveries.advance(self._name, progress, begun)) and (
            await self._attempt(begun, events)
        )

    async def _attempt(self, begun: Progress, events: Events) -> bool:
        try:
            await self._receiver.send(events)
        except NotReceived as error:
            failed = begun.failed(events[error.received].id - 1, self._now())
            await self._database.write(deliveries.advance(self._name, begun, failed))
            self._log_failure(str(error), failed, events[error.received])
            return False
        if begun.failures:
            log.info("event_delivery_resumed", to=self._name, failures=begun.failures)
        return await self._database.write(deliveries.advance(self._name, begun, begun.delivered()))

    async def _next_events(self, progress: Progress, sleep: Sleep) -> Events:
        """Return the events of the attempt that has begun, or else the next ones that no other event can still
        precede."""
        if not progress.through:
            return await self._certain_events(progress.position, sleep)
        events = await self._load(progress.position, progress.through)
        if events and events[0].id == progress.position + 1:
            return events
        events = await self._certain_events(progress.position, sleep)
        last = events[0].id - 1 if events else progress.through
        log.error("events_deleted_undelivered", to=self._name, first=progress.position + 1, last=last)
        if not events:
            nothing_left = replace(progress, position=progress.through, through=0)
            await self._database.write(deliveries.advance(self._name, progress, nothing_left))
        return events

    async def _certain_events(self, after: int, sleep: Sleep) -> Events:
        """Return the events after this id; none while one between them may still become visible."""
        events = await self._load(after)
        if not events:
            return ()
        if await self._writers_have_ended(sleep):
            return await self._load(after, events[-1].id)
        if self._now() - events[0].at > _LONG * SECOND:
            raise Unavailable(_STILL_OPEN)
        return ()

    async def _writers_have_ended(self, sleep: Sleep) -> bool:
        """Wait a while until all transactions that are adding events now have ended. Returns whether they have."""
        writers = await self._writers()
        for _ in range(_LOOKS):
            if not writers:
                break
            await sleep(_PAUSE)
            writers &= await self._writers()
        return not writers

    async def _writers(self) -> frozenset[str]:
        return await self._database.load(deliveries.writers_many, None) or frozenset()

    async def _load(self, after: int, through: int = 0) -> Events:
        key = (after, through, self._receiver.limit)
        return await self._database.load(deliveries.next_events_many, key) or ()

    def _log_failure(self, reason: str, failed: Progress, oldest: StoredEvent) -> None:
        log.warning(
            "event_delivery_failed",
            to=self._name,
            reason=reason,
            failures=failed.failures,
            behind=span(max(self._now() - oldest.at, 0)),
            wait=span(wait(failed.failures) * SECOND),
        )
