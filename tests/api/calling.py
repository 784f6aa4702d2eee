"""Calls of the JSON interface with nothing added to them, and how every answer must look in full."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.harness.constants import ISSUER, PASSWORD
from tests.web.answers import JSON_HEADERS

LOGIN, REFRESH, LOGOUT, PROTECTED = "/api/login", "/api/refresh-token", "/api/logout", "/api/protected"
IS_JSON = ("Content-Type", "application/json")
COOKIE = "__Host-refresh_token"
FLAGS = "Path=/; HttpOnly; SameSite=Strict; Secure"
CLEARED = f"{COOKIE}=; Max-Age=0; {FLAGS}"
_OF_THE_CONNECTION = {"x-request-id", "content-length", "date", "connection"}
_CHALLENGE = 'Bearer realm="api"'


@dataclass(frozen=True)
class ExpectedError:
    """The whole body is this sentence: so no answer that equals it can echo what was sent."""

    status: int
    sentence: str
    headers: frozenset[str] = frozenset()
    """The names of those that it has beside JSON_HEADERS."""


MALFORMED = ExpectedError(400, "The request is malformed")
WRONG_PASSWORD = ExpectedError(401, "Username or password is wrong", frozenset({"www-authenticate"}))
DEAD_TOKEN = ExpectedError(401, "Refresh token is invalid or has expired", frozenset({"www-authenticate"}))
NOT_HERE = ExpectedError(403, "This origin is not allowed")
SWITCHED_OFF = ExpectedError(403, "This interface is switched off")
SLOW = ExpectedError(408, "The body did not arrive within 10 seconds")
TOO_LARGE = ExpectedError(413, "The body exceeds 64 KiB")
ENCODED = ExpectedError(415, "A body with a Content-Encoding is not accepted")
TOO_MANY = ExpectedError(429, "Too many attempts", frozenset({"retry-after"}))
UNAVAILABLE = ExpectedError(503, "The server is temporarily unavailable", frozenset({"retry-after"}))


class Caller:
    """A client without a memory: no cookie of an earlier answer, no header that the test does not name."""

    def __init__(self, http: Any) -> None:
        self.http = http

    def post(self, path: str, content: bytes | str | Iterable[bytes] = b"", *headers: tuple[str, str | bytes]) -> Any:
        self.http.cookies.clear()
        return self.http.post(path, content=content, headers=list(headers))

    def json(self, path: str, members: Any, *headers: tuple[str, str]) -> Any:
        return self.post(path, json.dumps(members), IS_JSON, *headers)

    def login(self, username: str = "ada", password: str = PASSWORD, **members: Any) -> Any:
        origin = [("Origin", ISSUER)] if members.get("cookie") else []
        return self.json(LOGIN, {"username": username, "password": password} | members, *origin)

    def refresh(self, token: str) -> Any:
        return self.json(REFRESH, {"refresh_token": token})

    def logout(self, token: str) -> Any:
        return self.json(LOGOUT, {"refresh_token": token})

    def by_cookie(self, path: str, token: str, *headers: tuple[str, str]) -> Any:
        """From a page of the issuer's own, unless the headers say otherwise."""
        return self.post(path, b"", ("Cookie", f"{COOKIE}={token}"), *(headers or [("Origin", ISSUER)]))

    def protected(self, *authorization: str | bytes) -> Any:
        return self.http.get(PROTECTED, headers=[("Authorization", value) for value in authorization])


def assert_refused(answer: Any, expected: ExpectedError, set_cookie: str | None = None) -> None:
    """Status, every header and the whole body; a cookie only where the test names it."""
    assert (answer.status_code, answer.json()) == (expected.status, {"error": expected.sentence})
    headers = _headers(answer, expected.headers, set_cookie)
    assert headers.get("www-authenticate", _CHALLENGE) == _CHALLENGE
    assert 1 <= int(headers.get("retry-after", "1")) <= 10


def assert_tokens(answer: Any) -> dict[str, Any]:
    """RFC 6749's members in the body, the refresh token among them; returns them."""
    body = _granted(answer, None)
    assert body.keys() == {"access_token", "token_type", "expires_in", "refresh_token"}
    return body


def assert_tokens_by_cookie(answer: Any, max_age: int = 7 * 86400) -> str:
    """The refresh token in the cookie and nowhere else; returns it."""
    token = answer.headers["set-cookie"].partition(";")[0].removeprefix(f"{COOKIE}=")
    body = _granted(answer, f"{COOKIE}={token}; Max-Age={max_age}; {FLAGS}")
    assert body.keys() == {"access_token", "token_type", "expires_in"}
    assert len(token) == 75 and token not in answer.text
    return str(token)


def assert_done(answer: Any, set_cookie: str | None = None) -> None:
    assert (answer.status_code, answer.text) == (204, "")
    _headers(answer, frozenset(), set_cookie)


def _granted(answer: Any, set_cookie: str | None) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    _headers(answer, frozenset(), set_cookie)
    body: dict[str, Any] = answer.json()
    assert body["token_type"] == "Bearer" and type(body["expires_in"]) is int
    return body


def _headers(answer: Any, more: frozenset[str], set_cookie: str | None) -> dict[str, str]:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    # What is empty is not JSON.
    common = {name: value for name, value in JSON_HEADERS.items() if answer.content or name != "content-type"}
    assert common.items() <= headers.items()
    named = more | ({"set-cookie"} if set_cookie else set())
    assert headers.keys() - common.keys() - _OF_THE_CONNECTION == named
    assert answer.headers.get_list("set-cookie") == ([set_cookie] if set_cookie else [])
    return headers
