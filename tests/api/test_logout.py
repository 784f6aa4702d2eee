"""POST /api/logout by body: ends the login of a token of any generation, and never counts as reuse."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver.store.database import Database
from authserver.store.schema import denied_tokens
from tests.api.calling import DEAD_TOKEN, LOGOUT, Caller, assert_done, assert_refused, assert_tokens
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER, SECRET
from tests.web.answers import assert_granted
from tests.web.serving import LocalServer, add_client, everything, the_login


@pytest.mark.parametrize("generation", [0, 1, 2], ids=["oldest", "previous", "newest"])
def test_any_generation_ends_the_login(
    api: Caller, refresh_token: str, clock: Clock, database: Database, events: list[Any], generation: int
) -> None:
    tokens = [refresh_token]
    for _ in range(2):
        tokens.append(assert_tokens(api.refresh(tokens[-1]))["refresh_token"])
    clock.forward(3600)
    assert_done(api.logout(tokens[generation]))
    assert the_login(database)["revoked_reason"] == "revoked"
    assert [entry["event"] for entry in events][-1] == "revoked"
    for token in tokens:
        assert_refused(api.refresh(token), DEAD_TOKEN)


def test_a_second_logout_is_done_too(api: Caller, refresh_token: str, database: Database) -> None:
    assert_done(api.logout(refresh_token))
    before = everything(database)
    assert_done(api.logout(refresh_token))
    assert everything(database) == before


def test_it_ends_one_login_and_not_another(api: Caller, refresh_token: str) -> None:
    other = assert_tokens(api.login())["refresh_token"]
    assert_done(api.logout(refresh_token))
    assert_tokens(api.refresh(other))


@pytest.mark.parametrize("token", ["x", "rt_" + "A" * 72, "rt_" + "é" * 72, "a.b.c", " "])
def test_rfc7009_2_2_an_unknown_token_is_done(still: Caller, shared: LocalServer, token: str) -> None:
    before = everything(shared.database)
    assert_done(still.logout(token))
    assert everything(shared.database) == before


def test_a_token_of_another_client_is_refused_and_stays_valid(
    api: Caller, login: Callable[..., Any], token: Callable[..., Any], database: Database
) -> None:
    theirs = login("app")["refresh_token"]
    before = everything(database)
    assert_refused(api.logout(theirs), DEAD_TOKEN)
    assert everything(database) == before
    assert_granted(token("refresh_token", "app", refresh_token=theirs))


def test_introspection_sees_it_and_offline_verification_does_not(
    api: Caller, http: TestClient, database: Database
) -> None:
    add_client(database, "web", id="warden", audiences=(f"{ISSUER}/api",))
    body = assert_tokens(api.login())
    form = {"client_id": "warden", "client_secret": SECRET, "token": body["access_token"]}
    assert http.post("/introspect", data=form).json()["active"] is True
    assert_done(api.logout(body["refresh_token"]))
    assert http.post("/introspect", data=form).json() == {"active": False}
    assert api.protected(f"Bearer {body['access_token']}").status_code == 200


def test_the_body_of_a_logout_may_say_more(api: Caller, refresh_token: str) -> None:
    assert_done(api.json(LOGOUT, {"refresh_token": refresh_token, "token_type_hint": "access_token", "x": 1}))
    assert_refused(api.refresh(refresh_token), DEAD_TOKEN)


def test_an_access_token_is_unknown_here_and_stays_what_it_was(
    api: Caller, login: Callable[..., Any], database: Database
) -> None:
    answer = login()
    assert_done(api.logout(answer["access_token"]))
    with database.begin() as connection:
        assert not connection.execute(denied_tokens.select()).all()
