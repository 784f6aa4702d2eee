"""A PostgreSQL that is stopped, started again, or ends connections: 503, and then on without a restart of ours."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import text
from starlette.testclient import TestClient

from authserver.domain.errors import Unavailable
from authserver.settings import Settings
from authserver.store.database import Database
from tests.harness.postgres import Postgres
from tests.store.rows import begun, change_of, generations, on_postgres, rotation

pytestmark = on_postgres
END_ME = text("SELECT pg_terminate_backend(pg_backend_pid())")


def test_a_caller_gets_503_while_it_is_down_and_then_the_next_token(
    http: TestClient, token: Callable[..., Any], login: Callable[..., Any], postgres: Postgres, settings: Settings
) -> None:
    first = login()["refresh_token"]
    postgres.stop()
    try:
        lost = token("refresh_token", refresh_token=first)
        ready = http.get("/health/ready")
        assert http.get("/.well-known/jwks.json").status_code == 200
        assert http.get("/health/live").status_code == 200
    finally:
        postgres.start()
    assert (lost.status_code, lost.json()["error"]) == (503, "temporarily_unavailable")
    assert 0 < int(lost.headers["Retry-After"]) <= settings.refresh_retry_window / 3
    assert (ready.status_code, ready.json()["down"]) == (503, ["database"])
    second = token("refresh_token", refresh_token=first).json()["refresh_token"]
    assert token("refresh_token", refresh_token=second).status_code == 200
    assert http.get("/health/ready").status_code == 200


def test_no_caller_notices_a_database_that_was_started_again_in_between(
    token: Callable[..., Any], login: Callable[..., Any], postgres: Postgres
) -> None:
    first = login()["refresh_token"]
    postgres.stop()
    postgres.start()
    assert token("refresh_token", refresh_token=first).status_code == 200


def test_a_connection_that_ends_before_commit_leaves_the_neighbours_whole(
    store: Database, write: Callable[..., list[Any]]
) -> None:
    logins, ran = begun(store, 1, 2, 3), []

    def end_connection_once(connection: Any, params: Any, now: Any) -> Any:
        ran.append(now)
        connection.execute(END_ME if len(ran) == 1 else text("SELECT 1"))
        return True

    ending = change_of(end_connection_once, ("authorizations", (2).to_bytes(16) + b"\0"))
    assert write(*map(rotation, logins), ending) == [True] * 4
    assert generations(store) == {1: 1, 2: 1, 3: 1}


def test_a_change_that_ends_every_connection_leaves_the_neighbours_whole(
    store: Database, write: Callable[..., list[Any]]
) -> None:
    logins = begun(store, 1, 2, 3)
    deadly = change_of(
        lambda connection, *_: connection.execute(END_ME) is None, ("authorizations", b"\0" * 15 + b"\2")
    )
    first, lost, third = write(rotation(logins[0]), deadly, rotation(logins[2]))
    assert (first, third) == (True, True)
    assert isinstance(lost, Unavailable)
    assert generations(store) == {1: 1, 2: 0, 3: 1}
