"""A server in this process on a copy of a database that was made once, and what tests do to that database."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient
from starlette.types import ASGIApp

from authserver.app import assemble
from authserver.background import BackgroundTasks
from authserver.domain import refresh_token
from authserver.domain.models import SECOND, Authorization, Client
from authserver.keyring import Keyring
from authserver.provisioning import open_database, open_key_store
from authserver.settings import Settings
from authserver.store import authorizations, clients, signing_keys
from authserver.store.database import Connection, Database
from authserver.store.schema import metadata
from tests.harness.builders import authorization
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER, LONG
from tests.harness.sample_database import settings_in

HOME, ELSEWHERE = "192.0.2.7", "198.51.100.7"
"""Addresses in two networks, for `from_host`."""


@dataclass
class LocalServer:
    app: ASGIApp
    http: TestClient
    database: Database
    settings: Settings
    clock: Clock
    tasks: BackgroundTasks


@contextmanager
def serving(template: Path, folder: Path, clock: Clock, **changes: Any) -> Iterator[LocalServer]:
    """`changes` are settings."""
    shutil.copytree(template, folder, dirs_exist_ok=True)
    settings = settings_in(folder, **changes)
    database = open_database(settings, clock)
    assembly = assemble(settings, now=clock)
    with TestClient(assembly.app, ISSUER, raise_server_exceptions=False) as http:
        yield LocalServer(assembly.app, http, database, settings, clock, assembly.tasks)
    database.close()


def wait_until_ready(http: TestClient, path: str = "/health/ready", seconds: float = LONG) -> None:
    """Until the server has read its keys anew, which it may not sign without once 30 s have passed on its clock."""
    wait_until(lambda: http.get(path).status_code == 200, seconds)


def wait_until(true: Callable[[], bool], seconds: float = LONG) -> None:
    """For what the server does by itself, a moment later."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.005)


def rows(database: Database, name: str) -> list[dict[str, Any]]:
    with database.begin() as connection:
        return _rows(connection, name)


def everything(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table that requests change: not where pruning stands, nor the counters of attempts and the
    audit trail, which also keep what changed nothing."""
    apart = ("attempts", "events", "pruning")
    with database.begin() as connection:
        return {name: _rows(connection, name) for name in metadata.tables if name not in apart}


def _rows(connection: Connection, name: str) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(metadata.tables[name].select()).mappings()]


def the_login(database: Database) -> dict[str, Any]:
    """The row of the one login that there is."""
    (row,) = rows(database, "authorizations")
    return row


def execute(database: Database, statement: str, *parameters: Any) -> None:
    """What an operator, a restored backup or another node may do to the database."""
    with database.begin() as connection:
        connection.exec_driver_sql(statement, parameters)


def change_client(database: Database, client_id: str, **changes: Any) -> None:
    with database.begin() as connection:
        assert clients.put(connection, replace(_client(connection, client_id), **changes))


def add_client(database: Database, like: str, **changes: Any) -> None:
    """One more client, like that one except for the changes."""
    with database.begin() as connection:
        clients.add(connection, replace(_client(connection, like), **changes))


def _client(connection: Connection, client_id: str) -> Client:
    client = clients.load(connection, client_id)
    assert client is not None
    return client


class Logins:
    """Authorizations without the hashing: planted in the database, with the tokens that the server would have made."""

    def __init__(self, database: Database, settings: Settings, clock: Callable[[], int]) -> None:
        self.database, self.clock = database, clock
        with database.begin() as connection:
            state = signing_keys.load(connection)
        self.keyring = Keyring(open_key_store(settings), state, clock())

    def plant(self, number: int, **changes: Any) -> Authorization:
        """ada's login at the client `app`, as it is after its third refresh, unless the changes say otherwise."""
        now = self.clock()
        planted = {
            "generation": 3,
            "idle_expires_at": now + 3600 * SECOND,
            "expires_at": now + 7200 * SECOND,
            "refresh_key_id": self.keyring.newest_refresh_key_id(now),
        }
        login = authorization(number, now, **planted | changes)
        with self.database.begin() as connection:
            begin = authorizations.begin(login, limit=10_000)
            begin.apply(connection, [begin.params], now)
        return login

    def token(self, login: Authorization, generation: int, key: bytes | None = None) -> str:
        key = key or self.keyring.refresh_key(login.refresh_key_id)
        return refresh_token.render(login.id, generation, key=key, salt=login.salt)
