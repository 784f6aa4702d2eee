"""Finds the file of a SQLite database by its URL."""

import os
from pathlib import Path

from sqlalchemy import make_url

from ..domain.errors import Misconfigured, Unavailable

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
    path = path_of(url)
    if path is None or path.exists() or str(make_url(url).database).startswith("file:"):  # a URI may be in memory
        return
    if not path.parent.is_dir():
        raise Unavailable(f"There is no database {path}, and no folder {path.parent}")
    raise Misconfigured(_NO_DATABASE.format(path=path))
