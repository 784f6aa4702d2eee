"""When the interface is switched off, its client is disabled, or the server cannot answer."""

import asyncio
import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver.store.database import Database
from tests.api.calling import (
    CLEARED,
    LOGIN,
    LOGOUT,
    PROTECTED,
    REFRESH,
    SLOW,
    SWITCHED_OFF,
    UNAVAILABLE,
    Caller,
    assert_refused,
    assert_tokens,
    assert_tokens_by_cookie,
)
from tests.harness.clock import Clock
from tests.web.answers import NOT_FOUND
from tests.web.answers import assert_refused as assert_refused_by_token
from tests.web.serving import LocalServer, change_client, everything, execute


@pytest.mark.parametrize("settings", [{"first_party_api": "off"}], indirect=True)
@pytest.mark.parametrize("path", [LOGIN, REFRESH, LOGOUT, PROTECTED])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_the_setting_removes_the_routes(http: TestClient, method: str, path: Any) -> None:
    assert_refused_by_token(http.request(method, path), NOT_FOUND)


def test_a_disabled_client_has_no_interface(api: Caller, refresh_token: str, database: Database, clock: Clock) -> None:
    cookie = assert_tokens_by_cookie(api.login(cookie=True))
    change_client(database, "first-party", disabled=True)
    clock.forward(5)  # a client's row may be as old as that
    before = everything(database)
    for answer in (
        api.login(),
        api.login(cookie=True),
        api.login("ada", "wrong"),
        api.refresh(refresh_token),
        api.logout(refresh_token),
        api.by_cookie(REFRESH, cookie),
    ):
        assert_refused(answer, SWITCHED_OFF)
    assert everything(database) == before
    change_client(database, "first-party", disabled=False)
    clock.forward(5)
    assert_tokens(api.refresh(refresh_token))
    assert_tokens_by_cookie(api.by_cookie(REFRESH, cookie))


def test_its_logout_by_cookie_clears_the_cookie_all_the_same(
    api: Caller, cookie: str, database: Database, clock: Clock
) -> None:
    change_client(database, "first-party", disabled=True)
    clock.forward(5)
    assert_refused(api.by_cookie(LOGOUT, cookie), SWITCHED_OFF, CLEARED)


def test_a_deleted_client_has_no_interface_and_its_logins_are_gone(
    api: Caller, refresh_token: str, database: Database, clock: Clock
) -> None:
    execute(database, "DELETE FROM clients WHERE id = 'first-party'")
    clock.forward(5)
    assert_refused(api.login(), SWITCHED_OFF)
    assert_refused(api.refresh(refresh_token), SWITCHED_OFF)
    assert everything(database)["authorizations"] == []


def test_a_full_password_queue_is_503(api: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("authserver.pool.Pool._submit", lambda self, task, preferred: self._reject(task))
    answer = api.login()
    assert_refused(answer, UNAVAILABLE)
    assert answer.headers["retry-after"] == "2"


def test_a_database_that_cannot_be_reached(api: Caller, refresh_token: str, cookie: str, database: Database) -> None:
    execute(database, "ALTER TABLE users RENAME TO elsewhere")
    for answer in (api.login(), api.refresh(refresh_token), api.by_cookie(REFRESH, cookie), api.logout(refresh_token)):
        assert_refused(answer, UNAVAILABLE)
    execute(database, "ALTER TABLE elsewhere RENAME TO users")
    assert_tokens(api.refresh(refresh_token))


@pytest.mark.parametrize("path", [LOGIN, REFRESH, LOGOUT])
def test_a_body_that_does_not_arrive(shared: LocalServer, monkeypatch: pytest.MonkeyPatch, path: Any) -> None:
    monkeypatch.setattr("authserver.web.body._TIMEOUT", 0.01)
    status, headers, body = asyncio.run(_begin(shared.app, path))
    assert (status, json.loads(body)) == (408, {"error": SLOW.sentence})
    assert headers[b"connection"] == b"close"


async def _begin(app: Any, path: Any) -> Any:
    """Sends half of a body, and then nothing."""
    sent: list[Any] = []

    async def receive() -> Any:
        if sent:
            await asyncio.Event().wait()
        sent.append(0)
        return {"type": "http.request", "body": b'{"username"', "more_body": True}

    answer = []

    async def send(message: Any) -> None:
        answer.append(message)

    headers = [(b"host", b"as.example"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
    more = {
        "headers": headers,
        "http_version": "1.1",
        "scheme": "https",
        "server": None,
        "client": None,
        "root_path": "",
    }
    await app(scope | more, receive, send)
    start, body = answer
    return start["status"], dict(start["headers"]), body["body"]
