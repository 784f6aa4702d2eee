"""PgBouncer between the server and PostgreSQL, in transaction mode with fewer connections than it has clients, and in
session mode: everything works, and everything that bounds a statement holds."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from starlette.testclient import TestClient

from authserver.cli import main
from authserver.domain.errors import Unavailable
from authserver.keyring.lifecycle import Lifecycle
from authserver.settings import Settings
from authserver.store.database import Database
from authserver.store.engine import warnings
from tests.harness.clock import Clock
from tests.harness.pgbouncer import pgbouncer, through
from tests.harness.postgres import Postgres
from tests.store.conftest import Run, together
from tests.store.nodes import two_nodes
from tests.store.rows import begun, change_of, generations, rotation

FEWER = 2
TIMEOUTS = {"statement_timeout": "10s", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "10s"}
in_transactions = pytest.mark.parametrize("url", ["transaction"], indirect=True)


@pytest.fixture(params=["transaction", "session"])
def url(request: pytest.FixtureRequest, postgres: Postgres, postgres_url: str) -> Iterator[Any]:
    if request.param == "postgres":  # without a pooler
        yield postgres_url
        return
    connections = FEWER if request.param == "transaction" else 20
    with pgbouncer(postgres, request.param, connections) as pooler:
        yield through(pooler, postgres_url)


@pytest.fixture
def cli(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    for name in ("issuer", "keys_dir"):
        monkeypatch.setenv(f"AUTHSERVER_{name.upper()}", str(getattr(settings, name)))

    its_url = settings.database_url.get_secret_value()

    def cli(*arguments: Any, url: Any = its_url, code: Any = 0) -> Any:
        result = CliRunner().invoke(main, arguments, env={"AUTHSERVER_DATABASE_URL": url}, catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result

    return cli


def test_logins_refreshes_and_new_keys_are_answered_right(
    http: TestClient, login: Callable[..., Any], token: Callable[..., Any], lifecycle: Lifecycle, cli: Any
) -> None:
    first, other = login()["refresh_token"], login()["refresh_token"]
    for _ in range(12):  # psycopg prepares what it has sent five times
        second = token("refresh_token", refresh_token=first).json()["refresh_token"]
        assert token("refresh_token", refresh_token=first).json()["refresh_token"] == second
        other = token("refresh_token", refresh_token=other).json()["refresh_token"]
        first = second
    lifecycle.promote("RS256", emergency=True)  # under LOCK TABLE
    cli("keys", "rotate", "--emergency")
    cli("keys", "rewrap")
    assert token("refresh_token", refresh_token=first).status_code == 200
    assert http.get("/health/ready").status_code == 200


def test_groups_and_loads_of_two_nodes_are_written_and_read_right(
    store: Database, url: Any, run: Run, clock: Clock
) -> None:
    logins = begun(store, *range(1, 9))
    rounds = []
    for generation in range(10):
        now = [replace(login, generation=generation) for login in logins]
        rounds.append([[rotation(login) for login in now[node::2]] for node in range(2)])
    outcomes = two_nodes(run, url, clock, rounds)
    assert all(outcome is True for nodes in outcomes for node in nodes for outcome in node)
    assert generations(store) == dict.fromkeys(range(1, 9), 10)


def test_a_new_database_is_set_up_and_upgraded(postgres: Postgres, url: Any, cli: Any) -> None:
    name = url.split("/")[3].split("?")[0]
    new = url.replace(name, postgres.create_database())
    for arguments in (["db", "upgrade"], ["db", "upgrade"], ["init"], ["config", "check"]):
        cli(*arguments, url=new)


@pytest.mark.parametrize("url", ["postgres", "transaction", "session"], indirect=True)
def test_what_bounds_a_statement_holds(store: Database) -> None:
    with store.begin() as connection:
        assert {name: connection.exec_driver_sql(f"SHOW {name}").scalar() for name in TIMEOUTS} == TIMEOUTS
        assert connection.exec_driver_sql("SHOW application_name").scalar() == "authserver"
        assert warnings(connection) == []


@in_transactions
def test_options_of_the_url_that_a_pooler_ignores_are_told(
    postgres: Postgres, postgres_url: str, clock: Clock, cli: Any
) -> None:
    query = "&options=-c%20statement_timeout%3D3s%20-c%20work_mem%3D8MB"
    assert "Warning: the `options`" not in cli("config", "check", url=postgres_url + query).stderr
    with pgbouncer(postgres, "transaction", ignored="options,extra_float_digits") as pooler:
        pooled = through(pooler, postgres_url) + query
        said = cli("config", "check", url=pooled).stderr
        with closing(Database(pooled, clock)) as database, database.begin() as connection:
            assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "3s"
    assert "set work_mem=8MB, and PostgreSQL has 4MB: a pooler ignores `options`" in said
    assert "statement_timeout" not in said


@in_transactions
def test_options_that_a_pooler_refuses_are_told_with_exit_code_78(url: Any, cli: Any) -> None:
    said = cli("config", "check", url=url + "&options=-c%20work_mem%3D8MB", code=78).stderr
    assert "ignore_startup_parameters = options" in said


def test_prepared_statements_behind_a_pooler_are_told(monkeypatch: pytest.MonkeyPatch, cli: Any) -> None:
    monkeypatch.setenv("AUTHSERVER_DATABASE_PREPARED_STATEMENTS", "on")
    assert "max_prepared_statements" in cli("config", "check").stderr
    monkeypatch.setenv("AUTHSERVER_DATABASE_PREPARED_STATEMENTS", "off")
    assert "max_prepared_statements" not in cli("config", "check").stderr


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
@pytest.mark.parametrize("prepared", [False, True])
def test_statements_are_prepared_only_where_that_is_asked_for(url: Any, clock: Clock, prepared: bool) -> None:
    database = Database(url, clock, prepared_statements=prepared)
    with database.begin() as connection:
        for _ in range(10):
            connection.execute(text("SELECT 1 WHERE :x = 1"), {"x": 1})
        prepares = connection.exec_driver_sql("SELECT count(*) FROM pg_prepared_statements").scalar()
    database.close()
    assert bool(prepares) is prepared


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
@pytest.mark.parametrize("state", ["26000", "42P05", "08P01"])
def test_a_session_that_another_client_changed_is_503_named_and_dropped(
    store: Database, run: Run, write: Callable[..., list[Any]], state: str
) -> None:
    (login,) = begun(store, 1)
    fails, sessions = text(f"DO 'BEGIN RAISE EXCEPTION SQLSTATE ''{state}''; END'"), []

    def note(connection: Any) -> bool:
        sessions.append(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar())
        return True

    def load_many(connection: Any, keys: Any) -> dict[int, Any]:
        note(connection)
        connection.execute(fails)
        return {}

    def load_nothing(connection: Any, keys: Any) -> dict[int, Any]:
        note(connection)
        return {}

    def change(connection: Any, *_: Any) -> bool:
        note(connection)
        connection.execute(fails)
        return True

    (loaded,) = run(together([store.load(load_many, 1)]))
    refused, rotated = write(change_of(change, ("clocks", "1")), rotation(login))
    assert rotated is True
    for outcome in (loaded, refused):
        assert isinstance(outcome, Unavailable)
        assert "a pooler in transaction mode" in str(outcome)
        assert "AUTHSERVER_DATABASE_PREPARED_STATEMENTS=off" in str(outcome)
    run(together(store.load(load_nothing, 1) for _ in range(8)))
    write(change_of(lambda connection, *_: note(connection), ("clocks", "1")))
    assert set(sessions[3:]).isdisjoint(sessions[:3])
