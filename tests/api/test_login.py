"""POST /api/login: wrong passwords, unknown and disabled users, and credentials that are missing or no text."""

import json
from base64 import urlsafe_b64decode
from typing import Any

import pytest

from authserver.domain.models import User
from authserver.passwords import PasswordHasher
from authserver.store import users
from authserver.store.database import Database
from tests.api.calling import IS_JSON, LOGIN, MALFORMED, WRONG_PASSWORD, Caller, assert_refused, assert_tokens
from tests.harness.constants import AUDIENCE, ISSUER, PASSWORD
from tests.web.answers import claims_of
from tests.web.serving import rows, the_login

DIFFICULT = 'Pässwörd 😀 \\ "quoted" '


def test_a_login_answers_with_rfc6749_members(api: Caller, database: Database) -> None:
    body = assert_tokens(api.login())
    claims = claims_of(body)
    expected = {"iss": ISSUER, "sub": "u_ada", "aud": f"{ISSUER}/api", "client_id": "first-party"}
    assert expected.items() <= claims.items() and body["expires_in"] == 900
    assert "scope" not in claims
    header = json.loads(urlsafe_b64decode(body["access_token"].split(".")[0] + "=="))
    assert header["typ"] == "at+jwt"
    assert the_login(database)["id"].hex() == claims["grant_id"]


def test_members_that_are_not_of_this_interface_are_ignored(api: Caller) -> None:
    more: dict[str, Any] = {
        "grant_type": "client_credentials",
        "client_id": "web",
        "scope": "read",
        "resource": AUDIENCE,
        "x": None,
    }
    claims = claims_of(assert_tokens(api.login(**more)))
    assert (claims["client_id"], claims["aud"]) == ("first-party", f"{ISSUER}/api") and "scope" not in claims


def test_an_authorization_header_is_not_looked_at(api: Caller) -> None:
    credentials = {"username": "ada", "password": PASSWORD}
    assert_tokens(api.json(LOGIN, credentials, ("Authorization", "Basic bm9uc2Vuc2U=")))


@pytest.mark.parametrize("username", ["ADA", "Ada", "\uff41\uff44\uff41", "A\uff24A"])
def test_a_username_is_accepted_in_all_its_spellings(api: Caller, username: str) -> None:
    assert claims_of(assert_tokens(api.login(username)))["sub"] == "u_ada"


@pytest.mark.parametrize("ensure_ascii", [True, False], ids=["escaped", "in UTF-8"])
def test_a_password_may_have_every_kind_of_character(api: Caller, database: Database, ensure_ascii: bool) -> None:
    passwords = PasswordHasher()
    with database.begin() as connection:
        users.add(connection, User("u_bob", "bob", passwords.hash(DIFFICULT)))
    passwords.close()
    content = json.dumps({"username": "bob", "password": DIFFICULT}, ensure_ascii=ensure_ascii)
    assert claims_of(assert_tokens(api.post(LOGIN, content.encode(), IS_JSON)))["sub"] == "u_bob"
    assert_refused(api.login("bob", DIFFICULT.strip()), WRONG_PASSWORD)


@pytest.mark.parametrize(
    "username",
    ["nobody", "a" * 257, "é" * 256, "a\u0007da", "\u202eada", "a\u200dda", "ada ", " ada", "ada\r\n", "\x1b[31mada"],
)
def test_usernames_that_nobody_has(still: Caller, username: str) -> None:
    assert_refused(still.login(username), WRONG_PASSWORD)


@pytest.mark.parametrize("password", [PASSWORD + " ", " " + PASSWORD, PASSWORD.upper(), "x", "a\u0007", "p" * 1025])
def test_passwords_that_are_wrong(still: Caller, password: Any) -> None:
    assert_refused(still.login("ada", password), WRONG_PASSWORD)


@pytest.mark.parametrize("password", ["p" * 1025, "é" * 513, "p" * 60_000, "a\u0007"])
def test_what_cannot_be_a_password_is_not_hashed(still: Caller, monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    hashed = []
    monkeypatch.setattr(PasswordHasher, "_match", lambda *arguments: hashed.append(arguments))
    assert_refused(still.login("ada", password), WRONG_PASSWORD)
    assert hashed == []


def test_a_disabled_user_is_answered_like_a_wrong_password(api: Caller, database: Database) -> None:
    with database.begin() as connection:
        assert users.set_disabled(connection, "ada", True)
    assert_refused(api.login(), WRONG_PASSWORD)
    assert rows(database, "authorizations") == []


@pytest.mark.parametrize("missing", ["username", "password"])
@pytest.mark.parametrize(
    "value",
    ["absent", "", None, 1, 1.5, True, ["ada"], {"a": "ada"}, "a\0da", "\ud800", "\udc00"],  # noqa: PT014
)
def test_a_credential_is_missing_or_not_text(still: Caller, missing: str, value: Any) -> None:
    members = {"username": "ada", "password": PASSWORD, missing: value}
    if value == "absent":
        del members[missing]
    assert_refused(still.json(LOGIN, members), MALFORMED)


@pytest.mark.parametrize("value", [None, 0, 1, "", "true", "false", [], [True], {}])
def test_cookie_is_not_a_boolean(still: Caller, value: Any) -> None:
    assert_refused(still.login(cookie=value), MALFORMED)
