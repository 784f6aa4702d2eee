"""Copies everything from one database to another, of any kind: all rows of all tables, or nothing."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Table, delete, func, insert, inspect, select, tuple_

from ..domain.errors import Refused
from . import migrations
from .deadline import lift
from .schema import metadata, pruning

_BATCH = 1000
_MADE_BY_MIGRATIONS = {pruning.name}
OnProgress = Callable[[str, int, int], None]
"""Called with a table's name, how many of its rows were copied, and how many it has."""


def count_all(source: Connection) -> dict[str, int]:
    """Return the number of rows of each table."""
    return {table.name: _count(source, table) for table in metadata.sorted_tables}


def check_target(target: Connection) -> None:
    """Raise Refused unless the database is empty, or as `authserver db upgrade` creates it. Raises Misconfigured if
    another version has upgraded it."""
    revision = migrations.current(target)
    if revision is None:
        tables = inspect(target).get_table_names()
        if tables:
            raise Refused(
                f"The target has tables of another program ({', '.join(tables[:3])}). Name an empty database."
            )
        return
    migrations.check(target)
    filled = [table.name for table in metadata.sorted_tables if table.name not in _MADE_BY_MIGRATIONS]
    filled = [name for name in filled if _count(target, metadata.tables[name])]
    if filled:
        raise Refused(f"The target is not empty: it has rows in {', '.join(filled)}. Name an empty database.")


def copy_all(source: Connection, target: Connection, progress: OnProgress) -> dict[str, int]:
    """Create the tables and copy all rows. Returns the number of rows of each table."""
    lift(source)
    migrations.upgrade(target)
    for name in _MADE_BY_MIGRATIONS:
        target.execute(delete(metadata.tables[name]))
    counts = {table.name: _copy(source, target, table, progress) for table in metadata.sorted_tables}
    _go_on_counting(target)
    return counts


def compare_all(source: Connection, target: Connection) -> None:
    """Raise Refused unless both databases contain the same rows."""
    different = [table.name for table in metadata.sorted_tables if _digest(source, table) != _digest(target, table)]
    if different:
        raise Refused(f"The target differs from the source in {', '.join(different)}. Nothing was copied.")


def _copy(source: Connection, target: Connection, table: Table, progress: OnProgress) -> int:
    total, done = _count(source, table), 0
    for rows in _batches(source, table):
        target.execute(insert(table), [dict(row._mapping) for row in rows])
        done += len(rows)
        progress(table.name, done, total)
    return done


def _go_on_counting(target: Connection) -> None:
    """Make new ids follow those of the copied rows. SQLite does so automatically."""
    if target.dialect.name != "postgresql":
        return
    for table in metadata.sorted_tables:
        id = table.primary_key.columns[0]
        if id.identity is not None:
            newest = select(func.coalesce(func.max(id), 0) + 1).scalar_subquery()
            target.execute(select(func.setval(func.pg_get_serial_sequence(table.name, id.name), newest, False)))


def _digest(connection: Connection, table: Table) -> tuple[int, int]:
    """Return the number of rows and a digest of them that ignores their order: databases sort text differently."""
    count, digest = 0, 0
    for rows in _batches(connection, table):
        count += len(rows)
        digest += sum(int.from_bytes(sha256(repr(tuple(row)).encode()).digest()) for row in rows)
    return count, digest


def _batches(connection: Connection, table: Table) -> Iterator[list[Any]]:
    """Yield the rows in batches, in the order of the primary key."""
    key = tuple(table.primary_key)
    query = select(table).order_by(*key).limit(_BATCH)
    rows = connection.execute(query).all()
    while rows:
        yield list(rows)
        last = [rows[-1]._mapping[column] for column in key]
        rows = connection.execute(query.where(tuple_(*key) > tuple_(*last))).all()


def _count(connection: Connection, table: Table) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()
