"""GET /api/protected: a resource server behind the guard, in the plain words of this interface."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.calling import PROTECTED, Caller, assert_tokens
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER
from tests.web.answers import claims_of
from tests.web.serving import LocalServer

AUDIENCE = f"{ISSUER}/api"
BARE = f'Bearer realm="{AUDIENCE}"'
INVALID = f'{BARE}, error="invalid_token", error_description="The access token is invalid"'
EXPIRED = f'{BARE}, error="invalid_token", error_description="The access token has expired"'
_ONCE = "The Authorization header must be given once, as Bearer and one token"
TWICE = f'{BARE}, error="invalid_request", error_description="{_ONCE}"'


@pytest.fixture
def body(api: Caller) -> Any:
    return assert_tokens(api.login())


def assert_rejected(answer: Any, status: Any, sentence: Any, challenge: Any) -> None:
    assert (answer.status_code, answer.json()) == (status, {"error": sentence})
    assert answer.headers["www-authenticate"] == challenge
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"


def test_a_good_token_is_accepted_and_its_claims_are_shown(api: Caller, body: Any) -> None:
    answer = api.protected(f"Bearer {body['access_token']}")
    claims = claims_of(body)
    assert answer.json() == {"sub": "u_ada", "client_id": "first-party", "expires_at": claims["exp"]}
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")


def test_it_expires_on_the_microsecond_that_the_client_was_told(api: Caller, body: Any, clock: Clock) -> None:
    clock.forward(body["expires_in"] - 0.000001)
    assert api.protected(f"Bearer {body['access_token']}").status_code == 200
    clock.forward(0.000001)
    answer = api.protected(f"Bearer {body['access_token']}")
    assert_rejected(answer, 401, "Access token has expired", EXPIRED)


def test_a_token_that_was_never_seen_before_it_expired(api: Caller, body: Any, clock: Clock) -> None:
    clock.forward(body["expires_in"])
    answer = api.protected(f"Bearer {body['access_token']}")
    assert_rejected(answer, 401, "Access token has expired", EXPIRED)


def test_the_new_token_of_a_refresh_is_accepted(api: Caller, body: Any, clock: Clock) -> None:
    clock.forward(body["expires_in"])
    refreshed = assert_tokens(api.refresh(body["refresh_token"]))
    assert api.protected(f"Bearer {refreshed['access_token']}").status_code == 200


@pytest.mark.parametrize("authorization", [(), ("Basic YTpi",), ("Bearer",), ("",)], ids=repr)
def test_rfc6750_3_1_no_token_at_all(still: Caller, authorization: Any) -> None:
    answer = still.protected(*authorization)
    if authorization == ("Bearer",):
        assert_rejected(answer, 400, _ONCE, TWICE)
    else:
        assert_rejected(answer, 401, "Access token is required", BARE)


def test_tokens_elsewhere_are_not_looked_for(api: Caller, body: Any) -> None:
    token = body["access_token"]
    by_query = api.http.get(PROTECTED, params={"access_token": token})
    by_cookie = api.http.get(PROTECTED, headers={"Cookie": f"access_token={token}"})
    for answer in (by_query, by_cookie):
        assert_rejected(answer, 401, "Access token is required", BARE)


def test_two_authorization_headers_are_refused(api: Caller, body: Any) -> None:
    token = f"Bearer {body['access_token']}"
    assert_rejected(api.protected(token, token), 400, _ONCE, TWICE)
    assert_rejected(api.protected(token, "Basic YTpi"), 400, _ONCE, TWICE)


@pytest.mark.parametrize("token", ["a b", "é", '"x"', "a,b", "\x7f"])
def test_what_cannot_be_a_token(still: Caller, token: str) -> None:
    assert_rejected(still.protected(f"Bearer {token}".encode("latin-1")), 400, _ONCE, TWICE)


@pytest.mark.parametrize("token", ["x", "a.b.c", "rt_" + "A" * 72, "e30.e30.e30", "a" * 9000])
def test_what_is_no_access_token_of_ours(still: Caller, token: str) -> None:
    assert_rejected(still.protected(f"Bearer {token}"), 401, "Access token is invalid", INVALID)


def test_a_refresh_token_is_no_access_token(api: Caller, body: Any) -> None:
    answer = api.protected(f"Bearer {body['refresh_token']}")
    assert_rejected(answer, 401, "Access token is invalid", INVALID)


def test_a_token_for_another_audience_is_refused(api: Caller, login: Callable[..., Any]) -> None:
    answer = api.protected(f"Bearer {login('app')['access_token']}")
    assert_rejected(answer, 401, "Access token is invalid", INVALID)


def test_a_token_for_another_audience_that_has_expired_too(
    api: Caller, login: Callable[..., Any], clock: Clock
) -> None:
    token = login("app")["access_token"]
    clock.forward(3600)
    assert_rejected(api.protected(f"Bearer {token}"), 401, "Access token is invalid", INVALID)


@pytest.mark.parametrize("part", [0, 1, 2], ids=["header", "payload", "signature"])
def test_a_token_that_was_changed(api: Caller, body: Any, part: int) -> None:
    parts = body["access_token"].split(".")
    middle = len(parts[part]) // 2
    other = "A" if parts[part][middle] != "A" else "B"
    parts[part] = parts[part][:middle] + other + parts[part][middle + 1 :]
    answer = api.protected(f"Bearer {'.'.join(parts)}")
    assert_rejected(answer, 401, "Access token is invalid", INVALID)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_than_get_are_405(shared: LocalServer, method: str) -> None:
    answer = shared.http.request(method, PROTECTED)
    assert answer.status_code == 405 and "GET" in answer.headers["allow"]
