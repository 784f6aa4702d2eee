"""What users know, end to end over HTTP: log in, call, expired, refresh, call again, log out, refresh refused."""

import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.api.journeys import Authlib, JsonBody, JsonCookie, RequestsOauthlib
from tests.harness.constants import LONG, PASSWORD
from tests.harness.prepared import running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, password_hash: str) -> Iterator[Any]:
    """Its access tokens live for one second."""
    with running(tmp_path_factory.mktemp("brief"), password_hash, ACCESS_TOKEN_TTL="1", LOG_LEVEL="debug") as server:
        yield server


@pytest.fixture(params=[Authlib, RequestsOauthlib, JsonBody, JsonCookie], ids=lambda kind: kind.__name__)
def journey(request: pytest.FixtureRequest, server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # loopback; it allows only https otherwise
    journey = request.param(server)
    yield journey
    journey.close()


def call(server: Any, access_token: Any) -> Any:
    """(status, body) of the protected API, asked without any client's cleverness about expiry."""
    request = Request(f"{server.url}/api/protected", headers={"Authorization": f"Bearer {access_token}"})
    try:
        with urlopen(request, timeout=LONG) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def call_while_it_lives(server: Any, journey: Any, obtain: Any) -> Any:
    """A token of one second ends with the second after the one that it was made in: now and then one comes too late."""
    for _ in range(20):
        obtain()
        status, body = call(server, journey.tokens()[0])
        if status == 200:
            return body
    raise AssertionError(body)


def wait_until_expired(access_token: Any) -> None:
    """The only sleep of the suite."""
    payload = access_token.split(".")[1]
    claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    time.sleep(max(0, claims["exp"] - time.time()) + 0.05)


def test_a_person_logs_in_calls_refreshes_and_logs_out(server: Any, journey: Any) -> None:
    assert call_while_it_lives(server, journey, journey.log_in)["sub"] == "u_ada"
    before = journey.tokens()
    wait_until_expired(before[0])
    assert call(server, before[0]) == (401, {"error": "Access token has expired"})

    assert call_while_it_lives(server, journey, journey.refresh)["sub"] == "u_ada"
    after = journey.tokens()
    assert before[0] != after[0] and before[1] != after[1]

    assert journey.log_out() in (200, 204)
    assert journey.refresh() is False
    assert_kept_nowhere(server, PASSWORD, *before, *after)


def assert_kept_nowhere(server: Any, *secrets: Any) -> None:
    """Passwords and tokens are neither in the log, at its most talkative, nor in the database's files."""
    files = [server.log, *server.folder.glob("as.db*")]
    kept = b"".join(file.read_bytes() for file in files)
    assert b"login" in kept and b"u_ada" in kept
    for secret in secrets:
        assert secret.encode() not in kept and secret.rpartition(".")[2].encode() not in kept
