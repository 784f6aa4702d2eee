"""`Change`: the one write that a request may make, as a value."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from typing import Any

from sqlalchemy import Connection, Update

from ..domain.audit import AuditRecord
from ..domain.record import record
from .driver import run_many

Apply = Callable[[Connection, Sequence[Any], int], list[bool]]
"""Applies the parameters of many changes at `now`. Returns for each whether its guard held; if not, nothing was
written."""


LOCK_ORDER = (
    *("links", "authorizations", "attempts", "device_codes", "interactions", "sessions", "codes", "consents", "users"),
    *("denied_tokens", "pruning", "clocks", "deliveries", "outbox", "events"),
)
"""The tables in the order in which every group locks their rows, so that two nodes never wait for each other. Rows that
a change touches out of this order are locked with SKIP LOCKED, which never waits."""


@record(frozen=True, slots=True)
class Change:
    apply: Apply
    table: str
    """The table whose rows it locks and may wait for: one of LOCK_ORDER."""
    row: Any
    """The row's key. Keys of one table have one type."""
    params: Any
    records: Callable[[], Iterable[AuditRecord]] | None = field(default=None, compare=False)
    """Returns what the audit trail keeps of it, written in the same transaction if the guard held. It is called after
    `apply`, and again if the group is run again."""

    def recording(self, records: Callable[[], Iterable[AuditRecord]]) -> "Change":
        """Return the change with these records. `dataclasses.replace` takes 2 us longer."""
        return Change(self.apply, self.table, self.row, self.params, records)

    @property
    def rank(self) -> tuple[int, Any]:
        """The change's place in a group. Raises ValueError for a table that is not in LOCK_ORDER."""
        return LOCK_ORDER.index(self.table), self.row


class PartialMatch(Exception):
    """executemany matched fewer rows than it was given and cannot say which: roll back, and repeat row by row."""


def execute_guarded(connection: Connection, statement: Update, rows: list[dict[str, Any]]) -> bool:
    """Return whether every guard held. Raises PartialMatch if some of several did not: executemany reports only a
    total."""
    held = run_many(connection, statement, rows) == len(rows)
    if not held and len(rows) > 1:
        raise PartialMatch
    return held
