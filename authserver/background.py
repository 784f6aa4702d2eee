"""The server's background tasks: each has a name and repeats at its interval."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import structlog

from .clock import Clock
from .domain.errors import Misconfigured, Unavailable
from .domain.key_schedule import Transition
from .domain.models import SECOND
from .domain.pruning import EVERY, rest
from .event_delivery.delivery import Delivery
from .keyring import Keyring
from .keyring.lifecycle import Lifecycle
from .outbox import OutboxWorker
from .pipeline.audit import RepeatableEvents
from .pool import Pool
from .store import account_changes, outbox, pruning, signing_keys
from .store.database import Database
from .store.outbox import Backlog
from .timekeeper import Timekeeper
from .web.malformed import MalformedRequests

INTERVALS: dict[str, float] = {
    "watch_clock": 0.25,  # a step of the wall clock is noticed even if no request comes
    "read_keys": 2,  # every process sees a change of the keys within 5 s
    "follow_clock": 2,
    "rotate_keys": 5,
    "prune": EVERY,  # every process tries, and only one prunes
    "report_malformed_requests": MalformedRequests.EVERY,
    "count_repeated_events": RepeatableEvents.EVERY,
    "delete_accounts": 60,
    "deliver_events": 1,
    "deliver_outbox": 1,
    "measure_outbox": 15,
    "remove_unused_keys": 600,
}
"""Seconds between the end of one run and the start of the next. Each name is a method of `BackgroundTasks`."""
log: Any = structlog.get_logger("authserver")


class BackgroundTasks:
    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        lifecycle: Lifecycle,
        clock: Clock,
        malformed: MalformedRequests,
        audit_retention: int,
        outbox: OutboxWorker,
        deliveries: Sequence[Delivery] = (),
        enable: Collection[str] = tuple(INTERVALS),
    ) -> None:
        """`audit_retention` is in seconds; 0 keeps the audit trail for ever. `enable` names the tasks that repeat. The
        others run only when they are called, as in tests."""
        self.database, self.keyring, self._lifecycle, self._clock = database, keyring, lifecycle, clock
        self._malformed, self._audit_retention, self._enabled = malformed, audit_retention, enable
        self.outbox, self._deliveries, self.repeatable = outbox, deliveries, RepeatableEvents(database)
        self._timekeeper = Timekeeper(database, clock)
        self._reads_begun = self._newest_read = 0
        self._worker = Pool("background", threads=1, queue=8)  # may block on an HSM without delaying shutdown
        self.backlog: Mapping[str, Backlog] = {}
        """The messages that wait in the outbox, by kind; empty until they are first counted."""
        self.pause: Callable[[float], Awaitable[None]] = asyncio.sleep
        """Sleeps between two batches of pruning, and while transactions that add events are still open."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._repeat(name)) for name in self._enabled]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.outbox.stop()
            with suppress(Unavailable):
                await self.repeatable.flush()

    def close(self) -> None:
        for delivery in self._deliveries:
            delivery.close()
        self.outbox.close()
        self._malformed.flush()
        self._worker.close()

    def start_clock(self) -> None:
        """Follow the database's clock from now on, if it has one. Raises Unavailable."""
        self._timekeeper.begin()

    async def watch_clock(self) -> None:
        await self._timekeeper.look()

    async def follow_clock(self) -> None:
        await self._timekeeper.follow()

    async def read_keys(self) -> None:
        """Read the state of the keys; ignore a state that arrives after a newer one. Raises Unavailable."""
        asked_at, self._reads_begun = self._clock.steady(), self._reads_begun + 1
        number = self._reads_begun
        state = await self.database.load(signing_keys.load_many, None)
        if state is not None and number > self._newest_read:
            try:
                self.keyring.update(state, asked_at)
            except Misconfigured as error:  # wrapped under a key-encryption key that this process does not have yet
                raise Unavailable(str(error)) from error
            self._newest_read = number

    async def rotate_keys(self) -> None:
        """Apply what the schedule says is due. Every process tries; the database decides which one is first."""
        state = await self.database.load(signing_keys.load_many, None)
        if state is not None and self._lifecycle.is_due(state):
            await self._worker.run(partial(self._lifecycle.run_due, _log_change))
            await self.read_keys()

    async def remove_unused_keys(self) -> None:
        for id in await self._worker.run(self._lifecycle.remove_unused_refresh_keys):
            log.info("refresh_key_removed", id=id)
        for kid in await self._worker.run(self._lifecycle.destroy_orphaned_keys):
            log.info("key_destroyed", kid=kid)

    async def prune(self) -> None:
        """Delete batch after batch while one is due, with pauses for requests. Stop if another process is pruning."""
        while (batch := await self.database.load(pruning.next_batch_many, None)) is not None:
            latest, began = self._clock.timeline().earliest(pruning.KEPT * SECOND), self._clock.steady()
            if not await self.database.write(pruning.prune(batch, latest, self._audit_retention)):
                return
            await self.pause(rest(self._clock.steady() - began))

    async def delete_accounts(self) -> None:
        """Delete the accounts whose users asked for it, once their grace periods are over. Every process tries."""
        at = self._clock.timeline().earliest(pruning.KEPT * SECOND)  # in case the clock is ahead
        for user in await self.database.load(account_changes.load_due_many, at) or ():
            if await self.database.write(account_changes.delete_due(user)):
                log.info("user_deleted", subject=user.id)

    async def count_repeated_events(self) -> None:
        await self.repeatable.flush()

    async def deliver_events(self) -> None:
        """Deliver the audit trail to all receivers at once. Every process tries, and only one delivers to each
        receiver."""
        runs = (delivery.run(self.pause) for delivery in self._deliveries)
        for error in await asyncio.gather(*runs, return_exceptions=True):
            if error is not None:
                raise error

    async def deliver_outbox(self) -> None:
        """Start sending the messages that are due, without waiting for the result."""
        await self.outbox.look()

    async def measure_outbox(self) -> None:
        """Count the messages that wait in the outbox, for metrics."""
        self.backlog = await self.database.load(outbox.backlog_many, None) or {}

    async def report_malformed_requests(self) -> None:
        self._malformed.flush()

    async def _repeat(self, name: str) -> None:
        run: Callable[[], Awaitable[None]] = getattr(self, name)
        interval = INTERVALS[name]
        while True:
            await asyncio.sleep(interval)
            try:
                await run()
            except (Unavailable, Misconfigured) as error:
                log.warning("background_task_failed", task=name, reason=str(error))
            except Exception:
                log.exception("background_task_failed", task=name)


def _log_change(step: Transition) -> None:
    log.info("key_changed", change=step.change, alg=step.alg, kid=step.kid)
