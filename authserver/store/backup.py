"""What makes a copy of the database a backup: its secrets sealed anew, and a table of one row that says how.

It works on every revision of the schema: a backup keeps the one that it was made at.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    column,
    insert,
    inspect,
    select,
    table,
    text,
    update,
)

from .engine import DATABASE_ERRORS, describe

_metadata = MetaData()
_header = Table(
    "authserver_backup",
    _metadata,
    Column("format", Integer, nullable=False),
    Column("stretching", Text, nullable=False),
    Column("wrapped", Text, nullable=False),
)
_SIGNING_KEYS = table("signing_keys", column("kid"), column("wrapped"))
_REFRESH_KEYS = table("refresh_keys", column("id"), column("wrapped"))
_SECRETS = ((_SIGNING_KEYS, _SIGNING_KEYS.c.kid), (_REFRESH_KEYS, _REFRESH_KEYS.c.id))
_SCHEMA = text("SELECT type, name, sql FROM sqlite_master WHERE tbl_name <> 'authserver_backup' ORDER BY type, name")


class Malformed(Exception):
    """Its tables are not those that a backup has."""


@dataclass(frozen=True, slots=True)
class Header:
    """How a passphrase becomes the key that opens `wrapped` and the secrets in the other tables."""

    format: int
    stretching: str
    wrapped: str


def load_secrets(connection: Connection) -> dict[str, str]:
    """What is sealed, by the id of its row."""
    return {
        row.id: row.wrapped
        for secrets, id in _SECRETS
        for row in connection.execute(select(id.label("id"), secrets.c.wrapped).where(secrets.c.wrapped.is_not(None)))
    }


def put_secrets(connection: Connection, sealed: Mapping[str, str]) -> None:
    """Nothing of what was there before stays in the file."""
    connection.exec_driver_sql("PRAGMA secure_delete=ON")
    for secrets, id in _SECRETS:
        for row, secret in sealed.items():
            connection.execute(update(secrets).where(id == row).values(wrapped=secret))


def digest(connection: Connection) -> str:
    """SHA-256 of everything that the database holds, the header excepted. Raises Malformed."""
    hashed = sha256()
    with _told():
        for kind, name, sql in connection.execute(_SCHEMA):
            hashed.update(repr((kind, name, sql)).encode())
            for row in _rows(connection, name) if kind == "table" else ():
                hashed.update(repr(tuple(row)).encode())
    return hashed.hexdigest()


def add_header(connection: Connection, header: Header) -> None:
    _metadata.create_all(connection)
    connection.execute(insert(_header), asdict(header))


def load_header(connection: Connection) -> Header | None:
    """None if there is none. Raises Malformed."""
    with _told():
        if _header.name not in inspect(connection).get_table_names():  # a view may have the name
            return None
        row = connection.execute(select(_header)).first()
    if row and [type(value) for value in row] != [int, str, str]:  # SQLite keeps anything in any column
        raise Malformed("its header")
    return Header(*row) if row else None


def remove_header(connection: Connection) -> None:
    _metadata.drop_all(connection)


def _rows(connection: Connection, name: str) -> Iterator[Row[Any]]:
    rows = select(text("*")).select_from(table(name)).order_by(text("rowid"))
    yield from connection.execute(rows, execution_options={"yield_per": 1000})


@contextmanager
def _told() -> Iterator[None]:
    """It is a file that anybody may have made: what cannot be read of it is its own fault."""
    try:
        yield
    except DATABASE_ERRORS as error:
        raise Malformed(describe(error)) from error
