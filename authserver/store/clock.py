"""The database's clock, to which every node keeps where there are several (on PostgreSQL)."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, text

_READ = text("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)")


def read_many(connection: Connection, wishes: Sequence[None]) -> Mapping[None, int]:
    """Microseconds since the epoch; nothing on SQLite, whose processes share this machine's clock."""
    if connection.dialect.name == "sqlite":
        return {}
    return {None: int(connection.execute(_READ).scalar_one())}
