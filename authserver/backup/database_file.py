"""SQLite databases as files: copied while servers write, opened exclusively, overwritten in one transaction.

Nothing here renames or deletes a database that another process may have open. SQLite finds the journal by the file's
name: a process with the old file open would write its journal next to the new file.
"""

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from glob import escape
from pathlib import Path

from sqlalchemy import URL, Connection

from .. import system
from ..domain.errors import Refused, Unavailable
from ..store.database import Database

_TIMEOUT = 5  # seconds to wait for a command that uses the database for a moment
_SUFFIXES = ("", "-journal", "-wal", "-shm")
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)  # FAT, and some network drives
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class DatabaseDamaged(Exception):
    """The file is not a SQLite database, or an incomplete one."""

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__(f"{path}: {detail}")
        self.path = path


class DatabaseInUse(Refused):
    """Another process has the database open."""


@contextmanager
def transaction(path: Path) -> Iterator[Connection]:
    """Run one transaction on a database that no other process uses. Raises Unavailable if it fails."""
    database = Database(URL.create("sqlite", database=str(path)).render_as_string(), system.now)
    with closing(database), database.begin() as connection:
        yield connection


def copy_online(source: Path, target: Path) -> None:
    """Copy the database as it is at one moment while others write, without the deleted rows that an exact copy keeps in
    its free pages. `target` must be an empty file. Raises DatabaseInUse, DatabaseDamaged and Unavailable."""
    with _translate_errors(source), closing(_connect(f"{source.as_uri()}?mode=rw")) as connection:
        connection.execute("vacuum into ?", (str(target),))
    with _translate_errors(source), closing(_connect(target.as_uri())) as copy:
        _check(copy, source)


def copy_still(source: Path, target: Path) -> None:
    """Copy a file that nobody writes to, exactly; `source` is only read. Raises DatabaseDamaged and Unavailable."""
    uri = f"{source.resolve().as_uri()}?mode=ro&immutable=1"
    with _translate_errors(source), closing(_connect(uri)) as connection, closing(_connect(target.as_uri())) as copy:
        connection.backup(copy)
        _check(copy, source)


def make_single_file(path: Path) -> None:
    """Turn a database that nobody has open into one synced file without journals. Raises DatabaseDamaged and
    Unavailable."""
    with _translate_errors(path), closing(_connect(path.as_uri())) as connection:
        connection.execute("pragma journal_mode=delete")
    sync_to_disk(path)


class ExclusiveDatabase:
    """A database that no other process can read or write. In a dry run it is shared, and only read."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self._path = connection, path

    def copy_to(self, target: Path) -> None:
        """Make an exact copy. Raises DatabaseDamaged and Unavailable."""
        with _translate_errors(self._path), closing(_connect(target.as_uri())) as copy:
            self._connection.backup(copy)
            _check(copy, self._path)

    def is_empty(self) -> bool:
        with _translate_errors(self._path):
            return not self._connection.execute("select count(*) from sqlite_master").fetchone()[0]

    def overwrite_with(self, source: Path) -> None:
        """Replace the content with that of `source` in one transaction: after a crash, the database has either the old
        or the new content. Raises Unavailable."""
        with _translate_errors(self._path), closing(_connect(f"{source.as_uri()}?mode=ro")) as new:
            new.backup(self._connection)


@contextmanager
def open_exclusive(path: Path) -> Iterator[ExclusiveDatabase]:
    """Open the database so that no other process can read or write it until the block ends. A missing database is
    created. Raises DatabaseInUse, DatabaseDamaged and Unavailable."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    with _translate_errors(path), closing(_connect(path.as_uri())) as connection:
        # A server keeps a lock on a WAL database for as long as it has it open; leaving WAL takes all locks.
        for statement in ("locking_mode=exclusive", "journal_mode=delete", "synchronous=extra"):
            connection.execute(f"pragma {statement}")
        connection.execute("begin exclusive")  # and in this locking mode the lock outlives the transaction
        connection.execute("commit")
        yield ExclusiveDatabase(connection, path)


@contextmanager
def open_new_exclusive(path: Path) -> Iterator[ExclusiveDatabase]:
    """Like `open_exclusive` for a database that does not exist yet. Raises DatabaseInUse if it exists by now."""
    with open_exclusive(path) as new:
        if not new.is_empty():
            raise DatabaseInUse(f"Another process has created the database {path} in the meantime.")
        yield new


@contextmanager
def open_for_dry_run(path: Path) -> Iterator[ExclusiveDatabase]:
    """Open the database for a dry run: other processes may use it. For a missing one, open an empty one in memory."""
    uri = f"{path.as_uri()}?mode=rw" if path.exists() else "file::memory:"
    with _translate_errors(path), closing(_connect(uri)) as connection:
        yield ExclusiveDatabase(connection, path)


@contextmanager
def new_file(final: Path, tag: str) -> Iterator[Path]:
    """Yield a file to write, readable by the owner only. If the block succeeds, it appears as `final`, complete and
    synced. Raises FileExistsError if `final` exists by then, even as a symbolic link."""
    with temporary_file(final, f"{tag}.partial") as partial:
        yield partial
        sync_to_disk(partial)
        try:
            os.link(partial, final)  # unlike a rename, it never replaces a file
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            _copy_new(partial, final)
    sync_to_disk(final.parent)


@contextmanager
def temporary_file(target: Path, ending: str) -> Iterator[Path]:
    """Yield a new, empty file, readable by the owner only. It is deleted after the block unless it was renamed."""
    path = target.with_name(f"{target.name}.{ending}")
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    try:
        yield path
    finally:
        remove(path)


def remove_leftovers(path: Path, but: str) -> None:
    """Delete the temporary files of restores that were killed, except those with the tag `but`. The database must be
    open exclusively."""
    for ending in ("restored", "replaced"):
        for left in path.parent.glob(f"{escape(path.name)}.{ending}-*"):
            if but not in left.name:
                left.unlink(missing_ok=True)


def keep_replaced(copy: Path, of: Path, stamp: str) -> Path:
    """Rename `copy`, a temporary copy of the replaced database, so that it stays. Returns its path."""
    aside = of.with_name(f"{of.name}.before-restore-{stamp}")
    sync_to_disk(copy)
    os.rename(copy, aside)
    sync_to_disk(aside.parent)
    return aside


def remove(path: Path) -> None:
    """Delete a database and its journals."""
    for suffix in _SUFFIXES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def sync_to_disk(path: Path) -> None:
    """Make a file's content, or a folder's list of files, survive a loss of power."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _copy_new(source: Path, final: Path) -> None:
    """Copy the file if hard links are not supported: this is not atomic, and the copy is deleted on failure."""
    with source.open("rb") as given, open(os.open(final, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as copy:
        try:
            shutil.copyfileobj(given, copy)
            copy.flush()
            os.fsync(copy.fileno())
        except BaseException:
            final.unlink()
            raise


def _check(copy: sqlite3.Connection, source: Path) -> None:
    for check in ("integrity_check", "foreign_key_check"):
        if any(row != ("ok",) for row in copy.execute(f"pragma {check}")):
            raise DatabaseDamaged(source, f"it fails the {check}")


def _connect(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(uri, uri=True, timeout=_TIMEOUT, isolation_level=None)


@contextmanager
def _translate_errors(path: Path) -> Iterator[None]:
    """Raise SQLite's errors as those of this module."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _BUSY:
            raise DatabaseInUse(f"Another process has the database {path} open.") from error
        if code in _BROKEN:
            raise DatabaseDamaged(path, str(error)) from error
        raise Unavailable(f"{path}: {error}") from error
