"""GET and POST /userinfo (OpenID Connect Core s5.3): which claims a token gets, and which tokens get none."""

from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from starlette.testclient import TestClient

from authserver.domain.standard_claims import CLAIMS_OF, NAMES
from authserver.keyring.lifecycle import Lifecycle
from authserver.settings import Settings
from authserver.store import user_claims
from authserver.store.database import Database
from tests.domain.test_standard_claims import ADA
from tests.harness.clock import Clock
from tests.harness.constants import AUDIENCE, ISSUER
from tests.harness.sample_database import as_client
from tests.web.answers import JSON_HEADERS, UNAVAILABLE, assert_refused, claims_of
from tests.web.serving import Logins, change_client, execute, wait_until

APP = "https://app.example"
PATH = "/userinfo"
SENT_TWICE = "The access token must be sent once: in the Authorization header, or in a form"
INVALID = ("invalid_token", "The access token is invalid")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
OF_THE_CONNECTION = {"x-request-id", "content-length", "date", "connection"}


@pytest.fixture(autouse=True)
def ada(database: Database) -> None:
    """She has every standard claim, and one that is not; her apps may have every scope."""
    with database.begin() as connection:
        user_claims.replace(connection, "u_ada", ADA | {"roles": ["editor"]})
    for client_id in ("app", "web"):
        change_client(database, client_id, scope=("openid", *CLAIMS_OF, "read"), web_origins=(APP,))


@pytest.fixture
def access_token(login: Callable[..., Any]) -> Callable[..., str]:
    return lambda scope="openid", client_id="app", **more: str(login(client_id, scope=scope, **more)["access_token"])


@pytest.fixture
def signed(settings: Settings, database: Database, clock: Clock) -> Callable[..., str]:
    """`signed(claims, typ="JWT")`: what this server's own key signs."""
    keyring = Logins(database, settings, clock).keyring
    return lambda claims, typ="at+jwt": keyring.sign(claims, clock(), "RS256", typ)


@pytest.fixture
def ask(http: TestClient) -> Callable[..., Any]:
    return lambda token, method="GET": http.request(method, PATH, headers={"Authorization": f"Bearer {token}"})


