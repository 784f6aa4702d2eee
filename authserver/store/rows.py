"""Turns records into rows."""

from collections.abc import Sequence
from functools import cache
from operator import attrgetter
from typing import Any

from sqlalchemy import Table


def row_of(record: Any, table: Table, **more: Any) -> dict[str, Any]:
    """Return the record's values for the table's columns, which its fields are named after, and `more` for the others.
    `dataclasses.asdict` copies each value, which takes ten times as long."""
    names, values_of = _fields(table, frozenset(more))
    return dict(zip(names, values_of(record), strict=True)) | more


@cache
def _fields(table: Table, more: frozenset[str]) -> tuple[Sequence[str], Any]:
    """Return the names of the other columns, and what returns their values."""
    names = [name for name in table.c.keys() if name not in more]  # noqa: SIM118
    return names, attrgetter(*names)
