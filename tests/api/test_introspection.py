"""POST /introspect (RFC 7662) of access tokens: good, expired, revoked, forged, and asked about by the wrong client."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver.store import users
from authserver.store.database import Database
from tests.api.introspecting import INACTIVE, STRANGER, WARDEN, Introspector
from tests.harness.clock import Clock
from tests.harness.constants import AUDIENCE, ISSUER, SECRET
from tests.web.answers import (
    CHALLENGED,
    DISABLED,
    INVALID_CLIENT,
    INVALID_REQUEST,
    assert_done,
    assert_refused,
    claims_of,
)
from tests.web.serving import add_client, change_client, everything, execute

OTHER = "https://other.example"
NOW = 1_800_000_000


@pytest.fixture
def introspect(http: TestClient, database: Database) -> Any:
    add_client(database, "web", **STRANGER)
    add_client(database, "web", **WARDEN)
    return Introspector(http)


@pytest.fixture
def access_token(login: Callable[..., Any]) -> Any:
    """ada's at the public client `app`."""
    return login("app")["access_token"]


def test_rfc7662_2_2_what_is_shown_of_a_users_token(introspect: Any, login: Callable[..., Any]) -> None:
    body = login("app")
    claims = claims_of(body)
    assert introspect.shown(body["access_token"]) == {
        "active": True,
        "token_type": "Bearer",
        "iss": ISSUER,
        "sub": "u_ada",
        "username": "ada",
        "aud": AUDIENCE,
        "client_id": "app",
        "scope": "read write",
        "iat": NOW,
        "exp": NOW + 900,
        "auth_time": NOW,
        "jti": claims["jti"],
        "grant_id": claims["grant_id"],
    }


def test_rfc7662_2_2_what_is_shown_of_a_clients_own_token(introspect: Any, token: Callable[..., Any]) -> None:
    body = token("client_credentials", "web", scope="read").json()
    assert introspect.shown(body["access_token"]) == {
        "active": True,
        "token_type": "Bearer",
        "iss": ISSUER,
        "sub": "web",
        "aud": AUDIENCE,
        "client_id": "web",
        "scope": "read",
        "iat": NOW,
        "exp": NOW + 900,
        "jti": claims_of(body)["jti"],
    }


def test_several_audiences_are_an_array(introspect: Any, login: Callable[..., Any]) -> None:
    text = login("app", resource=[AUDIENCE, OTHER])["access_token"]
    assert introspect.shown(text)["aud"] == [AUDIENCE, OTHER]


def test_a_token_without_scope_has_no_member_scope(
    introspect: Any, database: Database, token: Callable[..., Any]
) -> None:
    change_client(database, "web", scope=())
    body = introspect.shown(token("client_credentials", "web").json()["access_token"])
    assert body["active"] is True and "scope" not in body


def test_times_are_whole_seconds(introspect: Any, login: Callable[..., Any], clock: Clock) -> None:
    clock.forward(0.75)
    body = introspect.shown(login("app")["access_token"])
    assert {name: type(body[name]) for name in ("iat", "exp", "auth_time")} == dict.fromkeys(
        ("iat", "exp", "auth_time"), int
    )


@pytest.mark.parametrize(
    ("caller", "allowed"), [("machine", True), ("warden", True), ("web", True), ("stranger", False), ("deaf", False)]
)
def test_a_token_is_shown_to_its_client_and_audience_and_to_nobody_else(
    introspect: Any, database: Database, access_token: Any, caller: str, allowed: bool
) -> None:
    """web is not its client, but shares its audience; deaf has no audience at all."""
    add_client(database, "web", id="deaf", audiences=())
    assert introspect.shown(access_token, caller)["active"] is allowed


def test_a_client_sees_its_own_token_whatever_the_audience(
    introspect: Any, database: Database, token: Callable[..., Any], clock: Clock
) -> None:
    own = token("client_credentials", "web").json()["access_token"]
    change_client(database, "web", audiences=())
    clock.forward(5)  # a client's row may be as old as that
    assert introspect.shown(own, "web")["active"] is True


def test_one_of_several_audiences_is_enough(introspect: Any, login: Callable[..., Any]) -> None:
    text = login("app", resource=[OTHER, AUDIENCE])["access_token"]
    assert introspect.shown(text)["active"] is True
    assert introspect.shown(login("app", resource=OTHER)["access_token"]) == INACTIVE


@pytest.mark.parametrize(
    "form",
    [{}, {"client_id": "nobody"}, {"client_id": "web", "client_secret": "wrong"}, {"client_id": "web"}],
    ids=repr,
)
def test_a_caller_that_is_not_authenticated_is_refused(http: TestClient, access_token: Any, form: Any) -> None:
    assert_refused(http.post("/introspect", data=form | {"token": access_token}), INVALID_CLIENT)


@pytest.mark.parametrize("client_id", ["app", "other", "first-party"])
def test_rfc7662_2_1_a_public_client_is_not_authenticated(http: TestClient, access_token: Any, client_id: str) -> None:
    assert_refused(http.post("/introspect", data={"client_id": client_id, "token": access_token}), INVALID_CLIENT)


def test_an_access_token_is_no_authentication(http: TestClient, access_token: Any) -> None:
    headers = {"Authorization": f"Bearer {access_token}"}
    assert_refused(http.post("/introspect", data={"token": access_token}, headers=headers), CHALLENGED)


@pytest.mark.parametrize("form", [{}, {"token": ""}, {"Token": "x"}, {"access_token": "x"}], ids=repr)
def test_a_request_without_a_token_is_refused(http: TestClient, form: Any) -> None:
    assert_refused(http.post("/introspect", data=form, auth=("machine", SECRET)), INVALID_REQUEST)


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "unknown", "é", ""])
def test_the_hint_does_not_matter(introspect: Any, access_token: Any, hint: str) -> None:
    assert introspect.shown(access_token, token_type_hint=hint)["active"] is True


