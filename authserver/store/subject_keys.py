"""Stores the key of pairwise subjects. There is one at most, and it is never replaced."""

from dataclasses import asdict

from sqlalchemy import Connection, delete, insert, select, update

from ..domain.models import SubjectKey
from .schema import subject_keys as table


def load(connection: Connection) -> SubjectKey | None:
    row = connection.execute(select(table)).first()
    return SubjectKey(*row) if row else None


def put(connection: Connection, key: SubjectKey | None) -> None:
    """Store the key in place of any other."""
    connection.execute(delete(table))
    if key is not None:
        connection.execute(insert(table), asdict(key))


def rewrap(connection: Connection, id: str, seen: str, wrapped: str) -> bool:
    """Replace the wrapped key `seen` by `wrapped`. Returns False if it has changed since."""
    new = update(table).where(table.c.id == id, table.c.wrapped == seen).values(wrapped=wrapped)
    return connection.execute(new).rowcount == 1
