"""The tables of the replaced database, which is attached to the connection as `replaced`."""

from functools import cache
from typing import Any

from sqlalchemy import Column, Connection, FromClause, MetaData, Table, text

_COUNT = text("SELECT count(*) FROM replaced.sqlite_master WHERE name = :table")
_COUNT_COLUMN = text("SELECT count(*) FROM pragma_table_info(:table, 'replaced') WHERE name = :column")
_elsewhere = MetaData(schema="replaced")


@cache
def replaced(table: Table) -> FromClause:
    return table.to_metadata(_elsewhere).alias(f"replaced_{table.name}")


def has(connection: Connection, table: Table) -> bool:
    """Whether the replaced database has this table; older revisions lack some."""
    return bool(connection.execute(_COUNT, {"table": table.name}).scalar_one())


def has_column(connection: Connection, column: Column[Any]) -> bool:
    names = {"table": column.table.name, "column": column.name}
    return bool(connection.execute(_COUNT_COLUMN, names).scalar_one())
