"""grant_type=authorization_code: who may redeem a code, once, and what happens to a code that comes again."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver.domain.client_secrets import digest
from authserver.domain.models import Secret
from authserver.store.database import Database
from tests.harness.browser import CALLBACK, VERIFIER, Browser, answer_of
from tests.harness.clock import Clock
from tests.harness.constants import AUDIENCE, PASSWORD, SECRET
from tests.web.answers import INVALID_GRANT, INVALID_REQUEST, INVALID_TARGET, assert_refused, claims_of
from tests.web.serving import add_client, change_client, execute, rows

OTHER_VERIFIER = "w" * 43


@pytest.fixture
def active(http: TestClient) -> Any:
    """`active(body)`: whether the refresh token of an answer is accepted."""

    def active(body: Any) -> bool:
        form = {"grant_type": "refresh_token", "client_id": "sso", "refresh_token": body["refresh_token"]}
        return bool(http.post("/token", data=form).status_code == 200)

    return active


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"redirect_uri": "https://client.example/cb"}, INVALID_GRANT),
        ({"redirect_uri": None}, INVALID_GRANT),
        ({"code_verifier": OTHER_VERIFIER}, INVALID_GRANT),
        ({"code_verifier": None}, INVALID_REQUEST),
        ({"code_verifier": "v" * 42}, INVALID_REQUEST),
        ({"code_verifier": "v" * 129}, INVALID_REQUEST),
        ({"code_verifier": VERIFIER[:-1] + "="}, INVALID_REQUEST),
        ({"code_verifier": VERIFIER + "\n"}, INVALID_REQUEST),
        ({"client_id": "sso2"}, INVALID_GRANT),
        ({"code": None}, INVALID_REQUEST),
        ({"code": "x"}, INVALID_GRANT),
        ({"code": "ac_" + "A" * 43}, INVALID_GRANT),
        ({"resource": "https://unknown.example"}, INVALID_TARGET),
    ],
)
def test_a_wrong_redemption_changes_nothing_rfc6749_4_1_3(
    browser: Browser, redeem: Any, database: Database, changes: Any, expected: Any
) -> None:
    add_client(database, "sso", id="sso2")
    code = browser.code()
    before = rows(database, "codes")
    assert_refused(redeem(**{"code": code} | changes), expected)
    assert rows(database, "codes") == before
    assert redeem(code).status_code == 200


@pytest.mark.parametrize(
    "change", [str.lower, lambda code: code[:-1], lambda code: code + "A", lambda code: "%" + code]
)
def test_a_code_that_is_almost_right_is_refused(browser: Browser, redeem: Any, change: Any) -> None:
    code = browser.code()
    wrong = change(code)
    assert wrong != code
    assert_refused(redeem(wrong), INVALID_GRANT)


def test_a_code_is_valid_for_60_seconds(browser: Browser, redeem: Any, clock: Clock) -> None:
    early, late = browser.code(), browser.code()
    clock.forward(59.999)
    assert redeem(early).status_code == 200
    clock.forward(0.001)
    assert_refused(redeem(late), INVALID_GRANT)


@pytest.mark.parametrize("settings", [{"code_ttl": 5}], indirect=True)
def test_a_setting_says_how_long_a_code_is_valid(browser: Browser, redeem: Any, clock: Clock) -> None:
    code = browser.code()
    clock.forward(5)
    assert_refused(redeem(code), INVALID_GRANT)


def test_a_double_submit_within_ten_seconds_is_refused_and_ends_nothing(
    browser: Browser, redeem: Any, active: Any, clock: Clock, events: list[Any]
) -> None:
    code = browser.code()
    body = redeem(code).json()
    clock.forward(9.999)
    assert_refused(redeem(code), INVALID_GRANT)
    assert active(body)
    assert [entry["event"] for entry in events if entry["event"].startswith("code_")] == [
        "code_issued",
        "code_redeemed",
        "code_resubmitted",
    ]


def test_a_client_that_is_strict_has_no_second_try(
    browser: Browser, redeem: Any, active: Any, database: Database
) -> None:
    change_client(database, "sso", policy={"code_retry_window": 0})
    code = browser.code()
    body = redeem(code).json()
    assert_refused(redeem(code), INVALID_GRANT)
    assert not active(body)


@pytest.mark.parametrize(
    ("seconds", "changes"),
    [
        (10, {}),
        (30, {}),
        (86_000, {}),
        (0, {"code_verifier": OTHER_VERIFIER}),
        (0, {"code_verifier": None}),
        (0, {"redirect_uri": "https://client.example/other"}),
    ],
)
def test_a_replay_ends_what_the_code_began_rfc6749_4_1_2(
    browser: Browser, redeem: Any, active: Any, later: Any, seconds: int, changes: Any, events: list[Any], refresh: Any
) -> None:
    code = browser.code()
    body = redeem(code).json()
    later(seconds)
    assert_refused(redeem(code, **changes), INVALID_GRANT)
    assert not active(body)
    assert_refused(redeem(code, **changes), INVALID_GRANT)  # and once more: there is nothing left to end
    replays = [entry for entry in events if entry["event"] == "code_replayed"]
    assert len(replays) == 1
    assert replays[0]["log_level"] == "error" and replays[0]["subject"] == "u_ada"
    refused = [entry["reason"] for entry in events if entry["event"] == "refresh_token_refused"]
    assert refused[0].startswith("ended because its code was used again at ")


def test_a_replay_by_another_client_ends_nothing(
    browser: Browser, redeem: Any, active: Any, database: Database, clock: Clock, events: list[Any]
) -> None:
    add_client(database, "sso", id="sso2")
    code = browser.code()
    body = redeem(code).json()
    clock.forward(30)
    assert_refused(redeem(code, client_id="sso2"), INVALID_GRANT)
    assert active(body)
    assert "code_foreign" in [entry["event"] for entry in events]


def test_a_client_without_pkce_is_the_right_one_by_its_secret_and_redirect_uri(
    browser: Browser, redeem: Any, database: Database, clock: Clock, http: TestClient
) -> None:
    secrets = (Secret(digest(SECRET)),)
    change_client(database, "sso", auth_method="client_secret_post", secrets=secrets, pkce="optional")
    without = {"code_challenge": None, "code_challenge_method": None}
    code = browser.code(**without)
    as_client = {"client_secret": SECRET, "code_verifier": None}
    # RFC 9700 s2.1.1: a code_verifier without a code_challenge is refused.
    assert_refused(redeem(code, client_secret=SECRET), INVALID_REQUEST)
    assert redeem(code, client_secret="wrong", code_verifier=None).status_code == 401
    assert redeem(code, **as_client).status_code == 200
    assert_refused(redeem(code, **as_client), INVALID_GRANT)
    (row,) = rows(database, "authorizations")
    assert row["revoked_at"] is None, "within ten seconds"
    clock.forward(10)
    assert_refused(redeem(code, **as_client), INVALID_GRANT)
    (row,) = rows(database, "authorizations")
    assert row["revoked_reason"] == "code_replayed"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE users SET disabled = true",
        "UPDATE users SET credential_version = credential_version + 1",
        "DELETE FROM sessions",
    ],
)
def test_a_code_is_over_when_its_user_or_session_is(
    browser: Browser, redeem: Any, database: Database, change: str
) -> None:
    code = browser.code()
    execute(database, "PRAGMA foreign_keys = ON")
    execute(database, change)
    assert_refused(redeem(code), INVALID_GRANT)
    assert rows(database, "authorizations") == []


def test_rfc8707_the_resources_of_the_request_are_those_of_the_tokens(browser: Browser, redeem: Any) -> None:
    both = [AUDIENCE, "https://other.example"]
    body = redeem(browser.code(resource=both, scope="read")).json()
    assert claims_of(body)["aud"] == both
    narrowed = redeem(browser.code(resource=both, scope="read"), resource=AUDIENCE).json()
    assert claims_of(narrowed)["aud"] == AUDIENCE
    one = browser.code(resource=AUDIENCE, scope="read")
    assert_refused(redeem(one, resource="https://other.example"), INVALID_TARGET)
    default = browser.code(scope="read")
    assert_refused(redeem(default, resource="https://other.example"), INVALID_TARGET)


def test_without_openid_there_is_no_id_token_and_the_tokens_outlive_the_session(
    browser: Browser, redeem: Any, database: Database, refresh: Any
) -> None:
    body = redeem(browser.code(scope="read")).json()
    assert "id_token" not in body and claims_of(body)["aud"] == AUDIENCE
    execute(database, "UPDATE sessions SET ended_at = 1")
    assert refresh(body["refresh_token"], "sso").status_code == 200


def test_an_omitted_scope_implies_neither_openid_nor_offline_access(browser: Browser, redeem: Any) -> None:
    assert redeem(browser.code(scope=None)).json()["scope"] == "profile email read"


def test_oidc_core_11_with_offline_access_a_login_outlives_its_session(
    browser: Browser, redeem: Any, database: Database, refresh: Any
) -> None:
    body = redeem(browser.code(scope="openid offline_access")).json()
    execute(database, "UPDATE sessions SET ended_at = 1")
    assert "id_token" in refresh(body["refresh_token"], "sso").json()


@pytest.mark.parametrize(
    "end",
    [
        "UPDATE sessions SET ended_at = 1",
        "UPDATE sessions SET idle_expires_at = 1",
        "UPDATE sessions SET expires_at = 1",
        "DELETE FROM sessions",
    ],
)
def test_oidc_core_11_without_offline_access_a_login_ends_with_its_session(
    browser: Browser, redeem: Any, database: Database, refresh: Any, http: TestClient, end: str, events: list[Any]
) -> None:
    body = redeem(browser.code()).json()
    bearer = {"Authorization": f"Bearer {body['access_token']}"}
    assert http.get("/userinfo", headers=bearer).status_code == 200
    execute(database, end)
    assert_refused(refresh(body["refresh_token"], "sso"), INVALID_GRANT)
    assert http.get("/userinfo", headers=bearer).status_code == 401
    reasons = [entry["reason"] for entry in events if entry["event"] == "refresh_token_refused"]
    assert reasons[0].startswith("ended with the browser session at ")


def test_introspection_knows_that_a_session_has_ended(
    browser: Browser, redeem: Any, database: Database, http: TestClient
) -> None:
    body = redeem(browser.code()).json()
    asked = {"client_id": "web", "client_secret": SECRET, "token": body["access_token"]}
    assert http.post("/introspect", data=asked).json()["active"]
    execute(database, "UPDATE sessions SET ended_at = 1")
    assert http.post("/introspect", data=asked).json() == {"active": False}


def test_a_password_grant_with_openid_has_an_id_token_without_a_session(
    relying_party: Any, http: TestClient, database: Database
) -> None:
    change_client(database, "sso", grant_types=frozenset({"password", "refresh_token"}))
    form = {"grant_type": "password", "client_id": "sso", "username": "ada", "password": PASSWORD}
    told = claims_of(http.post("/token", data=form | {"scope": "openid"}).json(), "id_token")
    assert told["amr"] == ["pwd"] and not {"sid", "nonce"} & told.keys()
    assert "id_token" not in http.post("/token", data=form).json(), "openid is asked for by its name"


def test_a_client_that_may_not_refresh_gets_no_refresh_token(browser: Browser, redeem: Any, database: Database) -> None:
    change_client(database, "sso", grant_types=frozenset({"authorization_code"}))
    assert "refresh_token" not in redeem(browser.code(scope="openid offline_access")).json()


def test_what_the_claims_parameter_asks_for_is_in_the_id_token_oidc_core_5_5(
    browser: Browser, redeem: Any, refresh: Any, database: Database
) -> None:
    execute(
        database,
        'INSERT INTO user_claims (user_id, claims) VALUES (\'u_ada\', \'{"name": "Ada", "email": "ada@example.com"}\')',
    )
    claims = '{"id_token": {"name": null, "gender": null}, "userinfo": {"email": null}}'
    body = redeem(browser.code(claims=claims)).json()
    for answer in (body, refresh(body["refresh_token"], "sso").json()):
        told = claims_of(answer, "id_token")
        assert told["name"] == "Ada" and not {"email", "gender"} & told.keys()


def test_how_the_user_was_authenticated_is_said_oidc_core_2(browser: Browser, redeem: Any) -> None:
    told = claims_of(redeem(browser.code(acr_values="1 2 3")).json(), "id_token")
    assert told["amr"] == ["pwd"]
    assert told["acr"] == "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
    assert set(told) == {
        *("iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash"),
    }


def test_the_limit_of_authorizations_holds_for_codes_too(
    browser: Browser, redeem: Any, database: Database, active: Any, clock: Clock
) -> None:
    change_client(database, "sso", policy={"max_authorizations": 2})
    bodies = []
    for _ in range(3):
        bodies.append(redeem(browser.code()).json())
        clock.forward(1)
    assert [active(body) for body in bodies] == [False, True, True]


def test_a_code_of_a_parallel_sign_in_is_its_own(browser: Browser, redeem: Any) -> None:
    codes = [browser.code() for _ in range(3)]
    assert [redeem(code).status_code for code in reversed(codes)] == [200] * 3


def test_no_code_state_or_verifier_is_in_the_database(browser: Browser, redeem: Any, database: Database) -> None:
    code = browser.code(state="the state of the client")
    redeem(code)
    stored = repr([rows(database, name) for name in ("codes", "authorizations", "sessions", "events")])
    assert code not in stored and code.removeprefix("ac_") not in stored and VERIFIER not in stored


def test_authorize_answers_with_nothing_but_code_state_and_iss(browser: Browser) -> None:
    browser.code()
    response = browser.authorize()
    assert response.status_code == 303
    assert answer_of(response).keys() == {"code", "state", "iss"}
    assert response.headers["location"].startswith(CALLBACK + "&code=ac_")
    assert response.headers["cache-control"] == "no-store"
