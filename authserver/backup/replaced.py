"""The tables of the replaced database, which is attached to the connection as `replaced`."""

from functools import cache

from sqlalchemy import FromClause, MetaData, Table

_elsewhere = MetaData(schema="replaced")


@cache
def replaced(table: Table) -> FromClause:
    return table.to_metadata(_elsewhere).alias(f"replaced_{table.name}")