def shown(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    headers = {name.lower(): value for name, value in answer.headers.items()}
    assert JSON_HEADERS.items() <= headers.items() and headers.keys() - JSON_HEADERS.keys() <= OF_THE_CONNECTION
    body: dict[str, Any] = answer.json()
    return body


def assert_rejected(answer: Any, error: str, description: str, status: int = 401, more: str = "") -> None:
    """RFC 6750 s3: the error stands in the challenge, and in the body."""
    assert (answer.status_code, answer.json()) == (status, {"error": error, "error_description": description})
    challenge = f'Bearer realm="authserver", error="{error}", error_description="{description}"{more}'
    assert answer.headers["WWW-Authenticate"] == challenge
    assert JSON_HEADERS.items() <= dict(answer.headers).items()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("scope", ["", "profile", "email", "address", "phone", "phone email", "read"])
def test_oidc_core_5_4_the_claims_of_the_scopes_and_no_others(
    ask: Callable[..., Any], access_token: Callable[..., str], scope: str, method: str
) -> None:
    names = [name for word in scope.split() for name in CLAIMS_OF.get(word, ())]
    answer = ask(access_token(f"openid {scope}".strip()), method)
    assert shown(answer) == {"sub": "u_ada"} | {name: ADA[name] for name in names}


def test_oidc_core_5_3_2_claims_that_there_are_not_are_absent_and_never_null(
    ask: Callable[..., Any], access_token: Callable[..., str], database: Database
) -> None:
    everything = access_token("openid profile email address phone")
    assert shown(ask(everything)) == {"sub": "u_ada"} | {name: ADA[name] for name in NAMES}
    with database.begin() as connection:
        user_claims.replace(connection, "u_ada", {"email": "ada@example.com"})
    assert shown(ask(everything)) == {"sub": "u_ada", "preferred_username": "ada", "email": "ada@example.com"}


@pytest.mark.parametrize(
    ("requested", "names"),
    [
        ("", []),
        ('{"userinfo":{"email":null,"roles":null,"address":{"essential":true}}}', ["email", "address"]),
        ('{"id_token":{"email":null},"userinfo":{"name":null}}', ["name"]),
    ],
)
def test_oidc_core_5_5_the_claims_that_the_authorization_request_asked_for(
    ask: Callable[..., Any], access_token: Callable[..., str], database: Database, requested: str, names: list[str]
) -> None:
    text = access_token("openid phone")
    execute(database, "UPDATE authorizations SET requested_claims = ?", requested)
    names = ["phone_number", "phone_number_verified", *names]
    assert shown(ask(text)) == {"sub": "u_ada"} | {name: ADA[name] for name in names}


def test_rfc6750_2_2_a_token_in_a_form_is_accepted(http: TestClient, access_token: Callable[..., str]) -> None:
    answer = http.post(PATH, data={"access_token": access_token("openid email"), "other": "ignored"})
    assert shown(answer).keys() == {"sub", "email", "email_verified"}


def test_a_body_that_is_no_form_is_not_looked_at(http: TestClient, access_token: Callable[..., str]) -> None:
    bearer = {"Authorization": f"Bearer {access_token()}"}
    assert shown(http.post(PATH, json={"access_token": "x"}, headers=bearer)) == {"sub": "u_ada"}
    assert shown(http.post(PATH, data={"x": "y"}, headers=bearer)) == {"sub": "u_ada"}


@pytest.mark.parametrize(
    "request_of_it",
    [
        {},
        {"headers": {"Authorization": "Basic YXBwOg=="}},
        {"data": {"access_token": ""}},
        {"json": {"access_token": "x"}},
    ],
)
def test_rfc6750_3_1_without_a_token_the_challenge_has_no_error(http: TestClient, request_of_it: Any) -> None:
    answer = http.post(PATH, **request_of_it)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="authserver"')
    assert answer.json() == {"error": "unauthorized", "error_description": "An access token is required"}


def test_rfc6750_2_a_token_in_two_places_or_in_the_query_string_is_refused(
    http: TestClient, access_token: Callable[..., str]
) -> None:
    good = access_token()
    bearer = {"Authorization": f"Bearer {good}"}
    for answer in (
        http.post(PATH, data={"access_token": good}, headers=bearer),
        http.post(PATH, content=f"access_token={good}&access_token={good}", headers=FORM),
        http.get(PATH, params={"access_token": good}),
        http.get(PATH, params={"access_token": ""}, headers=bearer),
        http.post(PATH, params={"access_token": good}, data={"access_token": good}),
    ):
        assert_rejected(answer, "invalid_request", SENT_TWICE, 400)
    answer = http.get(PATH, headers=[("Authorization", f"Bearer {good}")] * 2)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("content", [b"access_token=%ff", b"access_token=x&y=%00", b"&".join([b"a=b"] * 100)])
def test_a_malformed_form_is_refused(http: TestClient, content: bytes) -> None:
    assert http.post(PATH, content=content, headers=FORM).status_code == 400


def test_rfc6750_3_1_a_token_without_the_scope_openid_is_refused(
    ask: Callable[..., Any], access_token: Callable[..., str]
) -> None:
    description = "The access token does not have the required scope"
    assert_rejected(ask(access_token("profile email")), "insufficient_scope", description, 403, ', scope="openid"')


@pytest.mark.parametrize("text", ["x", "rt_AQ" + "A" * 70, "a.b.c", "x" * 8000])
def test_what_is_no_access_token(ask: Callable[..., Any], text: str) -> None:
    assert_rejected(ask(text), *INVALID)


def test_oidc_core_2_an_id_token_is_refused(ask: Callable[..., Any], signed: Any) -> None:
    claims = {"iss": ISSUER, "sub": "u_ada", "aud": "app", "iat": 1_800_000_000, "exp": 1_800_000_900}
    assert_rejected(ask(signed(claims, typ="JWT")), *INVALID)
    assert_rejected(ask(signed(claims | {"aud": f"{ISSUER}/userinfo", "scope": "openid"}, typ="JWT")), *INVALID)


def test_rfc9068_4_a_token_for_another_audience_is_refused(
    ask: Callable[..., Any], login: Callable[..., Any], signed: Any
) -> None:
    claims = claims_of(login("app", scope="openid"))
    assert claims["aud"] == [AUDIENCE, f"{ISSUER}/userinfo"]
    for audience in (AUDIENCE, f"{ISSUER}/userinfo2", [f"{ISSUER}/api"]):
        assert_rejected(ask(signed(claims | {"aud": audience})), *INVALID)
    assert shown(ask(signed(claims | {"aud": f"{ISSUER}/userinfo"}))) == {"sub": "u_ada"}


def test_a_token_that_has_expired(
    ask: Callable[..., Any], access_token: Callable[..., str], later: Callable[..., None]
) -> None:
    text = access_token()
    later(899)
    assert shown(ask(text)) == {"sub": "u_ada"}
    later(1)
    assert_rejected(ask(text), *INVALID)


def test_a_token_that_was_revoked_and_one_whose_authorization_was(
    http: TestClient, ask: Callable[..., Any], login: Callable[..., Any]
) -> None:
    alone, whole = login("app", scope="openid"), login("app", scope="openid")
    http.post("/revoke", data={"client_id": "app", "token": alone["access_token"]})
    http.post("/revoke", data={"client_id": "app", "token": whole["refresh_token"]})
    for tokens in (alone, whole):
        assert_rejected(ask(tokens["access_token"]), *INVALID)


@pytest.mark.parametrize("change", ["disabled", "deleted", "password", "client disabled", "client deleted"])
def test_a_user_or_client_that_there_is_not_any_more(
    ask: Callable[..., Any], access_token: Callable[..., str], database: Database, change: str
) -> None:
    text = access_token()
    if change == "client disabled":
        change_client(database, "app", disabled=True)
    statements = {
        "disabled": "UPDATE users SET disabled = true",
        "password": "UPDATE users SET credential_version = credential_version + 1",
        "deleted": "DELETE FROM users",
        "client deleted": "DELETE FROM clients WHERE id = 'app'",
    }
    if change in statements:
        with database.begin() as connection:
            connection.exec_driver_sql(statements[change])
    assert_rejected(ask(text), *INVALID)


def test_a_clients_own_token_is_refused(http: TestClient, ask: Callable[..., Any]) -> None:
    form = {"grant_type": "client_credentials", "scope": "openid"}
    answer = http.post("/token", data=form | as_client("web"))
    assert claims_of(answer.json())["aud"] == AUDIENCE, "there is no user that it could ask for"
    assert_rejected(ask(answer.json()["access_token"]), *INVALID)


def test_the_log_says_which_reason_it_was(
    ask: Callable[..., Any], access_token: Callable[..., str], http: TestClient, events: list[Any]
) -> None:
    ask(access_token("read"))
    ask("x")
    http.get(PATH)
    refused = [entry for entry in events if entry["event"] == "refused"]
    assert [(entry["error"], entry["reason"]) for entry in refused] == [
        ("insufficient_scope", "access token without the scope openid"),
        ("invalid_token", "not an access token of this server"),
    ]
    assert refused[0]["client_id"] == "app" and refused[0]["subject"] == "u_ada" and refused[0]["grant_id"]
    malformed = [entry["reason"] for entry in events if entry["event"] == "malformed_requests"]
    assert malformed == ["At /userinfo: no Authorization header."]


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_oidc_core_5_3_2_a_response_is_signed_with_the_algorithm_that_the_client_registered(
    http: TestClient,
    ask: Callable[..., Any],
    access_token: Callable[..., str],
    database: Database,
    lifecycle: Lifecycle,
    alg: str,
) -> None:
    lifecycle.change_clients({alg}, lambda connection: None)
    change_client(database, "app", userinfo_alg=alg)
    text = access_token("openid email")
    if alg != "RS256":
        assert_refused(ask(text), UNAVAILABLE)
        lifecycle.change_clients({alg}, lambda connection: None)
        lifecycle.promote(alg, emergency=True)
        wait_until(lambda: ask(text).status_code == 200)
    answer = ask(text)
    assert answer.headers["content-type"] == "application/jwt" and answer.headers["cache-control"] == "no-store"
    decoded = jwt.decode(
        answer.text, KeySet.import_key_set(http.get("/.well-known/jwks.json").json()), algorithms=[alg]
    )
    assert decoded.header["alg"] == alg
    claims = {"sub": "u_ada", "email": ADA["email"], "email_verified": ADA["email_verified"]}
    assert decoded.claims == claims | {"iss": ISSUER, "aud": "app"}


def test_pages_of_a_registered_origin_may_read_it(http: TestClient, access_token: Callable[..., str]) -> None:
    asked = {"Origin": APP, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    preflight = http.options(PATH, headers=asked)
    assert (preflight.status_code, preflight.headers["access-control-allow-methods"]) == (204, "GET, POST")
    bearer = {"Authorization": f"Bearer {access_token()}"}
    for origin, allowed in ((APP, APP), ("https://evil.example", None)):
        answer = http.get(PATH, headers=bearer | {"Origin": origin})
        assert answer.headers.get("access-control-allow-origin") == allowed
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods_than_get_and_post_are_405(http: TestClient, method: str) -> None:
    answer = http.request(method, PATH)
    assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (405, {"GET", "HEAD", "POST"})


def test_head_is_get_without_the_body(http: TestClient, access_token: Callable[..., str]) -> None:
    answer = http.head(PATH, headers={"Authorization": f"Bearer {access_token()}"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
