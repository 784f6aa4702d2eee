"""The store suite runs on every database: on a SQLite file, and on PostgreSQL where its server is installed."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from authserver.domain.models import Client, User
from authserver.provisioning import initialise
from authserver.settings import Settings, load
from authserver.store import clients, migrations, signing_keys, users
from authserver.store.changes import Change
from authserver.store.database import Database
from authserver.store.signing_keys import KeyState
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER
from tests.harness.postgres import NOT_INSTALLED, Postgres, binaries, volatile
from tests.harness.spare_keys import SPARE_KEYS

Run = Callable[[Awaitable[Any]], Any]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    programs = binaries()
    if programs is None:
        pytest.skip(NOT_INSTALLED)
    server = volatile(programs)
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("migrated") / "as.db"
    _migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def migrated_database(postgres: Postgres) -> str:
    name = postgres.create_database()
    _migrate(postgres.url(name))
    return name


@pytest.fixture
def sqlite_url(migrated_file: Path, tmp_path: Path) -> str:
    shutil.copy(migrated_file, tmp_path)
    return f"sqlite:///{tmp_path}/{migrated_file.name}"


@pytest.fixture
def postgres_url(postgres: Postgres, migrated_database: str) -> Iterator[str]:
    name = postgres.create_database(migrated_database)
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
def serializable_url(postgres_url: str) -> str:
    """Databases that speak PostgreSQL's language may know no other isolation."""
    return f"{postgres_url}&options=-cdefault_transaction_isolation%3Dserializable"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """A database of the test's own, with all tables and no rows."""
    name: str = request.getfixturevalue(f"{request.param}_url")
    return name


@pytest.fixture(scope="session")
def first_keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, KeyState]:
    """The folder of the key-encryption key, and the keys that it wraps: making them takes longer than most tests."""
    folder, clock = tmp_path_factory.mktemp("keys"), Clock()
    settings = load(issuer=ISSUER, database_url=f"sqlite:///{folder}/as.db", keys_dir=str(folder / "keys"))
    database = Database(f"sqlite:///{folder}/as.db", clock)
    with SPARE_KEYS.kept():
        initialise(settings, database, clock)
    with database.begin() as connection:
        state = signing_keys.load(connection)
    database.close()
    return folder / "keys", state


@pytest.fixture
def settings(tmp_path: Path, url: str, first_keys: tuple[Path, KeyState]) -> Settings:
    """So that `database`, `http`, `token` and `login` stand on this database too."""
    folder, state = first_keys
    shutil.copytree(folder, tmp_path / "keys")
    database = Database(url, Clock())
    with database.begin() as connection:
        for key in state.signing_keys:
            signing_keys.add(connection, key)
        for refresh_key in state.refresh_keys:
            signing_keys.add_refresh_key(connection, refresh_key)
    database.close()
    return load(issuer=ISSUER, database_url=url, keys_dir=str(tmp_path / "keys"))


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[Database]:
    """With the users u_ada and u_bob and the clients app and other; no keys."""
    store = Database(url, clock)
    with store.begin() as connection:
        for name in ("ada", "bob"):
            users.add(connection, User(f"u_{name}", name, "$argon2id$", created_at=clock()))
        for name in ("app", "other"):
            clients.add(connection, Client(name, name.title(), "none", frozenset({"password"}), ("read", "write")))
    yield store
    store.close()


@pytest.fixture
def run() -> Iterator[Run]:
    """Runs a coroutine in the one event loop of the test."""
    with asyncio.Runner() as runner:
        yield runner.run  # type: ignore[misc]


@pytest.fixture
def write(store: Database, run: Run) -> Callable[..., list[Any]]:
    """`write(change, ...)` asks for all in one moment, so that they are one group; outcomes and errors in order."""

    def write(*changes: Change) -> list[Any]:
        outcomes: list[Any] = run(together(store.write(change) for change in changes))
        return outcomes

    return write


async def together(asked: Any) -> list[Any]:
    return await asyncio.gather(*asked, return_exceptions=True)


def _migrate(url: str) -> None:
    database = Database(url, Clock())
    with database.begin() as connection:
        migrations.upgrade(connection)
    database.close()
