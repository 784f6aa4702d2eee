"""POST /token with malformed requests: each spoils one thing in a request that would succeed."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.harness.constants import AUDIENCE, SECRET
from tests.web.answers import (
    ENCODED,
    INVALID_REQUEST,
    NOT_ALLOWED,
    TOO_LARGE,
    UNSUPPORTED_GRANT_TYPE,
    assert_done,
    assert_granted,
    assert_refused,
)
from tests.web.serving import LocalServer

FORM = "application/x-www-form-urlencoded"
WEB = {"client_id": "web", "client_secret": SECRET}
GOOD = {"/token": WEB | {"grant_type": "client_credentials"}, "/revoke": WEB | {"token": "no token of ours"}}
both_endpoints = pytest.mark.parametrize("path", GOOD)


@pytest.fixture
def post(shared: LocalServer) -> Callable[..., Any]:
    """`post(path, body)` as a form, unless the headers say otherwise."""

    def post(path: Any, body: Any, headers: Any = (("Content-Type", FORM),), query: Any = "") -> Any:
        return shared.http.post(path + query, content=body, headers=list(headers))

    return post


def good(path: Any, **more: Any) -> Any:
    return urlencode(GOOD[path] | more)


def test_the_requests_that_the_rows_spoil_are_answered(post: Any) -> None:
    assert_granted(post("/token", good("/token")))
    assert_done(post("/revoke", good("/revoke")))


@both_endpoints
@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_than_post_are_405(shared: LocalServer, path: Any, method: str) -> None:
    answer = shared.http.request(method, path)
    if method != "HEAD":
        assert_refused(answer, NOT_ALLOWED)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@both_endpoints
@pytest.mark.parametrize(
    "type", ["application/json", "text/plain", "multipart/form-data; boundary=x", "*/*", "", f"{FORM}x", f"x, {FORM}"]
)
def test_other_content_types_are_refused(post: Any, path: Any, type: str) -> None:
    assert_refused(post(path, good(path), [("Content-Type", type)]), INVALID_REQUEST)


@both_endpoints
def test_no_content_type(post: Any, path: Any) -> None:
    assert_refused(post(path, good(path), []), INVALID_REQUEST)


@both_endpoints
@pytest.mark.parametrize("second", [FORM, "application/json"])
def test_two_content_types_are_refused(post: Any, path: Any, second: str) -> None:
    assert_refused(post(path, good(path), [("Content-Type", FORM), ("Content-Type", second)]), INVALID_REQUEST)


@both_endpoints
@pytest.mark.parametrize("charset", ["utf-16", "latin-1", "utf-7", "nonsense", "", "utf-8; charset=utf-16"])
def test_other_charsets_are_refused(post: Any, path: Any, charset: str) -> None:
    assert_refused(post(path, good(path), [("Content-Type", f"{FORM}; charset={charset}")]), INVALID_REQUEST)


@pytest.mark.parametrize(
    "type", [f"{FORM};charset=UTF-8", f'{FORM}; charset="utf-8"', FORM.upper(), f" {FORM} ", f"{FORM};"]
)
def test_utf_8_however_it_is_written(post: Any, type: Any) -> None:
    assert_granted(post("/token", good("/token"), [("Content-Type", type)]))


@both_endpoints
@pytest.mark.parametrize("charset", ["ISO-8859-1", "us-ascii", "utf8", '"iso-8859-1"', "US-ASCII"])
def test_a_charset_that_contains_ascii_is_accepted_for_an_ascii_body(post: Any, path: Any, charset: str) -> None:
    headers = [("Content-Type", f"{FORM}; charset={charset}")]
    answer = post(path, good(path), headers)
    assert_granted(answer) if path == "/token" else assert_done(answer)
    assert_refused(post(path, good(path) + "&x=\u00e9", headers), INVALID_REQUEST)


@pytest.mark.parametrize("space", ["\xa0", "\x85", "\x0b", "\x1f"])
def test_what_latin_1_takes_for_a_space_is_no_space_around_a_content_type(post: Any, space: str) -> None:
    for type in (space + FORM, FORM + space, f"{FORM};{space}charset=utf-8"):
        headers = [("Content-Type", type.encode("latin-1"))]
        assert_refused(post("/token", good("/token"), headers), INVALID_REQUEST)


@both_endpoints
@pytest.mark.parametrize(
    "name",
    ["grant_type", "client_id", "client_secret", "username", "password", "refresh_token", "scope", "token"]
    + [
        "token_type_hint",
        "resource",
        "audience",
        "code",
        "redirect_uri",
        "code_verifier",
        "client_assertion",
        "%63lient_id",
    ],
)
def test_a_protocol_parameter_in_the_query_string_is_refused(post: Any, path: Any, name: Any) -> None:
    assert_refused(post(path, good(path), query=f"?x=1&{name}=web"), INVALID_REQUEST)


@both_endpoints
def test_an_empty_protocol_parameter_in_the_query_string_is_refused(post: Any, path: Any) -> None:
    assert_refused(post(path, good(path), query="?scope"), INVALID_REQUEST)


@both_endpoints
@pytest.mark.parametrize("twice", ["client_id=web", "scope=&scope=", "unknown=1&unknown=2", "%74oken=a&token=b"])
def test_rfc6749_3_2_any_repeated_parameter_is_refused(post: Any, path: Any, twice: str) -> None:
    assert_refused(post(path, f"{good(path)}&{twice}"), INVALID_REQUEST)


def test_rfc8707_2_resource_may_be_repeated(post: Any) -> None:
    asked = quote(AUDIENCE, safe="")
    assert_granted(post("/token", f"{good('/token')}&resource={asked}&resource={asked}"))


def test_rfc6749_3_2_a_parameter_without_value_is_absent(post: Any) -> None:
    assert_granted(post("/token", good("/token", scope="", resource="", unknown="")))
    assert_refused(post("/token", urlencode(WEB | {"grant_type": ""})), INVALID_REQUEST)
    assert_refused(post("/revoke", urlencode(WEB | {"token": ""})), INVALID_REQUEST)


@pytest.mark.parametrize("missing", ["grant_type", "token"])
def test_rfc6749_5_2_the_required_parameter_is_missing(post: Any, missing: str) -> None:
    path = "/revoke" if missing == "token" else "/token"
    assert_refused(post(path, urlencode(WEB)), INVALID_REQUEST)


@pytest.mark.parametrize(
    "grant_type",
    ["unknown", "urn:ietf:params:oauth:grant-type:token-exchange"]  # not offered
    + ["Password", "password ", " client_credentials", "client_credentials\t"]  # nearly a name
    + ['"password"', "é", "a\r\nSet-Cookie: a=b", "<script>", "\\", "\x1b[31m"],  # must not be echoed
)
def test_grant_types_that_there_are_not(post: Any, grant_type: Any) -> None:
    assert_refused(post("/token", urlencode(WEB | {"grant_type": grant_type})), UNSUPPORTED_GRANT_TYPE)


@both_endpoints
@pytest.mark.parametrize("size", [64 * 1024 + 1, 1024 * 1024])
def test_a_body_of_more_than_64_kib_is_413(post: Any, path: Any, size: int) -> None:
    body = good(path) + "&padding="
    assert_refused(post(path, body + "a" * (size - len(body))), TOO_LARGE)


def test_a_body_of_64_kib_is_accepted(post: Any) -> None:
    body = good("/token") + "&padding="
    assert_granted(post("/token", body + "a" * (64 * 1024 - len(body))))


@both_endpoints
@pytest.mark.parametrize("value", ["%ED%A0%80", "%C0%80", "%FF", "%E2%82", "%F4%90%80%80", "é", "\xff"])
@pytest.mark.parametrize("form", ["unknown={}", "{}=1"])
def test_what_is_not_utf_8(post: Any, path: Any, value: str, form: str) -> None:
    body = f"{good(path)}&{form.format(value)}".encode("latin-1")
    assert_refused(post(path, body), INVALID_REQUEST)


@both_endpoints
@pytest.mark.parametrize("body", ["unknown=a%00b", "unknown%00=1", "unknown=\0", "resource=%00"])
def test_a_nul_in_a_body_is_refused(post: Any, path: Any, body: str) -> None:
    assert_refused(post(path, f"{good(path)}&{body}"), INVALID_REQUEST)


@both_endpoints
@pytest.mark.parametrize("fields", [65, 2000])
def test_more_than_64_fields_are_refused(post: Any, path: Any, fields: int) -> None:
    more = "".join(f"&a{number}=" for number in range(fields - len(GOOD[path])))
    assert_refused(post(path, good(path) + more), INVALID_REQUEST)


def test_as_many_fields_as_there_may_be(post: Any) -> None:
    more = "".join(f"&a{number}=" for number in range(64 - len(GOOD["/token"])))
    assert_granted(post("/token", good("/token") + more))


@both_endpoints
@pytest.mark.parametrize("coding", ["gzip", "identity", "br", ""])
def test_a_content_encoding_is_refused(post: Any, path: Any, coding: str) -> None:
    assert_refused(post(path, good(path), [("Content-Type", FORM), ("Content-Encoding", coding)]), ENCODED)


def test_unknown_parameters_are_ignored(post: Any) -> None:
    assert_granted(post("/token", good("/token", unknown="1", nonce="é", **{"": "no name"})))
    assert_granted(post("/token", good("/token"), query="?utm_source=1&utm_source=2&unknown"))