@pytest.mark.parametrize(
    "token", ["x", " ", "é", "a.b.c", "..", "e30.e30.e30", "eyJhbGciOiJub25lIn0.e30.", "a" * 60_000]
)
def test_rfc7662_2_2_a_string_that_is_no_token(introspect: Any, token: str) -> None:
    assert introspect.shown(token) == INACTIVE


@pytest.mark.parametrize("part", [0, 1, 2], ids=["header", "payload", "signature"])
def test_a_token_that_was_changed(introspect: Any, access_token: Any, part: int) -> None:
    parts = access_token.split(".")
    middle = len(parts[part]) // 2
    other = "A" if parts[part][middle] != "A" else "B"
    parts[part] = parts[part][:middle] + other + parts[part][middle + 1 :]
    assert introspect.shown(".".join(parts)) == INACTIVE


@pytest.mark.parametrize("change", ["{}.", "{}.e30", "{} ", " {}", "{}!", "{}\n", "Bearer {}"])
def test_a_token_with_something_added(introspect: Any, access_token: Any, change: str) -> None:
    assert introspect.shown(change.format(access_token)) == INACTIVE


@pytest.mark.parametrize("change", ["{}=", "{}....", "{}==x"])
def test_rfc7515_2_a_signature_in_another_spelling_is_inactive(introspect: Any, access_token: Any, change: str) -> None:
    assert introspect.shown(change.format(access_token)) == INACTIVE


def test_it_expires_on_the_microsecond(introspect: Any, access_token: Any, clock: Clock) -> None:
    clock.forward(899.999999)
    assert introspect.shown(access_token)["active"] is True
    clock.forward(0.000001)
    assert introspect.shown(access_token) == INACTIVE


def test_a_denied_token_and_no_other_of_its_login(
    introspect: Any, http: TestClient, login: Callable[..., Any], refresh: Callable[..., Any]
) -> None:
    body = login("app")
    other = refresh(body["refresh_token"]).json()["access_token"]
    assert_done(http.post("/revoke", data={"client_id": "app", "token": body["access_token"]}))
    assert introspect.shown(body["access_token"]) == INACTIVE
    assert introspect.shown(other)["active"] is True


def test_a_revoked_login(introspect: Any, http: TestClient, login: Callable[..., Any]) -> None:
    body = login("app")
    assert_done(http.post("/revoke", data={"client_id": "app", "token": body["refresh_token"]}))
    assert introspect.shown(body["access_token"]) == INACTIVE


def test_a_login_that_ended_by_reuse(
    introspect: Any,
    rotated: Callable[..., list[str]],
    refresh: Callable[..., Any],
    login: Callable[..., Any],
    later: Callable[[float], None],
) -> None:
    retried, newest = rotated(1)
    later(31)
    text = refresh(newest).json()["access_token"]
    assert introspect.shown(text)["active"] is True
    refresh(retried)
    assert introspect.shown(text) == INACTIVE


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE users SET credential_version = credential_version + 1",
        "UPDATE users SET disabled = 1",
        "DELETE FROM users",
        "DELETE FROM authorizations",
        "UPDATE authorizations SET idle_expires_at = 1",
        "UPDATE clients SET disabled = 1 WHERE id = 'app'",
        "DELETE FROM clients WHERE id = 'app'",
    ],
)
def test_what_ends_a_users_token(introspect: Any, database: Database, access_token: Any, statement: str) -> None:
    execute(database, statement)
    assert introspect.shown(access_token) == INACTIVE


def test_enabling_a_disabled_user_revives_no_token(introspect: Any, database: Database, access_token: Any) -> None:
    for disabled in (True, False):
        with database.begin() as connection:
            users.set_disabled(connection, "ada", disabled)
        assert introspect.shown(access_token) == INACTIVE


def test_a_deleted_users_tokens(
    introspect: Any, database: Database, access_token: Any, login: Callable[..., Any]
) -> None:
    refresh_token = login("web")["refresh_token"]
    assert introspect.shown(access_token)["active"] and introspect.shown(refresh_token, "web")["active"]
    with database.begin() as connection:
        assert users.remove(connection, "ada")
    assert introspect.shown(access_token) == introspect.shown(refresh_token, "web") == INACTIVE


def test_a_disabled_caller_is_refused(introspect: Any, database: Database, access_token: Any, clock: Clock) -> None:
    assert introspect.shown(access_token, "warden")["active"] is True
    change_client(database, "warden", disabled=True)
    clock.forward(5)
    assert_refused(introspect.ask(access_token, "warden"), DISABLED)


def test_a_client_that_is_disabled_takes_its_own_tokens_along(
    introspect: Any, database: Database, token: Callable[..., Any]
) -> None:
    own = token("client_credentials", "web").json()["access_token"]
    change_client(database, "web", disabled=True)
    assert introspect.shown(own) == INACTIVE


def test_nothing_is_written_and_nothing_said(
    introspect: Any, database: Database, login: Callable[..., Any], events: list[Any]
) -> None:
    body = login("app")
    before = everything(database)
    del events[:]
    for text in (body["access_token"], body["refresh_token"], "x"):
        introspect.shown(text)
    assert (everything(database), events) == (before, [])


def test_a_database_that_cannot_be_reached(introspect: Any, database: Database, access_token: Any) -> None:
    execute(database, "ALTER TABLE denied_tokens RENAME TO elsewhere")
    assert introspect.ask(access_token).status_code == 503
    execute(database, "ALTER TABLE elsewhere RENAME TO denied_tokens")
    assert introspect.shown(access_token)["active"] is True
