"""Stores how far the audit trail has been delivered, and reads the events that are next.

PostgreSQL gives ids to the events of concurrent transactions before they commit, so an event may become visible after
one with a higher id. Nothing after a gap is delivered until it is certain that the gap stays. A transaction that adds
events holds a lock on the table from before it takes an id until it has ended. So once every transaction that holds
such a lock has ended, all events with the ids seen before are there (CREATE INDEX CONCURRENTLY waits in the same way).
Not the horizon of snapshots (pg_snapshot_xmin): a transaction may take an id before it has a transaction id, and any
long transaction, even of another database, holds the horizon back. No writer waits for this.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, bindparam, select, text, update

from ..domain.delivery import Progress
from . import upsert
from .changes import Change
from .events import StoredEvent, stored
from .schema import deliveries as table
from .schema import events

_PROGRESS = select(table)
_NEXT = (
    select(events)
    .where(events.c.id > bindparam("after"), events.c.id <= bindparam("through"))
    .order_by(events.c.id)
    .limit(bindparam("limit"))
)
_MAX_ID = 2**63 - 1
_ADVANCE = update(table).where(
    table.c.name == bindparam("receiver"),
    table.c.position == bindparam("old_position"),
    table.c.through == bindparam("old_through"),
    table.c.failures == bindparam("old_failures"),
    table.c.next_at == bindparam("old_next_at"),
)
_WRITERS = text(
    "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND granted"
    " AND mode = 'RowExclusiveLock' AND relation = CAST('events' AS regclass)"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
Range = tuple[int, int, int]
"""The id after which to read, the last id or 0 for no limit, and the maximum number of events."""


def progress_many(connection: Connection, _receivers: Sequence[str]) -> Mapping[str, Progress]:
    """A loader of the progress of receivers; there is none for one that has never been delivered to."""
    return {
        row.name: Progress(row.position, row.through, row.failures, row.next_at)
        for row in connection.execute(_PROGRESS)
    }


def next_events_many(connection: Connection, ranges: Sequence[Range]) -> Mapping[Range, tuple[StoredEvent, ...]]:
    """A loader of the events in a range of ids, in their order."""
    return {key: _next_events(connection, *key) for key in ranges}


def writers_many(connection: Connection, _keys: Sequence[None]) -> Mapping[None, frozenset[str]]:
    """A loader of the transactions that may have added events which are not visible yet; the only key is None. On
    SQLite there is none: one transaction writes at a time."""
    if connection.dialect.name == "sqlite":
        return {None: frozenset()}
    return {None: frozenset(connection.execute(_WRITERS).scalars())}


def advance(receiver: str, old: Progress, new: Progress) -> Change:
    """Replace the progress of a receiver. The guard fails if another process has changed it."""
    return Change(_advance_many, "deliveries", receiver, (receiver, old, new))


def _advance_many(connection: Connection, changes: Sequence[tuple[str, Progress, Progress]], _now: int) -> list[bool]:
    return [_advance(connection, *change) for change in changes]


def _advance(connection: Connection, receiver: str, old: Progress, new: Progress) -> bool:
    if old == Progress():
        first = upsert.insert(connection, table).values(name=receiver, **asdict(old))
        connection.execute(first.on_conflict_do_nothing(index_elements=[table.c.name]))
    expected = {f"old_{field}": value for field, value in asdict(old).items()}
    return bool(connection.execute(_ADVANCE.values(**asdict(new)), {"receiver": receiver, **expected}).rowcount)


def _next_events(connection: Connection, after: int, through: int, limit: int) -> tuple[StoredEvent, ...]:
    bounds: dict[str, Any] = {"after": after, "through": through or _MAX_ID, "limit": limit}
    return tuple(stored(row) for row in connection.execute(_NEXT, bounds))
