"""Where a cookie is set or used, the page must be the issuer's own (the Origin header)."""

import json
from typing import Any

import pytest

from tests.api.calling import (
    COOKIE,
    IS_JSON,
    LOGIN,
    LOGOUT,
    NOT_HERE,
    PROTECTED,
    REFRESH,
    Caller,
    assert_refused,
    assert_tokens,
    assert_tokens_by_cookie,
)
from tests.harness.constants import ISSUER, PASSWORD
from tests.web.serving import LocalServer, everything

CREDENTIALS = {"username": "ada", "password": PASSWORD}
FOREIGN = [
    [],
    [""],
    ["null"],
    ["https://evil.example"],
    ["http://as.example"],
    ["https://AS.example"],
    ["HTTPS://as.example"],
    ["https://as.example/"],
    ["https://as.example:443"],
    ["https://as.example:8443"],
    ["https://as.example."],
    ["https://as.example.evil.example"],
    ["https://sub.as.example"],
    ["https://evil.example https://as.example"],
    [f"{ISSUER}, https://evil.example"],
    [ISSUER, ISSUER],
    [ISSUER, "https://evil.example"],
    ["https://evil.example", ISSUER],
]
foreign = pytest.mark.parametrize("origin", [[("Origin", value) for value in case] for case in FOREIGN], ids=repr)


@foreign
def test_no_login_by_cookie_from_elsewhere(still: Caller, shared: LocalServer, origin: Any) -> None:
    before = everything(shared.database)
    answer = still.json(LOGIN, CREDENTIALS | {"cookie": True}, *origin)
    assert_refused(answer, NOT_HERE)
    assert everything(shared.database) == before


@foreign
@pytest.mark.parametrize("path", [REFRESH, LOGOUT])
def test_no_use_of_the_cookie_from_elsewhere(
    still: Caller, kept: str, shared: LocalServer, path: Any, origin: Any
) -> None:
    before = everything(shared.database)
    assert_refused(still.post(path, b"", ("Cookie", f"{COOKIE}={kept}"), *origin), NOT_HERE)
    assert everything(shared.database) == before


@pytest.mark.parametrize("origin", [(), (("Origin", "https://evil.example"),), (("Origin", "null"),)], ids=repr)
def test_by_body_the_origin_does_not_matter(still: Caller, origin: Any) -> None:
    """Who can write the token into the body has it."""
    first = assert_tokens(still.json(LOGIN, CREDENTIALS, *origin))["refresh_token"]
    assert_tokens(still.json(REFRESH, {"refresh_token": first}, *origin))


def test_no_referer_stands_for_the_origin(still: Caller, kept: str) -> None:
    headers = [("Cookie", f"{COOKIE}={kept}"), ("Referer", f"{ISSUER}/"), ("Host", "as.example")]
    assert_refused(still.post(REFRESH, b"", *headers), NOT_HERE)


@pytest.mark.parametrize("settings", [{"issuer": "https://as.example/tenant"}], indirect=True)
def test_the_origin_of_an_issuer_with_a_path_has_none(api: Caller) -> None:
    members = CREDENTIALS | {"cookie": True}
    answer = api.json("/tenant" + LOGIN, members, ("Origin", "https://as.example"))
    assert assert_tokens_by_cookie(answer)
    assert_refused(api.json("/tenant" + LOGIN, members, ("Origin", "https://as.example/tenant")), NOT_HERE)


@pytest.mark.parametrize("path", [LOGIN, REFRESH, LOGOUT, PROTECTED])
@pytest.mark.parametrize("origin", [ISSUER, "https://evil.example", "null"])
def test_no_cors_headers_ever(shared: LocalServer, kept: str, path: Any, origin: Any) -> None:
    asked = [
        ("OPTIONS", b"", [("Access-Control-Request-Method", "POST")]),
        (
            "OPTIONS",
            b"",
            [("Access-Control-Request-Headers", "authorization")],
        ),
        ("POST", json.dumps(CREDENTIALS), [IS_JSON]),
        ("POST", b"{", [IS_JSON]),
        ("POST", b"", [("Cookie", f"{COOKIE}=rt_")]),
        ("GET", b"", [("Authorization", "Bearer x")]),
        ("GET", b"", []),
    ]
    caller = Caller(shared.http)
    for method, content, headers in asked:
        caller.http.cookies.clear()
        answer = caller.http.request(method, path, content=content, headers=[("Origin", origin), *headers])
        assert not [name for name in answer.headers if name.startswith("access-control-")], (method, headers)
        assert method != "OPTIONS" or answer.status_code == 405
