"""Records the audited events of requests: in the transaction of the change that they report, or alone if there is none.

Anyone can repeat an attempt that changes nothing. The first of a kind is written at once, though its request does not
wait for that, which would show whether the account exists; equal ones are only counted, and the count is written once a
minute. Beyond a number of kinds, all others of an event are counted as one.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from ..domain.audit import ANONYMOUS, REQUEST_EVENTS, AuditRecord, detail
from ..store import events
from ..store.changes import Change
from ..store.database import Database
from .event import Event, LateEvents

MAX_KINDS = 200
Record = Callable[[Event], AuditRecord]
"""Returns the record of an audited event of one request."""


def with_records(change: Change | None, reported: Iterable[Event], record: Record) -> Change | None:
    """Return the change, which also writes the audited events that tell of it. Without a change, return one that writes
    only them, if there are any."""
    if not isinstance(reported, LateEvents) and not _of_changes(reported):
        return change
    if change is None:
        return events.only(*map(record, _of_changes(reported)))
    return change.recording(lambda: map(record, _of_changes(reported)))


class RepeatableEvents:
    """The events that tell of no change, of one process."""

    EVERY = 60
    """Seconds between two calls of `flush`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counted: dict[AuditRecord, int] = {}

    def note(self, reported: Iterable[Event], record: Record) -> None:
        """Write the events among `reported` that tell of no change, or count them."""
        for event in reported:
            audited = REQUEST_EVENTS.get(event.name)
            if audited and not audited.tells_of_change:
                self._count(record(event))

    async def flush(self) -> None:
        """Write how often each kind was repeated since the last call, and forget all kinds. Raises Unavailable."""
        counted, self._counted = self._counted, {}
        repeated = [_repeated(kind, times) for kind, times in counted.items() if times]
        if repeated:
            await self._database.write(events.only(*repeated))

    def _count(self, record: AuditRecord) -> None:
        if record not in self._counted and len(self._counted) >= MAX_KINDS:
            record = AuditRecord(record.event, ANONYMOUS, record.result, detail="callers beyond those that are listed")
        if record in self._counted:
            self._counted[record] += 1
        else:
            self._counted[record] = 0
            self._database.post(events.only(record))


def _of_changes(reported: Iterable[Event]) -> list[Event]:
    """Return the audited events that tell of a change."""
    return [event for event in reported if (kind := REQUEST_EVENTS.get(event.name)) and kind.tells_of_change]


def _repeated(kind: AuditRecord, times: int) -> AuditRecord:
    return replace(kind, detail=detail({"reason": kind.detail, "repeated": f"{times} times"}))
