"""Turns records into rows."""

from functools import cache
from typing import Any

from sqlalchemy import Table


def row_of(record: Any, table: Table, **more: Any) -> dict[str, Any]:
    """Return the record's values for the table's columns, which its fields are named after, and `more` for the others.
    `dataclasses.asdict` copies each value, which takes ten times as long."""
    return {name: getattr(record, name) for name in _names(table) if name not in more} | more


@cache
def _names(table: Table) -> tuple[str, ...]:
    return tuple(table.c.keys())
