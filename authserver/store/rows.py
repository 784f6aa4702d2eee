"""Turns records into rows, and rows into the fields of records."""

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


def words_of(record: Any) -> dict[str, str]:
    """Return the columns of a device code that contain words with spaces between them."""
    return {"scope": " ".join(record.scope), "resources": " ".join(record.resources), "amr": " ".join(record.amr)}


def fields_of_code(names: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    """Return the fields of a device code, whose columns have these names; the row begins with them."""
    fields = dict(zip(names, row, strict=False))
    return fields | {name: tuple(fields[name].split()) for name in ("scope", "resources", "amr")}


@cache
def _fields(table: Table, more: frozenset[str]) -> tuple[Sequence[str], Any]:
    """Return the names of the other columns, and what returns their values. The names of columns are of a subclass of
    `str`, by which Python finds attributes and members more slowly."""
    names = ["".join(name) for name in table.c.keys() if name not in more]  # noqa: SIM118
    return names, attrgetter(*names)
