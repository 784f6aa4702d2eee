"""Backup files: copies of the database, with keys wrapped under a passphrase. The key-encryption keys are not in them.

A table with one row describes the encryption and contains an encrypted digest of everything else: without the
passphrase, nobody can change a password, a client or a login in the file unnoticed. A backup keeps the revision of the
schema that the database had.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    ColumnClause,
    Connection,
    Integer,
    MetaData,
    Row,
    Table,
    TableClause,
    Text,
    column,
    insert,
    inspect,
    select,
    table,
    text,
    update,
)

from .. import system
from ..domain.errors import Misconfigured
from ..keyring.envelope import KeyEncryptionKeys, is_wrapped
from ..keyring.passphrase import Stretching
from ..store import migrations
from ..store.engine import DATABASE_ERRORS
from . import database_file

_FORMAT = 1
_ROW = "backup"
_metadata = MetaData()
_header = Table(
    "authserver_backup",
    _metadata,
    Column("format", Integer, nullable=False),
    Column("stretching", Text, nullable=False),
    Column("encrypted", Text, nullable=False),
)
# These tables are defined by name, because a backup may have another revision than the tables in `store.schema`.
_SIGNING_KEYS = table("signing_keys", column("kid"), column("wrapped"))
_REFRESH_KEYS = table("refresh_keys", column("id"), column("wrapped"))
_SUBJECT_KEYS = table("subject_keys", column("id"), column("wrapped"))
_SECRETS = (
    (_SIGNING_KEYS, _SIGNING_KEYS.c.kid),
    (_REFRESH_KEYS, _REFRESH_KEYS.c.id),
    (_SUBJECT_KEYS, _SUBJECT_KEYS.c.id),
)
_SCHEMA = text("SELECT type, name, sql FROM sqlite_master WHERE tbl_name <> 'authserver_backup' ORDER BY type, name")
NEWER = f"A newer authserver made this backup. Install that version: {migrations.INSTALL_NEWER}"
_CHANGED = "The backup was changed after it was made. Use another copy."
_DAMAGED = "The backup is damaged: the parameters of its passphrase are missing."


class UnreadableBackup(ValueError):
    """Not a backup, or not one that this version and this passphrase can open; the text says which."""


class NothingToBackUp(Exception):
    """The database is empty."""


@dataclass(frozen=True, slots=True)
class OpenedBackup:
    made_at: int
    """Microseconds since the epoch."""
    keks: KeyEncryptionKeys
    """The key that unwraps the keys in the backup; it is derived from the passphrase."""


@dataclass(frozen=True, slots=True)
class _Header:
    format: int
    stretching: str
    """How the passphrase becomes the key that decrypts `encrypted` and unwraps the keys in the other tables."""
    encrypted: str


def create(source: Path, file: Path, keks: KeyEncryptionKeys, passphrase: str, now: int) -> None:
    """Write a backup of the database `source`, whose keys `keks` unwrap, while servers use it. `now` in microseconds.

    Raises FileExistsError if `file` exists, NothingToBackUp, DatabaseDamaged, DatabaseInUse, Unavailable, Misconfigured
    and OSError. After an error there is no file.
    """
    with database_file.new_file(file.absolute(), system.new_id().hex()) as partial:
        database_file.copy_online(source, partial)
        with database_file.transaction(partial) as connection:
            migrations.check_not_newer(connection)
            if migrations.current(connection) is None:
                raise NothingToBackUp
            _encrypt(connection, keks, passphrase, now)
        database_file.make_single_file(partial)


def decrypt(connection: Connection, passphrase: str) -> OpenedBackup:
    """Turn a copy of a backup into a database. Its keys stay wrapped under the passphrase. Raises UnreadableBackup."""
    header = _load_header(connection)
    try:
        keys = Stretching.from_text(header.stretching).keys(passphrase)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnreadableBackup(_DAMAGED) from error
    contents = _decrypt_header(keys, header.encrypted)
    with _unreadable(_CHANGED):
        if contents["digest"] != _digest(connection):
            raise UnreadableBackup(_CHANGED)
    _metadata.drop_all(connection)
    return OpenedBackup(contents["made_at"], keys)


def rewrap(wrapped: Mapping[str, str], keks: KeyEncryptionKeys, new: KeyEncryptionKeys) -> dict[str, str]:
    """Wrap keys (by the ids of their rows) under `new` instead of `keks`. The URI of a key in a key service stays as it
    is. Raises Misconfigured for a key that `keks` do not unwrap."""
    return {id: new.wrap(id, keks.unwrap(id, kept)) if is_wrapped(kept) else kept for id, kept in wrapped.items()}


def usable(wrapped: Mapping[str, str], keks: KeyEncryptionKeys, elsewhere: Collection[str] = ()) -> dict[str, str]:
    """Return the keys that `keks` unwrap or that are in a key service (`elsewhere`)."""
    unwrapped = {id for id, kept in wrapped.items() if is_wrapped(kept) and _unwraps(keks, id, kept)}
    return {id: kept for id, kept in wrapped.items() if id in unwrapped or kept in elsewhere}


def _encrypt(connection: Connection, keks: KeyEncryptionKeys, passphrase: str, now: int) -> None:
    stretching = Stretching.new(system.new_id())
    keys = stretching.keys(passphrase)
    _replace_keys(connection, rewrap(_load_keys(connection), keks, keys))
    contents = json.dumps({"made_at": now, "digest": _digest(connection)})
    header = _Header(_FORMAT, stretching.as_text(), keys.wrap(_ROW, contents.encode()))
    _metadata.create_all(connection)
    connection.execute(insert(_header), asdict(header))


def _secrets(connection: Connection) -> list[tuple[TableClause, ColumnClause[Any]]]:
    """Return the tables of keys that this revision has, each with the column of its ids."""
    present = inspect(connection).get_table_names()
    return [(keys, id) for keys, id in _SECRETS if keys.name in present]


def _load_keys(connection: Connection) -> dict[str, str]:
    return {
        row.id: row.wrapped
        for keys, id in _secrets(connection)
        for row in connection.execute(select(id.label("id"), keys.c.wrapped).where(keys.c.wrapped.is_not(None)))
    }


def _replace_keys(connection: Connection, wrapped: Mapping[str, str]) -> None:
    """Replace the keys, and leave nothing of the old ones in the file."""
    connection.exec_driver_sql("PRAGMA secure_delete=ON")
    for keys, id in _secrets(connection):
        for row, key in wrapped.items():
            connection.execute(update(keys).where(id == row).values(wrapped=key))


def _digest(connection: Connection) -> str:
    """Return the SHA-256 of everything in the database except the header."""
    hashed = sha256()
    for kind, name, sql in connection.execute(_SCHEMA):
        hashed.update(repr((kind, name, sql)).encode())
        for row in _rows(connection, name) if kind == "table" else ():
            hashed.update(repr(tuple(row)).encode())
    return hashed.hexdigest()


def _rows(connection: Connection, name: str) -> Iterator[Row[Any]]:
    rows = select(text("*")).select_from(table(name)).order_by(text("rowid"))
    yield from connection.execute(rows, execution_options={"yield_per": 1000})


def _load_header(connection: Connection) -> _Header:
    with _unreadable(_DAMAGED):
        is_backup = _header.name in inspect(connection).get_table_names()  # a view may have the name
        row = connection.execute(select(_header)).first() if is_backup else None
    if row is None:
        raise UnreadableBackup("It is not a backup made by `authserver backup`.")
    if [type(value) for value in row] != [int, str, str]:  # SQLite keeps anything in any column
        raise UnreadableBackup(_DAMAGED)
    if row.format != _FORMAT:
        raise UnreadableBackup(NEWER)
    return _Header(*row)


def _decrypt_header(keys: KeyEncryptionKeys, encrypted: str) -> dict[str, Any]:
    try:
        contents: dict[str, Any] = json.loads(keys.unwrap(_ROW, encrypted))
    except (Misconfigured, RecursionError) as error:
        raise UnreadableBackup("The passphrase does not open the backup.") from error
    return contents


def _unwraps(keks: KeyEncryptionKeys, id: str, wrapped: str) -> bool:
    try:
        keks.unwrap(id, wrapped)
    except Misconfigured:
        return False
    return True


@contextmanager
def _unreadable(reason: str) -> Iterator[None]:
    """Raise SQLite's errors as UnreadableBackup: anyone may have made the file, so the file is at fault."""
    try:
        yield
    except DATABASE_ERRORS as error:
        raise UnreadableBackup(reason) from error
