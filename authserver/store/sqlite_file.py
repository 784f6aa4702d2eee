"""Finds the file of a SQLite database by its URL, and notices that it is no longer the file that was opened."""

import os
import sqlite3
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import make_url

from ..domain.errors import Misconfigured, Unavailable
from ..file_modes import user_name

log: Any = structlog.get_logger("authserver")
_LOST = (
    "The database file {path} {what} while it was open. Nothing is read or written, because it would be lost. Put the "
    "file back or restore a backup, then restart the server."
)
_NO_DATABASE = """There is no database {path}. Run this in the server's folder, or name the database:

    AUTHSERVER_DATABASE_URL=sqlite:////path/to/authserver.db

A new server's database is created with:

    authserver init"""


def path_of(url: str) -> Path | None:
    """Return the database's file, with symbolic links resolved; None for another kind of database. `url` is
    SQLAlchemy's."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        return None
    return Path(os.path.realpath(str(parsed.database)))


def is_sqlite(url: str) -> bool:
    """Whether this is a SQLite database, including one in memory."""
    return make_url(url).get_backend_name() == "sqlite"


def check_exists(url: str) -> None:
    """Raise Misconfigured if the database does not exist, and Unavailable if its folder does not exist either, as with
    a volume that is not mounted."""
    path = _plain_path(url)
    if path is None or os.path.exists(path):
        return
    if fault := _why_unreachable(path):
        raise Unavailable(fault)
    raise Misconfigured(_NO_DATABASE.format(path=path))


def why_unusable(url: str) -> str | None:
    """Why SQLite cannot open or write the database; None if the file system does not say."""
    path = _plain_path(url)
    if path is None:
        return None
    if fault := _why_unreachable(path):
        return fault
    user = user_name(os.geteuid())
    if not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=True):
        return f"The user {user} cannot write to the folder {path.parent}, as SQLite must for the database {path}"
    if path.exists() and not os.access(path, os.R_OK | os.W_OK, effective_ids=True):
        return f"The user {user} cannot read and write the database {path}"
    return f"The database {path} is a folder" if path.is_dir() else None


def is_path(database: str | None) -> bool:
    """Whether SQLAlchemy's name of a SQLite database is a path: not a database in memory, nor a file: URI, which may be
    in memory too."""
    return database not in (None, "", ":memory:") and not str(database).startswith("file:")


def _plain_path(url: str) -> Path | None:
    """Like `path_of`, but also None for a file: URI."""
    return path_of(url) if is_path(make_url(url).database) else None


def _why_unreachable(path: Path) -> str | None:
    nearest = next(folder for folder in path.parents if os.path.isdir(folder))
    if not os.access(nearest, os.X_OK, effective_ids=True):
        return f"The user {user_name(os.geteuid())} cannot open the folder {nearest}, to look for the database {path}"
    return None if nearest == path.parent else f"There is no database {path}, and no folder {path.parent}"


class FileError(sqlite3.OperationalError):
    """An error of the file system, in our words."""


class FileLost(FileError):
    """The path no longer leads to the open file: what SQLite writes to it is lost."""


class OpenFile:
    """The file that an engine has open, recognized by its device and inode."""

    def __init__(self, url: str) -> None:
        """`url` as SQLAlchemy's. A database in memory or given as a file: URI is not watched."""
        name = make_url(url).database
        # Symbolic links are not resolved: one that leads elsewhere by now is noticed, too.
        self._path = Path(str(name)).absolute() if is_path(name) else None
        self._identity: tuple[int, int] | None = None
        self._is_lost = False

    def opened(self, connection_info: dict[Any, Any]) -> None:
        """Remember the file of the first connection; later ones must be to the same file. Adds this to what SQLAlchemy
        keeps of the connection."""
        connection_info[OpenFile] = self
        if self._path is not None and self._identity is None:
            self._identity = _identity(self._path)

    def check(self) -> None:
        """Raise FileLost if the path leads elsewhere by now, and log that once. Takes about a microsecond."""
        if self._path is None or self._identity is None:
            return
        identity = _identity(self._path)
        if identity == self._identity:
            self._is_lost = False
            return
        what = "was deleted or moved" if identity is None else "was replaced by another file"
        reason = _LOST.format(path=self._path, what=what)
        if not self._is_lost:
            self._is_lost = True
            log.error("database_file_lost", path=str(self._path), reason=reason)
        raise FileLost(reason)


def _identity(path: Path) -> tuple[int, int] | None:
    """None if there is no such file, or nobody can tell."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
