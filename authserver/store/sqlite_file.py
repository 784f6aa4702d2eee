"""A SQLite database as a file: copied while servers write, held for one process alone, replaced in one transaction.

Nothing here renames or unlinks a database that somebody may have open: SQLite finds the journal by the file's name, and
a process that still had the old file would write its journal beside the new one.
"""

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from glob import escape
from pathlib import Path

from sqlalchemy import URL, make_url

from ..domain.errors import Misconfigured, Refused, Unavailable
from .database import Database

_PATIENCE = 5  # seconds for a command that has the database for a moment
_SIDES = ("", "-journal", "-wal", "-shm")
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)  # FAT, and some network drives
_NO_DATABASE = """There is no database {path}. Run this in the server's folder, or name the database:

    AUTHSERVER_DATABASE_URL=sqlite:////path/to/authserver.db

A new server's database is created with:

    authserver init"""
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Damaged(Exception):
    """The file is no SQLite database, or not a whole one."""

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__(f"{path}: {detail}")
        self.path = path


class InUse(Refused):
    """Another process has the database open."""


def path_of(url: str) -> Path | None:
    """The file itself, symbolic links resolved; None for another kind of database. `url` as SQLAlchemy's."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        return None
    return Path(os.path.realpath(str(parsed.database)))


def is_sqlite(url: str) -> bool:
    """Whether it is a SQLite database, be it one in memory."""
    return make_url(url).get_backend_name() == "sqlite"


def check_exists(url: str) -> None:
    """Raises Misconfigured, or Unavailable if not even the folder is there, as on a volume that is not mounted."""
    path = path_of(url)
    if path is None or path.exists() or str(make_url(url).database).startswith("file:"):  # a URI may be in memory
        return
    if not path.parent.is_dir():
        raise Unavailable(f"There is no database {path}, and no folder {path.parent}")
    raise Misconfigured(_NO_DATABASE.format(path=path))


def opened(path: Path, now: Callable[[], int]) -> Database:
    return Database(URL.create("sqlite", database=str(path)).render_as_string(), now)


def copy_online(source: Path, target: Path) -> None:
    """What `source` holds at one moment, while others go on writing; nothing of what was deleted from it, which an
    exact copy would hold in its free pages. `target` must be there, and empty. Raises InUse, Damaged, Unavailable."""
    with _told(source), closing(_connect(f"{source.as_uri()}?mode=rw")) as connection:
        connection.execute("vacuum into ?", (str(target),))
    with _told(source), closing(_connect(target.as_uri())) as copy:
        _check(copy, source)


def copy_still(source: Path, target: Path) -> None:
    """An exact copy of a file that nobody writes; `source` is only read. Raises Damaged and Unavailable."""
    uri = f"{source.resolve().as_uri()}?mode=ro&immutable=1"
    with _told(source), closing(_connect(uri)) as connection, closing(_connect(target.as_uri())) as copy:
        connection.backup(copy)
        _check(copy, source)


def settle(path: Path) -> None:
    """One plain, durable file of a database that nobody has open any more. Raises Damaged and Unavailable."""
    with _told(path), closing(_connect(path.as_uri())) as connection:
        connection.execute("pragma journal_mode=delete")
    sync(path)


class Held:
    """A database that one process has for itself; in a rehearsal, one that is only read."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self._path = connection, path

    def copy_to(self, target: Path) -> None:
        """An exact copy. Raises Damaged and Unavailable."""
        with _told(self._path), closing(_connect(target.as_uri())) as copy:
            self._connection.backup(copy)
            _check(copy, self._path)

    def is_empty(self) -> bool:
        with _told(self._path):
            return not self._connection.execute("select count(*) from sqlite_master").fetchone()[0]

    def become(self, source: Path) -> None:
        """Hold what `source` holds, or, whatever happens meanwhile, what it held before. Raises Unavailable."""
        with _told(self._path), closing(_connect(f"{source.as_uri()}?mode=ro")) as new:
            new.backup(self._connection)


@contextmanager
def held(path: Path) -> Iterator[Held]:
    """Nobody else reads or writes the database until the block ends; where there is none, an empty one is made. Raises
    InUse, Damaged and Unavailable."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    with _told(path), closing(_connect(path.as_uri())) as connection:
        # A server keeps a lock on a WAL database for as long as it has it open; leaving WAL takes all locks.
        for statement in ("locking_mode=exclusive", "journal_mode=delete", "synchronous=extra"):
            connection.execute(f"pragma {statement}")
        connection.execute("begin exclusive")  # and in this locking mode the lock outlives the transaction
        connection.execute("commit")
        yield Held(connection, path)


@contextmanager
def held_new(path: Path) -> Iterator[Held]:
    """As `held`, where there was no database. Raises InUse too if there is one by now."""
    with held(path) as new:
        if not new.is_empty():
            raise InUse(f"Somebody has made the database {path} meanwhile.")
        yield new


@contextmanager
def looked_at(path: Path) -> Iterator[Held]:
    """For a rehearsal, beside whoever uses the database; an empty one in memory where there is none."""
    uri = f"{path.as_uri()}?mode=rw" if path.exists() else "file::memory:"
    with _told(path), closing(_connect(uri)) as connection:
        yield Held(connection, path)


@contextmanager
def new_file(final: Path, tag: str) -> Iterator[Path]:
    """A file to be written, for the owner only; when the block has ended well it is there as `final`, whole and
    durable. Raises FileExistsError if `final` is there by then, be it a symbolic link."""
    with scratch(final, f"{tag}.partial") as partial:
        yield partial
        sync(partial)
        try:
            os.link(partial, final)  # which, unlike a rename, never replaces
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            _copy_new(partial, final)
    sync(final.parent)


@contextmanager
def scratch(beside: Path, ending: str) -> Iterator[Path]:
    """A new, empty file, for the owner only, that is gone after the block unless it was renamed."""
    path = beside.with_name(f"{beside.name}.{ending}")
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    try:
        yield path
    finally:
        remove(path)


def remove_left(path: Path, but: str) -> None:
    """The scratch files of a restore that was killed, those tagged `but` excepted; the database must be held."""
    for ending in ("restored", "replaced"):
        for left in path.parent.glob(f"{escape(path.name)}.{ending}-*"):
            if but not in left.name:
                left.unlink(missing_ok=True)


def put_aside(copy: Path, of: Path, stamp: str) -> Path:
    """Give the copy of a database a name under which it stays, durably."""
    aside = of.with_name(f"{of.name}.before-restore-{stamp}")
    sync(copy)
    os.rename(copy, aside)
    sync(aside.parent)
    return aside


def remove(path: Path) -> None:
    """With the journals beside it."""
    for side in _SIDES:
        path.with_name(path.name + side).unlink(missing_ok=True)


def sync(path: Path) -> None:
    """What is in the file, or which files are in the folder, outlives a loss of power."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _copy_new(source: Path, final: Path) -> None:
    """As a link, where there are none: it may be seen half, and is gone if it cannot be whole."""
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
            raise Damaged(source, f"it fails the {check}")


def _connect(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(uri, uri=True, timeout=_PATIENCE, isolation_level=None)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """SQLite's errors as those of this module."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _BUSY:
            raise InUse(f"Another process has the database {path} open.") from error
        if code in _BROKEN:
            raise Damaged(path, str(error)) from error
        raise Unavailable(f"{path}: {error}") from error
