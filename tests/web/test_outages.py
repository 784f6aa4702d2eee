"""A failing database, a restart, a clock that is set, a key that was not read yet."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from authserver.app import create_app
from authserver.background import INTERVALS
from authserver.clock import Clock as SystemClock
from authserver.keyring.lifecycle import refresh_keys
from authserver.provisioning import open_key_encryption_keys
from authserver.settings import Settings
from authserver.store import signing_keys
from authserver.store.database import Database
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER, PASSWORD, SECOND
from tests.web.answers import INVALID_GRANT, UNAVAILABLE, assert_done, assert_granted, assert_refused
from tests.web.serving import Logins, change_client, everything, execute, rows, the_login, wait_until_ready


@pytest.fixture
def gives_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A locked database is given up after 100 ms. Ask for this before anything that opens the database."""
    monkeypatch.setattr("authserver.store.engine.SQLITE_BUSY_TIMEOUT", 100)


@contextmanager
def unreachable_database(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing can be read; what the driver would say."""

    def fails(*_: Any) -> None:
        raise OperationalError("SELECT", {}, sqlite3.OperationalError("disk I/O error"))

    with monkeypatch.context() as patch:
        patch.setattr(Database, "_load_once", fails)
        yield


@contextmanager
def busy_database(settings: Settings) -> Iterator[None]:
    """Another process holds SQLite's write lock."""
    connection = sqlite3.connect(settings.database_url.get_secret_value().removeprefix("sqlite:///"))
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.rollback()
    connection.close()


@contextmanager
def another_process(settings: Settings, now: Any) -> Iterator[Any]:
    """The server once more on the same database, as after a restart."""
    with TestClient(create_app(settings, now=now), ISSUER, raise_server_exceptions=False) as http:
        yield lambda text: http.post(
            "/token", data={"grant_type": "refresh_token", "client_id": "app", "refresh_token": text}
        )


@pytest.mark.usefixtures("gives_up_soon")
@pytest.mark.parametrize("which", ["unreachable", "busy"])
def test_database_down_is_503_and_changes_nothing(
    settings: Settings,
    database: Database,
    token: Callable[..., Any],
    rotated: Callable[..., list[str]],
    refresh: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    which: str,
) -> None:
    retried, newest = rotated(1)
    before = everything(database)
    with unreachable_database(monkeypatch) if which == "unreachable" else busy_database(settings):
        for answer in (
            refresh(newest),
            refresh(retried),
            token("password", username="ada", password=PASSWORD),
        ):
            assert_refused(answer, UNAVAILABLE)
    assert everything(database) == before
    assert_granted(refresh(newest))


@pytest.mark.usefixtures("gives_up_soon")
def test_reuse_is_not_told_before_it_is_revoked(
    settings: Settings, database: Database, rotated: Callable[..., list[str]], refresh: Callable[..., Any]
) -> None:
    oldest, _, newest = rotated(2)
    with busy_database(settings):
        assert_refused(refresh(oldest), UNAVAILABLE)
    assert_granted(refresh(newest))
    assert_refused(refresh(oldest), INVALID_GRANT)
    assert the_login(database)["revoked_reason"] == "reuse"


@pytest.mark.usefixtures("gives_up_soon")
def test_a_storage_error_while_revoking_is_503_and_a_retry_works(
    settings: Settings,
    http: TestClient,
    database: Database,
    login: Callable[..., Any],
    refresh: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = login()
    before = everything(database)
    for text in (answer["refresh_token"], answer["access_token"]):
        form = {"client_id": "app", "token": text}
        with busy_database(settings):
            assert_refused(http.post("/revoke", data=form), UNAVAILABLE)
        assert everything(database) == before
    with unreachable_database(monkeypatch):
        assert_refused(http.post("/revoke", data={"client_id": "app", "token": answer["refresh_token"]}), UNAVAILABLE)
    assert everything(database) == before
    assert_done(http.post("/revoke", data={"client_id": "app", "token": answer["refresh_token"]}))


def test_the_documents_are_served_while_the_database_is_down(
    http: TestClient, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = ("/.well-known/jwks.json", "/.well-known/oauth-authorization-server")
    before = [http.get(path) for path in paths]
    with unreachable_database(monkeypatch):
        clock.forward(3600)
        after = [http.get(path) for path in paths]
        ready, live = http.get("/health/ready"), http.get("/health/live")
    assert [(answer.status_code, answer.content) for answer in after] == [(200, answer.content) for answer in before]
    assert (ready.status_code, ready.json()["down"]) == (503, ["database", "keys"])
    assert ready.headers["retry-after"] == "1"
    assert live.status_code == 200


def test_a_process_that_could_not_read_its_keys_for_30_s_signs_nothing(
    http: TestClient,
    database: Database,
    login: Callable[..., Any],
    token: Callable[..., Any],
    refresh: Callable[..., Any],
    clock: Clock,
) -> None:
    text = login()["refresh_token"]
    execute(database, "ALTER TABLE signing_keys RENAME TO away")
    before = the_login(database)
    clock.forward(30)
    assert_granted(token("client_credentials", "web"))  # every schedule includes these 30 s
    clock.now += 1
    assert_refused(token("client_credentials", "web"), UNAVAILABLE)
    assert_refused(refresh(text), UNAVAILABLE)
    assert the_login(database) == before
    execute(database, "ALTER TABLE away RENAME TO signing_keys")
    wait_until_ready(http)
    assert_granted(refresh(text))


def test_time_in_which_the_database_was_unreachable_does_not_count(
    http: TestClient,
    rotated: Callable[..., list[str]],
    refresh: Callable[..., Any],
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    retried, newest = rotated(1)
    clock.forward(10)
    with unreachable_database(monkeypatch):
        assert_refused(refresh(retried), UNAVAILABLE)
        clock.forward(600)
    wait_until_ready(http)
    clock.forward(19.999999)
    assert assert_granted(refresh(retried))["refresh_token"] == newest
    clock.now += 1
    assert_refused(refresh(retried), INVALID_GRANT)


def test_without_an_outage_the_same_time_counts(
    rotated: Callable[..., list[str]], refresh: Callable[..., Any], later: Callable[[float], None]
) -> None:
    retried, _ = rotated(1)
    later(620)
    assert_refused(refresh(retried), INVALID_GRANT)


def test_after_a_restart_a_retry_is_still_a_retry(
    settings: Settings, rotated: Callable[..., list[str]], clock: Clock
) -> None:
    retried, newest = rotated(1)
    clock.forward(29.999999)
    with another_process(settings, clock) as refresh:
        assert assert_granted(refresh(retried))["refresh_token"] == newest


def test_after_a_restart_reuse_is_still_reuse(
    settings: Settings, database: Database, rotated: Callable[..., list[str]], clock: Clock
) -> None:
    retried, newest = rotated(1)
    clock.forward(30)
    with another_process(settings, clock) as refresh:
        assert_refused(refresh(retried), INVALID_GRANT)
        assert_refused(refresh(newest), INVALID_GRANT)
    assert the_login(database)["revoked_reason"] == "reuse"


def test_a_clock_two_hours_back_revives_nothing(
    http: TestClient, rotated: Callable[..., list[str]], refresh: Callable[..., Any], clock: Clock
) -> None:
    retried, newest = rotated(1)
    _, other = rotated(1)
    assert_done(http.post("/revoke", data={"client_id": "app", "token": other}))
    clock.forward(-7200)
    assert_refused(refresh(other), INVALID_GRANT)
    assert assert_granted(refresh(retried))["refresh_token"] == newest  # elapsed counts as 0
    assert_granted(refresh(newest))


def test_a_clock_two_hours_back_opens_no_window_that_is_closed(
    database: Database, rotated: Callable[..., list[str]], refresh: Callable[..., Any], clock: Clock
) -> None:
    change_client(database, "app", policy={"refresh_retry_window": 0})
    used, _ = rotated(1)
    clock.forward(-7200)
    assert_refused(refresh(used), INVALID_GRANT)
    assert the_login(database)["revoked_reason"] == "reuse"


@pytest.fixture
def logins(database: Database, settings: Settings, clock: Clock) -> Any:
    return Logins(database, settings, clock)


def test_a_wall_clock_that_jumps_an_hour_while_the_process_runs(settings: Settings, logins: Any, clock: Clock) -> None:
    """Behind the server's clock stand the wall clock, which jumps, and a steady one, which does not."""
    wall, steady = [clock()], [0]
    first = logins.token(logins.plant(1, generation=0), 0)

    def pass_seconds(seconds: Any, jump: Any = 0) -> None:
        steady[0] += seconds * SECOND
        wall[0] += (seconds + jump) * SECOND

    with another_process(settings, SystemClock(lambda: wall[0], lambda: steady[0])) as refresh:
        second = assert_granted(refresh(first))["refresh_token"]
        pass_seconds(5, jump=3600)
        assert assert_granted(refresh(first))["refresh_token"] == second
        pass_seconds(5, jump=-7200)
        assert assert_granted(refresh(first))["refresh_token"] == second
        pass_seconds(21)
        assert_refused(refresh(first), INVALID_GRANT)


@pytest.fixture
def keys_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(INTERVALS, "read_keys", 3600)


def add_refresh_key(database: Database, settings: Settings, *, created_at: Any, active_at: Any) -> Any:
    """As another node may do. Returns its id."""
    with database.begin() as connection:
        keks = open_key_encryption_keys(settings)
        key = refresh_keys.new_refresh_key(keks, bytes(range(32)), now=created_at, active_at=active_at)
        signing_keys.add_refresh_key(connection, key)
    return key.id


def test_a_refresh_key_that_this_process_has_not_read_is_read(
    keys_are_read_once: Any,
    http: TestClient,
    settings: Settings,
    database: Database,
    refresh: Callable[..., Any],
    clock: Clock,
) -> None:
    id = add_refresh_key(database, settings, created_at=clock() + 1, active_at=clock())
    logins = Logins(database, settings, clock)
    login = logins.plant(1, refresh_key_id=id)
    assert_granted(refresh(logins.token(login, 3)))


def test_a_refresh_key_that_there_is_not_is_503_and_never_invalid_grant(
    http: TestClient, settings: Settings, database: Database, login: Callable[..., Any], refresh: Callable[..., Any]
) -> None:
    text = login()["refresh_token"]
    refresh_key_id = the_login(database)["refresh_key_id"]
    execute(database, "UPDATE authorizations SET refresh_key_id = 'lost'")
    before = everything(database)
    assert_refused(refresh(text), UNAVAILABLE)
    assert_refused(refresh(text, "other"), UNAVAILABLE)
    assert_refused(http.post("/revoke", data={"client_id": "app", "token": text}), UNAVAILABLE)
    assert everything(database) == before
    execute(database, "UPDATE authorizations SET refresh_key_id = ?", refresh_key_id)
    assert_granted(refresh(text))


def test_a_retry_gets_the_same_string_after_a_new_refresh_token_key(
    settings: Settings,
    database: Database,
    rotated: Callable[..., list[str]],
    refresh: Callable[..., Any],
    clock: Clock,
    later: Callable[[float], None],
) -> None:
    retried, newest = rotated(1)
    first_id = the_login(database)["refresh_key_id"]
    fresh_id = add_refresh_key(database, settings, created_at=clock() + 1, active_at=clock() + 20 * SECOND)
    later(19)
    rotated(0)  # the lead time is not over
    later(1)
    assert assert_granted(refresh(retried))["refresh_token"] == newest
    rotated(0)
    assert [row["refresh_key_id"] for row in by_age(database)] == [first_id, first_id, fresh_id]


def by_age(database: Database) -> Any:
    return sorted(rows(database, "authorizations"), key=lambda row: row["created_at"])
