"""POST /api/logout by cookie clears it whatever the token's state."""

from collections.abc import Callable
from typing import Any

import pytest

from authserver.store.database import Database
from tests.api.calling import (
    CLEARED,
    COOKIE,
    DEAD_TOKEN,
    LOGOUT,
    MALFORMED,
    REFRESH,
    Caller,
    assert_done,
    assert_refused,
    assert_tokens_by_cookie,
)
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER
from tests.web.serving import LocalServer, everything, execute, the_login

OWN = ("Origin", ISSUER)


def test_it_ends_the_login_and_clears_the_cookie(api: Caller, cookie: str, database: Database) -> None:
    assert_done(api.by_cookie(LOGOUT, cookie), CLEARED)
    assert the_login(database)["revoked_reason"] == "revoked"
    assert_refused(api.by_cookie(REFRESH, cookie), DEAD_TOKEN)


def test_an_old_token_ends_the_login_too(api: Caller, cookie: str, clock: Clock, database: Database) -> None:
    newest = assert_tokens_by_cookie(api.by_cookie(REFRESH, assert_tokens_by_cookie(api.by_cookie(REFRESH, cookie))))
    clock.forward(3600)
    assert_done(api.by_cookie(LOGOUT, cookie), CLEARED)
    assert the_login(database)["revoked_reason"] == "revoked"
    assert_refused(api.by_cookie(REFRESH, newest), DEAD_TOKEN)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE authorizations SET revoked_at = 1, revoked_reason = 'reuse'",
        "UPDATE authorizations SET idle_expires_at = 1",
        "UPDATE authorizations SET expires_at = 1, idle_expires_at = 1",
        "UPDATE users SET disabled = 1",
        "UPDATE users SET credential_version = credential_version + 1",
        "DELETE FROM users",
        "DELETE FROM authorizations",
    ],
)
def test_the_cookie_is_cleared_whatever_the_state_of_its_token(
    api: Caller, cookie: str, database: Database, statement: str
) -> None:
    execute(database, statement)
    assert_done(api.by_cookie(LOGOUT, cookie), CLEARED)


@pytest.mark.parametrize("value", ["x", "rt_" + "A" * 72, '"quoted"', "a" * 10_000, "a.b.c"])
def test_whatever_stands_in_it(still: Caller, shared: LocalServer, value: str) -> None:
    before = everything(shared.database)
    assert_done(still.by_cookie(LOGOUT, value), CLEARED)
    assert everything(shared.database) == before


def test_a_token_of_another_client_is_refused_and_the_cookie_cleared(
    api: Caller, login: Callable[..., Any], database: Database
) -> None:
    theirs = login("app")["refresh_token"]
    before = everything(database)
    assert_refused(api.by_cookie(LOGOUT, theirs), DEAD_TOKEN, CLEARED)
    assert everything(database) == before


@pytest.mark.parametrize("content", ["", "{}"])
@pytest.mark.parametrize("cookies", [(), (("Cookie", f"{COOKIE}="),), (("Cookie", "other=1"),)], ids=repr)
def test_when_there_is_no_cookie_any_more(still: Caller, content: str, cookies: Any) -> None:
    json = [("Content-Type", "application/json")] if content else []
    assert_done(still.post(LOGOUT, content, OWN, *cookies, *json), CLEARED)


@pytest.mark.parametrize("origin", [(), (("Origin", "https://evil.example"),), (("Origin", "null"),)], ids=repr)
def test_a_page_elsewhere_cannot_have_a_cookie_cleared(still: Caller, origin: Any) -> None:
    """SameSite=Strict keeps the cookie out of such a call; an answer that cleared it would log the user out all the
    same, where a form is posted to the server."""
    assert_refused(still.post(LOGOUT, b"", *origin), MALFORMED)
