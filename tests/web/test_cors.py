"""CORS: pages of the origins that a client registered read its answers, and no others; never with credentials."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver.app import create_app
from authserver.settings import Settings
from authserver.store.database import Database
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER, PASSWORD
from tests.harness.sample_database import as_client
from tests.web.serving import change_client

APP, OTHER, NOBODYS = "https://app.example", "http://localhost:3000", "https://evil.example"
READABLE = {
    "access-control-allow-origin": APP,
    "access-control-expose-headers": "Retry-After, WWW-Authenticate, X-Request-ID",
    "vary": "Origin",
}
LOGIN = {"grant_type": "password", "client_id": "app", "username": "ada", "password": PASSWORD}
both_endpoints = pytest.mark.parametrize("path", ["/token", "/revoke"])


@pytest.fixture
def registered(database: Database) -> None:
    change_client(database, "app", web_origins=(APP,))
    change_client(database, "other", web_origins=(OTHER,))


def cors(answer: Any) -> Any:
    names = ("access-control-", "vary")
    return {name.lower(): value for name, value in answer.headers.items() if name.lower().startswith(names)}


def preflight(
    http: TestClient,
    path: Any,
    *origin: Any,
    method: Any = "POST",
    headers: Any = "authorization,content-type,x-anything",
) -> Any:
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return http.options(path, headers=[*asked.items(), *(("Origin", each) for each in origin)])


@both_endpoints
def test_fetch_3_2_the_preflight_of_an_origin_that_any_client_registered_is_allowed(
    registered: Any, http: TestClient, path: Any
) -> None:
    for origin in (APP, OTHER):
        answer = preflight(http, path, origin)
        assert (answer.status_code, answer.content) == (204, b"")
        assert cors(answer) == {
            "access-control-allow-origin": origin,
            "access-control-allow-methods": "POST",
            "access-control-allow-headers": "*, Authorization",
            "access-control-max-age": "600",
            "vary": "Origin",
        }


@both_endpoints
@pytest.mark.parametrize("origin", [(), (NOBODYS,), ("null",), ("*",), ("",), (APP, APP), (APP.upper(),), (APP + "/",)])
def test_the_preflight_of_any_other_origin_is_not_allowed(
    registered: Any, http: TestClient, path: Any, origin: Any
) -> None:
    answer = preflight(http, path, *origin)
    assert (answer.status_code, cors(answer)) == (405, {"vary": "Origin"} if origin else {})


def test_the_answers_to_the_client_that_registered_the_origin(registered: Any, http: TestClient) -> None:
    def post(path: Any, **form: Any) -> Any:
        return http.post(path, data={"client_id": "app"} | form, headers={"Origin": APP})

    login = post("/token", **LOGIN)
    refreshed = post("/token", grant_type="refresh_token", refresh_token=login.json()["refresh_token"])
    revoked = post("/revoke", token=refreshed.json()["refresh_token"])
    assert [answer.status_code for answer in (login, refreshed, revoked)] == [200] * 3
    refused = post("/token", grant_type="refresh_token", refresh_token=refreshed.json()["refresh_token"])
    unsupported = post("/token", grant_type="nonsense")
    assert [refused.status_code, unsupported.status_code] == [400] * 2
    for answer in (login, refreshed, revoked, refused, unsupported):
        assert cors(answer) == READABLE


@pytest.mark.parametrize("origin", [OTHER, NOBODYS, "null", "*", APP + ":443", "https://APP.example"])
def test_the_answers_to_a_client_from_an_origin_that_it_did_not_register(
    registered: Any, http: TestClient, origin: Any
) -> None:
    login = http.post("/token", data=LOGIN, headers={"Origin": origin})
    refused = http.post("/token", data=LOGIN | {"password": "wrong"}, headers={"Origin": origin})
    assert [cors(answer) for answer in (login, refused)] == [{"vary": "Origin"}] * 2


def test_two_origins_are_none(registered: Any, http: TestClient) -> None:
    answer = http.post("/token", data=LOGIN, headers=[("Origin", APP), ("Origin", APP)])
    assert (answer.status_code, cors(answer)) == (200, {"vary": "Origin"})


def test_an_unknown_client_is_answered_as_one_that_registered_no_origin(registered: Any, http: TestClient) -> None:
    """An Origin that anybody can send says nothing of which clients there are."""
    for client_id in ("nobody", "web"):
        answer = http.post("/token", data=LOGIN | {"client_id": client_id}, headers={"Origin": APP})
        assert (answer.status_code, cors(answer)) == (401, {"vary": "Origin"})


def test_what_names_no_client_is_readable_for_every_registered_origin(registered: Any, http: TestClient) -> None:
    """Its developer sees what is wrong; the answer is the same to everybody."""
    too_large = {"client_id": "app", "x": "x" * 70_000}
    for form in ({}, {"grant_type": "password"}, {"client_id": "app", "grant_type": ""}, too_large):
        for origin, expected in ((APP, READABLE), (NOBODYS, {"vary": "Origin"})):
            answer = http.post("/token", data=form, headers={"Origin": origin})
            assert answer.status_code in (400, 401, 413) and cors(answer) == expected


def test_without_an_origin_nothing_is_said_of_it(registered: Any, http: TestClient) -> None:
    assert cors(http.post("/token", data=LOGIN)) == {}


@pytest.mark.parametrize(
    "path", ["/introspect", "/device_authorization", "/api/login", "/api/refresh-token", "/api/logout"]
)
def test_no_other_endpoint_answers_another_origin(registered: Any, http: TestClient, path: str) -> None:
    form = as_client("web") | {"token": "x"}
    assert http.options(path, headers={"Origin": APP, "Access-Control-Request-Method": "POST"}).status_code == 405
    for answer in (preflight(http, path, APP), http.post(path, data=form, headers={"Origin": APP})):
        assert cors(answer) == {}


@pytest.mark.parametrize("path", ["/.well-known/jwks.json", "/.well-known/oauth-authorization-server"])
def test_keys_and_metadata_are_for_any_origin_and_any_request_header(http: TestClient, path: str) -> None:
    answer = preflight(http, path, NOBODYS, method="GET")
    assert answer.status_code == 204
    assert cors(answer) == {
        "access-control-allow-origin": "*",
        "access-control-allow-methods": "GET, HEAD",
        "access-control-allow-headers": "*, Authorization",
        "access-control-max-age": "600",
    }
    assert cors(http.get(path, headers={"Origin": NOBODYS})) == {"access-control-allow-origin": "*"}


def test_a_change_of_the_origins_and_of_the_client_counts_within_5_seconds(
    registered: Any, http: TestClient, database: Database, clock: Clock
) -> None:
    def allowed() -> Any:
        asked = preflight(http, "/token", APP), http.post("/token", data=LOGIN, headers={"Origin": APP})
        return ["access-control-allow-origin" in cors(answer) for answer in asked]

    assert allowed() == [True, True]
    change_client(database, "app", web_origins=(NOBODYS,))
    assert allowed() == [True, True]
    clock.forward(5)
    assert allowed() == [False, False]
    change_client(database, "app", web_origins=(APP,), disabled=True)
    clock.forward(5)
    assert allowed()[0] is False


def test_while_the_database_is_down_a_page_reads_that_it_is_to_try_again(
    registered: Any, http: TestClient, database: Database, clock: Clock
) -> None:
    assert cors(preflight(http, "/token", APP))["access-control-allow-origin"] == APP
    assert http.post("/token", data=LOGIN, headers={"Origin": APP}).status_code == 200
    with database.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE clients RENAME TO gone")
    clock.forward(5)
    answer = http.post("/token", data=LOGIN, headers={"Origin": APP})
    assert (answer.status_code, cors(answer)) == (503, READABLE)
    assert preflight(http, "/token", APP).headers["access-control-allow-origin"] == APP


def test_no_answer_allows_credentials(registered: Any, settings: Settings, clock: Clock) -> None:
    sent: list[Any] = []

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        async def watch(message: Any) -> None:
            sent.extend(name for name, _ in message.get("headers", ()))
            await send(message)

        await app(scope, receive, watch)

    app = create_app(settings, now=clock)
    with TestClient(watched, ISSUER) as http:
        preflight(http, "/token", APP)
        http.post("/token", data=LOGIN, headers={"Origin": APP, "Cookie": "a=b"})
    assert b"access-control-allow-origin" in sent and b"access-control-allow-credentials" not in sent
