"""Runs a statement for many rows by the driver.

For each row, SQLAlchemy takes twice as long as the driver and SQLite together: 10 us for a refresh, 25 us for a code,
and 10 us for a row that is loaded. So SQLAlchemy only writes the statement, once.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Dialect, Insert, Row, Select, Update

_AT_ONCE = 256


def run_many(connection: Connection, statement: Insert | Update, rows: Sequence[Mapping[str, Any]]) -> int:
    """Run a statement, which must be one of a module, for each row. Returns how many rows it added or changed.

    All rows have the same keys: the statement's parameters. The driver gets their values as they are."""
    sql, values_of = _compiled(statement, connection.dialect, tuple(rows[0]))
    return connection.exec_driver_sql(sql, [values_of(row) for row in rows]).rowcount


@cache
def _compiled(statement: Insert | Update, dialect: Dialect, keys: tuple[str, ...]) -> tuple[str, Any]:
    """Return the statement's text, and what makes the driver's parameters of a row."""
    compiled: Any = statement.compile(dialect=dialect, column_keys=list(keys))
    return str(compiled), itemgetter(*compiled.positiontup) if compiled.positional else dict


def select_many(connection: Connection, statement: Select[Any], keys: Sequence[Any]) -> Iterator[Row[Any]]:
    """Yield the rows of a statement, which must be one of a module, for these keys: they are its only parameter, an
    expanding one. Keys are values, or tuples of them.

    The values in the rows are as the driver returns them: SQLite has no booleans, only 0 and 1. Take them by their
    places: a row raises and catches an AttributeError for each name, which takes a microsecond."""
    for start in range(0, len(keys), _AT_ONCE):
        some = list(keys[start : start + _AT_ONCE])
        # One key is repeated until their number is a power of two, so that there are few statements.
        some += some[:1] * ((1 << (len(some) - 1).bit_length()) - len(some))
        width = len(some[0]) if isinstance(some[0], tuple) else 0
        sql, names = _expanded(statement, connection.dialect, len(some), width)
        values = tuple(value for key in some for value in key) if width else tuple(some)
        parameters: Any = values if connection.dialect.positional else dict(zip(names, values, strict=True))
        yield from connection.exec_driver_sql(sql, parameters).all()


@cache
def _expanded(statement: Select[Any], dialect: Dialect, size: int, width: int) -> tuple[str, Sequence[str]]:
    """Return the statement's text for that many keys, and the names of its parameters."""
    compiled: Any = statement.compile(dialect=dialect)
    (name,) = compiled.params
    state = compiled.construct_expanded_state({name: [("",) * width if width else ""] * size})
    return state.statement, state.parameter_expansion[name]
