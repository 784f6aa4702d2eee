"""Reads the database's clock, which all nodes follow on PostgreSQL, and stores how each machine's clock was set."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple

from sqlalchemy import Connection, bindparam, delete, select, text

from ..clock import Clock, Reading, surest
from ..domain.models import SECOND
from ..domain.timeline import Stretch
from . import upsert
from .changes import Change
from .schema import clocks as table

_READ = text("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)")
_TRIES = 3
_KNOWN = select(table.c.intervals).where(table.c.boot == bindparam("key"))
_FORGOTTEN = delete(table).where(table.c.written_at < bindparam("before"))
_KEPT = 400 * 86400 * SECOND
Stretches = tuple[Stretch, ...]


def read_many(connection: Connection, _wishes: Sequence[None]) -> Mapping[None, int]:
    """A loader of the database's time in microseconds since the epoch; the only key is None. It loads nothing on
    SQLite, whose processes share this machine's clock."""
    if connection.dialect.name == "sqlite":
        return {}
    return {None: int(connection.execute(_READ).scalar_one())}


def follow(connection: Connection, clock: Clock) -> bool:
    """Let `clock` follow the database's clock, if it has one. Returns whether it does."""
    if connection.dialect.name == "sqlite":
        return False
    clock.follow(*surest(_read(connection, clock) for _ in range(_TRIES)))
    return True


def load(connection: Connection, boot: str) -> Stretches:
    """Return the stretches that were written in this boot of this machine."""
    written = connection.execute(_KNOWN, {"key": boot}).scalar()
    return tuple(Stretch(*members) for members in json.loads(written or "[]"))


def write(connection: Connection, boot: str, stretches: Stretches, now: int) -> None:
    """Replace the stretches of this boot, and delete those of machines that have not written any for a year."""
    connection.execute(_FORGOTTEN, {"before": now - _KEPT})
    members = json.dumps([astuple(stretch) for stretch in stretches])
    new = upsert.insert(connection, table).values(boot=boot, intervals=members, written_at=now)
    changed = {"intervals": new.excluded.intervals, "written_at": new.excluded.written_at}
    # One statement, because two processes that start at once may both find no row.
    connection.execute(new.on_conflict_do_update(index_elements=[table.c.boot], set_=changed))


def remember(boot: str, stretches: Stretches) -> Change:
    """Return `write` as a change."""
    return Change(_write_many, "clocks", boot, (boot, stretches))


def _write_many(connection: Connection, changes: Sequence[tuple[str, Stretches]], now: int) -> list[bool]:
    for boot, stretches in changes:
        write(connection, boot, stretches, now)
    return [True] * len(changes)


def _read(connection: Connection, clock: Clock) -> Reading:
    return clock.steady(), read_many(connection, [None])[None], clock.steady()
