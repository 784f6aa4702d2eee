"""Every response has an X-Request-ID, and every line that is logged for a request has the same."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from authserver.app import create_app
from authserver.keyring import Keyring
from authserver.oauth.authorize.authorize import Authorize
from authserver.store.database import Database
from tests.contract.document import document, operations, resolve
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER
from tests.harness.sample_database import settings_in

MADE = "[0-9a-f]{32}"
SENT = "a1b2c3d4-e5f6.7890_x"
WRONG = [
    [],
    ["short"],
    ["x" * 129],
    ["two words"],
    ["id-with-é".encode("latin-1")],
    ['"><script>'],
    [SENT, SENT],
]


@pytest.fixture
def id_of(database: Database, clock: Clock, tmp_path: Path) -> Callable[..., str]:
    """`id_of("10.0.0.1", "10.0.0.0/8", "an-id")`: the id in the response to that peer, which sends those."""

    def id_of(peer: str, trusted: str | None, *sent: Any) -> str:
        app = create_app(settings_in(tmp_path, trusted_proxies=trusted), now=clock)
        with TestClient(app, ISSUER, client=(peer, 50_000)) as http:
            answer = http.get("/health/live", headers=[("X-Request-ID", each) for each in sent])
        (request_id,) = answer.headers.get_list("x-request-id")
        return str(request_id)

    return id_of


def test_a_trusted_proxy_chooses_the_id(id_of: Callable[..., str]) -> None:
    assert id_of("10.0.0.1", "10.0.0.0/8", SENT) == SENT


@pytest.mark.parametrize(("peer", "trusted"), [("10.0.0.1", None), ("192.0.2.1", "10.0.0.0/8")])
def test_nobody_else_does(id_of: Callable[..., str], peer: str, trusted: str | None) -> None:
    assert re.fullmatch(MADE, id_of(peer, trusted, SENT))


@pytest.mark.parametrize("sent", WRONG)
def test_an_id_that_is_not_one_plain_word_is_replaced(id_of: Callable[..., str], sent: list[Any]) -> None:
    assert re.fullmatch(MADE, id_of("10.0.0.1", "10.0.0.0/8", *sent))


def test_each_request_has_its_own_in_its_response_and_in_its_lines(http: TestClient) -> None:
    with capture_logs(processors=[merge_contextvars]) as entries:
        answers = [http.post("/token", data={"grant_type": "password", "client_id": "nobody"}) for _ in range(2)]
    ids = [answer.headers["x-request-id"] for answer in answers]
    refused = [entry["request_id"] for entry in entries if entry["event"] == "refused"]
    assert refused == ids == list(dict.fromkeys(entry["request_id"] for entry in entries))
    assert len(set(ids)) == 2 and all(re.fullmatch(MADE, each) for each in ids)


def test_an_internal_error_names_it_in_the_log(
    http: TestClient, login: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError

    text = login()["refresh_token"]
    monkeypatch.setattr(Keyring, "sign", fails)
    with capture_logs(processors=[merge_contextvars]) as entries:
        form = {"grant_type": "refresh_token", "client_id": "app", "refresh_token": text}
        answer = http.post("/token", data=form)
    assert answer.status_code == 500 and "X-Request-ID" in answer.json()["error_description"]
    assert [(entry["event"], entry["request_id"]) for entry in entries] == [
        ("failed", answer.headers["x-request-id"]),
    ]


def test_an_internal_error_in_a_browser_is_a_page_with_it(http: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(Authorize, "client_id", fails)
    with capture_logs(processors=[merge_contextvars]) as entries:
        answer = http.get("/authorize?client_id=app")
    request_id = answer.headers["x-request-id"]
    assert answer.status_code == 500 and "a secret" not in answer.text
    assert f'<code id="request-id">{request_id}</code>' in answer.text
    assert [(entry["event"], entry["request_id"]) for entry in entries] == [("failed", request_id)]


@pytest.mark.parametrize("headers", [{"Host": ""}, {"Host": "a b"}])
def test_a_request_that_is_rejected_before_its_route_has_one(http: TestClient, headers: dict[str, str]) -> None:
    answer = http.get("/token", headers=headers)
    assert answer.status_code == 400 and re.fullmatch(MADE, answer.headers["x-request-id"])


def test_every_response_in_the_description_has_it() -> None:
    """tests/contract/ produces each of them, and checks the headers that it demands."""
    responses = [resolve(each) for operation in operations().values() for each in operation["responses"].values()]
    assert [each for each in responses if "X-Request-ID" not in each.get("headers", {})] == []
    assert document()["components"]["headers"]["RequestId"]["required"]
