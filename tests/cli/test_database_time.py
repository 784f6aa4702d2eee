"""On PostgreSQL the commands go by the database's clock, as the servers do, however wrong this machine's clock is."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from click.testing import Result
from starlette.testclient import TestClient

from authserver import system
from authserver.app import create_app
from authserver.provisioning import open_database
from authserver.settings import load
from tests.harness.constants import PASSWORD, SECOND
from tests.harness.postgres import Postgres
from tests.store.conftest import postgres
from tests.web.serving import everything

__all__ = ["postgres"]
YEAR = 365 * 86400 * SECOND


@pytest.fixture(params=[YEAR, -YEAR], ids=["ahead", "behind"])
def run(
    request: pytest.FixtureRequest, postgres: Postgres, cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Result]]:
    """`cli`, on a machine whose clock is wrong by a year, with a new database."""
    name = postgres.create_database()
    monkeypatch.setenv("AUTHSERVER_DATABASE_URL", postgres.url(name))
    monkeypatch.setattr(system, "now", lambda: time.time_ns() // 1000 + request.param)
    yield lambda *arguments, **options: cli(*arguments, DATABASE_URL=postgres.url(name), **options)
    postgres.drop_database(name)


def test_every_time_that_they_write_is_the_databases(run: Callable[..., Result]) -> None:
    run("init")
    run("user", "create", "ada", "--password-stdin", input=PASSWORD)
    run("client", "create", "App", "--grant", "password", "--auth-method", "none")
    with closing(open_database(load())) as database:
        tables = everything(database)
    times = {
        f"{name}.{column}": value
        for name, rows in tables.items()
        for row in rows
        for column, value in row.items()
        if column.endswith("_at") and value
    }
    assert {"users.created_at", "clients.created_at", "signing_keys.created_at"} < times.keys()
    true = time.time_ns() // 1000
    assert {name: at for name, at in times.items() if abs(at - true) > YEAR / 2} == {}


def test_token_inspect_judges_by_it(run: Callable[..., Result]) -> None:
    run("init")
    run("user", "create", "ada", "--password-stdin", input=PASSWORD)
    with TestClient(create_app(load()), load().issuer) as http:
        login: dict[str, Any] = http.post("/api/login", json={"username": "ada", "password": PASSWORD}).json()
    for name in ("access_token", "refresh_token"):
        assert ": valid\n" in run("token", "inspect", input=login[name]).stdout
    assert os.environ["AUTHSERVER_DATABASE_URL"].startswith("postgresql")
