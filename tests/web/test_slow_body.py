"""A request is judged by the time at which it had arrived whole, however long its body took."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.testclient import TestClient

from authserver.store.database import Database
from tests.harness.clock import Clock
from tests.harness.constants import PASSWORD
from tests.harness.existing import existing
from tests.harness.sample_database import as_client
from tests.web.serving import the_login

WINDOW = 30  # seconds in which a refresh may be retried
FORM, JSON = b"application/x-www-form-urlencoded", b"application/json"


@pytest.fixture
def trickle(http: TestClient, clock: Clock) -> Callable[..., Any]:
    """`trickle(path, type, body, 31)`: status and body, for a request whose second half comes so many seconds later."""

    def trickle(path: Any, type: Any, body: Any, seconds: Any) -> Any:
        async def receive() -> Any:
            if body and halves == [body[5:]]:
                clock.forward(seconds)
            return {"type": "http.request", "body": halves.pop(0), "more_body": bool(halves)}

        async def send(message: Any) -> None:
            sent.append(message)

        halves = [body[:5], body[5:]]
        sent: list[Any] = []
        headers = [(b"host", b"as.example"), (b"content-type", type), (b"content-length", str(len(body)).encode())]
        scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
        scope |= {"headers": headers, "http_version": "1.1", "client": ("192.0.2.1", 50000)}
        existing(http.portal).call(http.app, scope, receive, send)
        return sent[0]["status"], json.loads(sent[1]["body"])

    return trickle


def form(**members: Any) -> Any:
    return urlencode({"client_id": "app"} | members).encode()


@pytest.mark.parametrize(("seconds", "status"), [(WINDOW - 1, 200), (WINDOW + 1, 400)])
def test_a_used_refresh_token_whose_body_takes_so_long(
    rotated: Callable[..., list[str]], trickle: Any, database: Database, seconds: int, status: int
) -> None:
    used, _ = rotated(1)
    body = form(grant_type="refresh_token", refresh_token=used)
    assert trickle("/token", FORM, body, seconds)[0] == status
    assert (the_login(database)["revoked_reason"] == "reuse") == (status == 400)


@pytest.mark.parametrize(("seconds", "status"), [(WINDOW - 1, 200), (WINDOW + 1, 401)])
def test_the_json_interface_judges_a_slow_body_by_the_time_at_its_end(
    http: TestClient, trickle: Any, database: Database, seconds: int, status: int
) -> None:
    password = json.dumps({"username": "ada", "password": PASSWORD})
    used = http.post("/api/login", content=password, headers={"Content-Type": "application/json"}).json()
    body = json.dumps({"refresh_token": used["refresh_token"]}).encode()
    assert trickle("/api/refresh-token", JSON, body, 0)[0] == 200
    assert trickle("/api/refresh-token", JSON, body, seconds)[0] == status
    assert (the_login(database)["revoked_reason"] == "reuse") == (status == 401)


@pytest.mark.parametrize(("seconds", "is_active"), [(1, True), (7 * 86_400 + 1, False)])
def test_a_login_that_ends_while_it_is_asked_about(
    login: Callable[..., Any], trickle: Any, seconds: int, is_active: bool
) -> None:
    text = login("web")["refresh_token"]
    status, body = trickle("/introspect", FORM, form(token=text, **as_client("web")), seconds)
    assert (status, body["active"]) == (200, is_active)
