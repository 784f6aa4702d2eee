"""POST /api/refresh-token by body: the same pipeline as /token, for the built-in client."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver.store import users
from authserver.store.database import Database
from tests.api.calling import DEAD_TOKEN, Caller, assert_refused, assert_tokens
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER
from tests.web.answers import INVALID_GRANT, assert_granted, claims_of
from tests.web.answers import assert_refused as assert_refused_by_token
from tests.web.serving import everything, execute, the_login

DAY = 86400


def names_of(events: Any) -> Any:
    return [entry["event"] for entry in events if entry["event"] != "refused"]


def test_a_refresh_answers_two_new_tokens_of_the_same_login(api: Caller, clock: Clock) -> None:
    first = assert_tokens(api.login())
    clock.forward(1)
    second = assert_tokens(api.refresh(first["refresh_token"]))
    assert second["refresh_token"] != first["refresh_token"]
    before, after = claims_of(first), claims_of(second)
    assert after["jti"] != before["jti"] and after["iat"] == before["iat"] + 1
    same = ("iss", "sub", "aud", "client_id", "grant_id", "auth_time")
    assert [after[name] for name in same] == [before[name] for name in same]
    assert_tokens(api.refresh(second["refresh_token"]))


def test_a_retry_gets_the_same_successor(api: Caller, refresh_token: str, clock: Clock, database: Database) -> None:
    successor = assert_tokens(api.refresh(refresh_token))["refresh_token"]
    clock.forward(29.999999)
    assert assert_tokens(api.refresh(refresh_token))["refresh_token"] == successor
    assert the_login(database)["generation"] == 1


def test_a_replayed_token_ends_the_login(
    api: Caller, refresh_token: str, clock: Clock, database: Database, events: list[Any]
) -> None:
    successor = assert_tokens(api.refresh(refresh_token))["refresh_token"]
    clock.forward(30)
    assert_refused(api.refresh(refresh_token), DEAD_TOKEN)
    assert the_login(database)["revoked_reason"] == "reuse"
    assert names_of(events) == ["refresh_token_reused"]
    assert_refused(api.refresh(successor), DEAD_TOKEN)


def test_a_token_of_another_client_is_refused_and_stays_valid(
    api: Caller, login: Callable[..., Any], token: Callable[..., Any], database: Database, events: list[Any]
) -> None:
    theirs = login("app")["refresh_token"]
    before = everything(database)
    assert_refused(api.refresh(theirs), DEAD_TOKEN)
    assert everything(database) == before
    assert names_of(events)[-1] == "refresh_token_foreign"
    assert_granted(token("refresh_token", "app", refresh_token=theirs))


def test_other_clients_cannot_use_its_tokens(
    api: Caller, refresh_token: str, token: Callable[..., Any], database: Database
) -> None:
    before = everything(database)
    for client_id in ("app", "web"):
        assert_refused_by_token(token("refresh_token", client_id, refresh_token=refresh_token), INVALID_GRANT)
    assert everything(database) == before
    assert_tokens(api.refresh(refresh_token))


def test_the_standard_endpoint_goes_on_with_its_login(api: Caller, refresh_token: str, http: TestClient) -> None:
    form = {"grant_type": "refresh_token", "client_id": "first-party", "refresh_token": refresh_token}
    answer = http.post("/token", data=form).json()
    assert claims_of(answer)["aud"] == f"{ISSUER}/api"
    assert_tokens(api.refresh(answer["refresh_token"]))


@pytest.mark.parametrize(
    "token",
    ["x", "rt_", "rt_" + "A" * 72, "RT_" + "A" * 72, "rt_" + "é" * 72, "rt_" + "A" * 73, "\n", "a" * 60_000],
)
def test_what_is_no_refresh_token(still: Caller, token: str) -> None:
    assert_refused(still.refresh(token), DEAD_TOKEN)


def test_a_forged_token_is_refused_and_changes_nothing(api: Caller, refresh_token: str, database: Database) -> None:
    before = everything(database)
    last = "A" if refresh_token[-1] != "A" else "B"
    assert_refused(api.refresh(refresh_token[:-1] + last), DEAD_TOKEN)
    assert_refused(api.refresh(refresh_token + " "), DEAD_TOKEN)
    assert everything(database) == before


def test_an_access_token_is_no_refresh_token(api: Caller) -> None:
    assert_refused(api.refresh(assert_tokens(api.login())["access_token"]), DEAD_TOKEN)


def test_the_idle_end(api: Caller, refresh_token: str, later: Callable[[float], None]) -> None:
    later(7 * DAY - 0.000001)
    successor = assert_tokens(api.refresh(refresh_token))["refresh_token"]
    later(7 * DAY)
    assert_refused(api.refresh(successor), DEAD_TOKEN)


@pytest.mark.parametrize("settings", [{"refresh_absolute_ttl": 10, "refresh_idle_ttl": 10}], indirect=True)
def test_the_absolute_end(api: Caller, refresh_token: str, clock: Clock) -> None:
    clock.forward(8)
    body = assert_tokens(api.refresh(refresh_token))
    assert body["expires_in"] == 2
    clock.forward(2)
    assert_refused(api.refresh(body["refresh_token"]), DEAD_TOKEN)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE users SET disabled = 1",
        "UPDATE users SET credential_version = credential_version + 1",
        "DELETE FROM users",
        "UPDATE authorizations SET revoked_at = 1, revoked_reason = 'admin'",
        "DELETE FROM authorizations",
    ],
)
def test_what_ends_a_login(api: Caller, refresh_token: str, database: Database, statement: str) -> None:
    execute(database, statement)
    before = everything(database)
    assert_refused(api.refresh(refresh_token), DEAD_TOKEN)
    assert everything(database) == before


def test_a_user_who_is_enabled_again_has_to_log_in_again(api: Caller, refresh_token: str, database: Database) -> None:
    for disabled in (True, False):
        with database.begin() as connection:
            users.set_disabled(connection, "ada", disabled)
    assert_refused(api.refresh(refresh_token), DEAD_TOKEN)
