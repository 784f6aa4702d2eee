"""A change: the one thing that a request may write, as a value."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

Apply = Callable[[Connection, Sequence[Any], int], list[bool]]
"""Applies many changes' parameters at `now`; says of each whether its guard held. If it did not, nothing is written."""


LOCK_ORDER = ("authorizations", "users", "denied_tokens", "pruning", "clocks")
"""The tables in the order in which every group locks their rows, so that two nodes never wait for each other. Rows that
a change touches out of this order are locked with SKIP LOCKED, which never waits."""


@dataclass(frozen=True, slots=True)
class Change:
    apply: Apply
    table: str
    """Whose rows it locks and may wait for: one of LOCK_ORDER."""
    row: Any
    """The row's key. Keys of one table have one type."""
    params: Any

    @property
    def rank(self) -> tuple[int, Any]:
        """Its place in a group. Raises ValueError for a table that has no place in LOCK_ORDER."""
        return LOCK_ORDER.index(self.table), self.row


class PartialMatch(Exception):
    """executemany found fewer rows than it was given and cannot say which: roll back, repeat row by row."""
