"""The database's clock, to which every node keeps where there are several (on PostgreSQL)."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, text

from ..clock import Clock, Reading, surest

_READ = text("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)")
_TRIES = 3


def read_many(connection: Connection, wishes: Sequence[None]) -> Mapping[None, int]:
    """Microseconds since the epoch; nothing on SQLite, whose processes share this machine's clock."""
    if connection.dialect.name == "sqlite":
        return {}
    return {None: int(connection.execute(_READ).scalar_one())}


def follow(connection: Connection, clock: Clock) -> None:
    """Let `clock` keep to the database's, if it has one."""
    if connection.dialect.name != "sqlite":
        clock.follow(*surest(_read(connection, clock) for _ in range(_TRIES)))


def _read(connection: Connection, clock: Clock) -> Reading:
    return clock.steady(), read_many(connection, [None])[None], clock.steady()
