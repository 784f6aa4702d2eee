"""POST /introspect of refresh tokens: only their own confidential client may ask, and asking changes nothing."""

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from authserver.store.database import Database
from tests.api.introspecting import INACTIVE, STRANGER, WARDEN, Introspector
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER, SECRET
from tests.web.answers import assert_granted, claims_of
from tests.web.serving import add_client, change_client, everything, execute, the_login, wait_until_ready

NOW = 1_800_000_000
DAY = 86400


@pytest.fixture
def introspect(http: TestClient, database: Database) -> Any:
    add_client(database, "web", **STRANGER)
    add_client(database, "web", **WARDEN)
    return Introspector(http)


def is_active(introspect: Any, token: Any) -> Any:
    return introspect.shown(token, "web")["active"]


def test_rfc7662_2_2_what_is_shown(
    introspect: Any, login: Callable[..., Any], clock: Clock, refresh: Callable[..., Any]
) -> None:
    clock.forward(0.25)  # RFC 7662 s2.2: integer timestamps
    body = login("web")
    clock.forward(100)
    newest = refresh(body["refresh_token"], "web").json()["refresh_token"]
    assert introspect.shown(newest, "web") == {
        "active": True,
        "iss": ISSUER,
        "client_id": "web",
        "sub": "u_ada",
        "username": "ada",
        "scope": "read write",
        "iat": NOW,
        "exp": NOW + 100 + 7 * DAY,
        "grant_id": claims_of(body)["grant_id"],
    }


def test_its_end_is_the_absolute_end_where_that_comes_first(
    introspect: Any, database: Database, login: Callable[..., Any]
) -> None:
    token = login("web")["refresh_token"]
    execute(database, f"UPDATE authorizations SET expires_at = {NOW + 500}000000")
    assert introspect.shown(token, "web")["exp"] == NOW + 500


@pytest.mark.parametrize("caller", ["machine", "warden", "stranger"])
def test_another_client_sees_nothing(introspect: Any, login: Callable[..., Any], caller: str) -> None:
    """machine and warden may see the access token: they stand for its audience."""
    body = login("web")
    assert introspect.shown(body["access_token"], caller)["active"] is (caller != "stranger")
    assert introspect.shown(body["refresh_token"], caller) == INACTIVE


def test_a_public_clients_token_is_for_nobody(introspect: Any, login: Callable[..., Any]) -> None:
    token = login("app")["refresh_token"]
    for caller in ("web", "machine", "warden"):
        assert introspect.shown(token, caller) == INACTIVE


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "unknown"])
def test_the_hint_does_not_matter(introspect: Any, login: Callable[..., Any], hint: str) -> None:
    assert introspect.shown(login("web")["refresh_token"], "web", token_type_hint=hint)["active"] is True


def test_every_generation_inside_the_window_is_active(
    introspect: Any, rotated: Callable[..., list[str]], clock: Clock
) -> None:
    oldest, previous, newest = rotated(2, "web")
    clock.forward(29.999999)
    assert [is_active(introspect, token) for token in (oldest, previous, newest)] == [False, True, True]
    clock.forward(0.000001)
    assert [is_active(introspect, token) for token in (oldest, previous, newest)] == [False, False, True]


def test_nothing_reacts_to_a_replay(
    introspect: Any,
    database: Database,
    rotated: Callable[..., list[str]],
    refresh: Callable[..., Any],
    later: Callable[[float], None],
    events: list[Any],
) -> None:
    tokens = rotated(3, "web")
    later(3600)
    before = everything(database)
    del events[:]
    for caller in ("web", "machine"):
        for token in tokens:
            introspect.shown(token, caller)
    assert (everything(database), events) == (before, [])
    assert_granted(refresh(tokens[-1], "web"))


def test_an_outage_does_not_count_here_either(
    introspect: Any,
    http: TestClient,
    rotated: Callable[..., list[str]],
    refresh: Callable[..., Any],
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What /token would answer with a retry is active."""

    def fails(self: Any, loader: Any, keys: Any) -> None:
        raise OperationalError("SELECT", {}, sqlite3.OperationalError("disk I/O error"))

    previous, newest = rotated(1, "web")
    with monkeypatch.context() as patch:
        patch.setattr(Database, "_load_once", fails)
        assert introspect.ask(previous, "web").status_code == 503
        clock.forward(600)
    wait_until_ready(http)
    clock.forward(29.999999)
    assert is_active(introspect, previous) is True
    assert assert_granted(refresh(previous, "web"))["refresh_token"] == newest
    clock.forward(0.000001)
    assert is_active(introspect, previous) is False


def test_without_rotation_a_used_token_stays_active(
    introspect: Any, database: Database, login: Callable[..., Any], refresh: Callable[..., Any]
) -> None:
    change_client(database, "web", policy={"rotation": False})
    token = login("web")["refresh_token"]
    assert_granted(refresh(token, "web"))
    assert is_active(introspect, token) is True


def test_a_token_ahead_of_its_row_is_inactive_and_changes_nothing(
    introspect: Any, database: Database, rotated: Callable[..., list[str]]
) -> None:
    """The database has lost commits; /token would mend the row, here nothing is mended."""
    _, newest = rotated(1, "web")
    execute(database, "UPDATE authorizations SET generation = 0")
    before = the_login(database)
    assert introspect.shown(newest, "web") == INACTIVE
    assert the_login(database) == before


def test_its_idle_end(introspect: Any, login: Callable[..., Any], later: Callable[[float], None]) -> None:
    token = login("web")["refresh_token"]
    later(7 * DAY - 0.000001)
    assert is_active(introspect, token) is True
    later(0.000001)
    assert introspect.shown(token, "web") == INACTIVE


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE authorizations SET revoked_at = 1, revoked_reason = 'admin'",
        "UPDATE authorizations SET expires_at = 1, idle_expires_at = 1",
        "UPDATE users SET credential_version = credential_version + 1",
        "UPDATE users SET disabled = 1",
        "DELETE FROM users",
        "DELETE FROM authorizations",
    ],
)
def test_what_ends_it(introspect: Any, database: Database, login: Callable[..., Any], statement: str) -> None:
    token = login("web")["refresh_token"]
    assert is_active(introspect, token) is True
    execute(database, statement)
    assert introspect.shown(token, "web") == INACTIVE


def test_a_revoked_login(introspect: Any, http: TestClient, login: Callable[..., Any]) -> None:
    token = login("web")["refresh_token"]
    http.post("/revoke", data={"client_id": "web", "client_secret": SECRET, "token": token})
    assert introspect.shown(token, "web") == INACTIVE


@pytest.mark.parametrize("change", ["{}A", "{} ", "x{}", "{}\n", "RT_{}"])
def test_a_forged_token_is_inactive(introspect: Any, login: Callable[..., Any], change: str) -> None:
    token = login("web")["refresh_token"]
    assert introspect.shown(change.format(token), "web") == INACTIVE
    last = "A" if token[-1] != "A" else "B"
    assert introspect.shown(token[:-1] + last, "web") == INACTIVE
