"""INSERT with ON CONFLICT, for which each database's dialect has its own class."""

from functools import cache
from typing import Any

from sqlalchemy import Connection, Insert, Table


def insert(connection: Connection, table: Table) -> Any:
    """Return an INSERT with the methods `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return _insert(connection.dialect.name, table)


def insert_missing(connection: Connection, table: Table) -> Insert:
    """Return an INSERT that skips rows whose key exists. It is the same one each time, as `driver.run_many` needs."""
    return _insert_missing(connection.dialect.name, table)


@cache
def _insert_missing(dialect: str, table: Table) -> Insert:
    statement: Insert = _insert(dialect, table).on_conflict_do_nothing()
    return statement


def _insert(dialect: str, table: Table) -> Any:
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql  # imported here: a server on SQLite would start 15 ms later with it

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)
