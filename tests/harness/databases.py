"""The databases on which a bench runs the server, and access to their rows.

The rows are read with the bare driver and the form of the refresh token, without the server's own code: a check that
uses the code under test proves little.
"""

import importlib.util
import shutil
import sqlite3
import tempfile
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from tests.harness.network import Network
from tests.harness.postgres import NOT_INSTALLED, Postgres, binaries

_SQLITE_HISTORY = """
CREATE TABLE bench_history (number INTEGER PRIMARY KEY, id BLOB, old INTEGER, new INTEGER, revoked_at INTEGER);
CREATE TRIGGER bench_history AFTER UPDATE OF generation ON authorizations BEGIN
    INSERT INTO bench_history (id, old, new, revoked_at)
    VALUES (old.id, old.generation, new.generation, old.revoked_at);
END;
"""
_POSTGRESQL_HISTORY = """
CREATE TABLE bench_history (number BIGSERIAL PRIMARY KEY, id BYTEA, old BIGINT, new BIGINT, revoked_at BIGINT);
CREATE INDEX bench_history_id ON bench_history (id);
CREATE FUNCTION bench_history() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO bench_history (id, old, new, revoked_at)
    VALUES (OLD.id, OLD.generation, NEW.generation, OLD.revoked_at);
    RETURN NULL;
END $$;
CREATE TRIGGER bench_history AFTER UPDATE OF generation ON authorizations
    FOR EACH ROW EXECUTE FUNCTION bench_history();
"""


class Rows:
    """The rows of a running server's database, and what `record_history` recorded."""

    def __init__(self, connection: Any, placeholder: str) -> None:
        self._connection, self._placeholder = connection, placeholder

    def close(self) -> None:
        self._connection.close()

    def generation(self, token: str) -> int:
        ((found,),) = self._about("SELECT generation FROM authorizations WHERE id = ?", token)
        return int(found)

    def history(self, token: str) -> list[tuple[int, int]]:
        """Return every write to the generation, as old and new value."""
        return self._about("SELECT old, new FROM bench_history WHERE id = ? ORDER BY number", token)

    def written_after_revocation(self, token: str) -> int:
        ((found,),) = self._about("SELECT count(*) FROM bench_history WHERE id = ? AND revoked_at IS NOT NULL", token)
        return int(found)

    def logins(self) -> dict[bytes, tuple[int, int | None]]:
        """Generation and revocation of each authorization, by its id."""
        found = self.select("SELECT id, generation, revoked_at FROM authorizations")
        return {id: (generation, revoked_at) for id, generation, revoked_at in found}

    def columns(self, table: str) -> list[str]:
        found = self._connection.execute(f"SELECT * FROM {table} WHERE 1 = 0")
        return [column[0] for column in found.description]

    def select(self, statement: str, *parameters: object) -> list[Any]:
        """Run a query; `?` is a parameter."""
        return list(self._connection.execute(statement.replace("?", self._placeholder), parameters).fetchall())

    def _about(self, statement: str, token: str) -> list[Any]:
        return self.select(statement, authorization_id(token))


class Database(Protocol):
    url: str
    """For AUTHSERVER_DATABASE_URL."""

    def execute(self, statements: str) -> None:
        """Run a statement without the server's knowledge."""

    def record_history(self) -> None:
        """Record every write to a generation from now on."""

    def rows(self) -> Rows:
        """Open the rows; the caller closes them."""

    def rows_after_crash(self) -> AbstractContextManager[Rows]:
        """Open the rows as killed servers left them, without repairing anything."""

    def random_id(self) -> str:
        """An expression of 16 random bytes."""

    def stop(self, mode: str = "fast") -> None: ...

    def start(self) -> None: ...


class SqliteFile:
    def __init__(self, folder: Path) -> None:
        self.file = folder / "authserver.db"
        self.url = f"sqlite:///{self.file}"

    def execute(self, statements: str) -> None:
        with closing(sqlite3.connect(self.file, timeout=30)) as database:
            database.executescript(statements)

    def record_history(self) -> None:
        self.execute(_SQLITE_HISTORY + "CREATE INDEX bench_history_id ON bench_history (id);")

    def rows(self) -> Rows:
        return Rows(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True, isolation_level=None), "?")

    @contextmanager
    def rows_after_crash(self) -> Iterator[Rows]:
        """Open a copy: opening a database after a crash repairs it, and the server must show that it does."""
        with tempfile.TemporaryDirectory(prefix="authserver-bench-") as folder:
            for name in (self.file.name, f"{self.file.name}-wal"):
                if (self.file.parent / name).exists():
                    shutil.copy(self.file.parent / name, folder)
            with closing(sqlite3.connect(Path(folder) / self.file.name)) as copy:
                yield Rows(copy, "?")

    def random_id(self) -> str:
        return "randomblob(16)"

    def stop(self, mode: str = "fast") -> None:
        """A file needs no server."""

    def start(self) -> None:
        """A file needs no server."""


class PostgresDatabase:
    """One database of a server of our own; `postgres` is that server, for a bench that breaks it."""

    def __init__(self, postgres: Postgres) -> None:
        self.postgres = postgres
        self.name = postgres.create_database()
        self.url = postgres.url(self.name)
        self.network: Network | None = None
        """What `url` goes through, where a fault breaks that."""

    def execute(self, statements: str) -> None:
        with self.postgres.connect(self.name) as connection:
            connection.execute(statements)

    def record_history(self) -> None:
        self.execute(_POSTGRESQL_HISTORY)

    def rows(self) -> Rows:
        return Rows(self.postgres.connect(self.name), "%s")

    def rows_after_crash(self) -> AbstractContextManager[Rows]:
        return closing(self.rows())

    def random_id(self) -> str:
        return "decode(md5(random()::text), 'hex')"

    def stop(self, mode: str = "fast") -> None:
        """`immediate` is a crash."""
        self.postgres.stop(mode)

    def start(self) -> None:
        self.postgres.start()


def missing(kind: str) -> str | None:
    """Why a bench cannot run on this kind of database here; None if it can."""
    if kind == "sqlite":
        return None
    if binaries() is None:
        return NOT_INSTALLED
    return None if importlib.util.find_spec("psycopg") else "PostgreSQL's driver psycopg is not installed"


@contextmanager
def new_database(kind: str, folder: Path) -> Iterator[Database]:
    """Yield an empty `sqlite` or `postgresql` database, which is deleted afterwards. Exits if PostgreSQL is missing."""
    if kind == "sqlite":
        yield SqliteFile(folder)
        return
    programs = binaries()
    if missing(kind) or programs is None:
        raise SystemExit(f"{missing(kind)}.")
    postgres = Postgres(programs)
    try:
        postgres.start()
        yield PostgresDatabase(postgres)
    finally:
        postgres.remove()


def generation(token: str) -> int:
    return int.from_bytes(_decoded(token)[18:22])


def authorization_id(token: str) -> bytes:
    return _decoded(token)[2:18]


def _decoded(token: str) -> bytes:
    return urlsafe_b64decode(token.removeprefix("rt_"))
