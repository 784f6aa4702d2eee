"""Malformed calls of /api: each spoils one thing, such as the media type or the JSON, in a call that would succeed."""

import json
from typing import Any

import pytest

from tests.api.calling import (
    DEAD_TOKEN,
    ENCODED,
    IS_JSON,
    LOGIN,
    LOGOUT,
    MALFORMED,
    REFRESH,
    TOO_LARGE,
    Caller,
    assert_refused,
    assert_tokens,
)
from tests.harness.constants import ISSUER, PASSWORD
from tests.web.serving import LocalServer

GOOD = {
    LOGIN: json.dumps({"username": "ada", "password": PASSWORD}),
    REFRESH: '{"refresh_token": "rt_"}',
    LOGOUT: '{"refresh_token": "rt_"}',
}
FORM = "application/x-www-form-urlencoded"
every_path = pytest.mark.parametrize("path", GOOD)
LIMIT = 64 * 1024


def with_member(path: Any, member: Any) -> Any:
    return GOOD[path].replace("{", "{" + member + ", ", 1)


def is_good(answer: Any) -> Any:
    """It got past the reading."""
    return answer.status_code in (200, 204) or answer.json()["error"].startswith("Refresh token")


@every_path
def test_the_calls_that_the_rows_spoil_are_answered(still: Caller, path: Any) -> None:
    assert is_good(still.post(path, GOOD[path], IS_JSON))
    assert is_good(still.post(path, with_member(path, '"unknown": [1, null, {"a": 2.5e400}]'), IS_JSON))
    assert is_good(still.post(path, with_member(path, '"\\u0000": "\\u0000", "\\ud800": "\\udfff"'), IS_JSON))


@every_path
@pytest.mark.parametrize(
    "content",
    ["{", "}", "[]", '[{"refresh_token": "rt_"}]', '"rt_"', "null", "true", "1", "''", "{}{}", "{} x", "{'a': 1}"]
    + ['{"a": 1,}', '{"a" 1}', "{a: 1}", '{"a": 01}', '{"a": +1}', '{"a": .5}', '{"a": 0x1}', '// a\n{"a": 1}']
    + ['{"a": "\n"}', '{"a": "\t"}', '{"a": "\\x41"}', '{"a": "\\u12"}', '{"a": 1} \0', " ", "\n", "username=ada"],
)
def test_what_is_no_json_object(still: Caller, path: Any, content: Any) -> None:
    assert_refused(still.post(path, content, IS_JSON), MALFORMED)


@every_path
@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "-NaN", "nan", '[{"a": NaN}]', "9" * 5000])
def test_numbers_that_json_does_not_have(still: Caller, path: Any, value: str) -> None:
    assert_refused(still.post(path, with_member(path, f'"unknown": {value}'), IS_JSON), MALFORMED)


@every_path
@pytest.mark.parametrize(
    "twice",
    ['"unknown": 1, "unknown": 1', '"unknown": 1, "\\u0075nknown": 2', '"unknown": {"a": 1, "a": 1}', '"": 1, "": 2']
    + ['"username": "ada"', '"refresh_token": "rt_", "refresh_token": "rt_"', '"cookie": false, "cookie": true'],
)
def test_a_repeated_member_is_refused(still: Caller, path: Any, twice: Any) -> None:
    content = with_member(path, twice)
    if path != LOGIN and twice == '"username": "ada"':
        assert is_good(still.post(path, content, IS_JSON))  # it is there once
    else:
        assert_refused(still.post(path, content, IS_JSON), MALFORMED)


@every_path
@pytest.mark.parametrize("depth", [20_000, 32_000])
@pytest.mark.parametrize("around", ["[]", "{}"])
def test_nesting_that_would_overflow_a_stack_is_refused(still: Caller, path: Any, depth: int, around: str) -> None:
    start, end = ("[" * depth, "]" * depth) if around == "[]" else ('{"a":' * (depth // 3), "1" + "}" * (depth // 3))
    assert_refused(still.post(path, with_member(path, f'"unknown": {start}{end}'), IS_JSON), MALFORMED)
    assert_refused(still.post(path, start, IS_JSON), MALFORMED)


@every_path
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_other_encodings_and_a_byte_order_mark_are_refused(still: Caller, path: Any, encoding: str) -> None:
    assert_refused(still.post(path, GOOD[path].encode(encoding), IS_JSON), MALFORMED)


@every_path
@pytest.mark.parametrize("value", [b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xe2\x82", b"\xf4\x90\x80\x80", b"\xe9"])
def test_what_is_not_utf_8(still: Caller, path: Any, value: bytes) -> None:
    content = with_member(path, '"unknown": "?"').encode().replace(b"?", value)
    assert_refused(still.post(path, content, IS_JSON), MALFORMED)


@every_path
@pytest.mark.parametrize(
    "type",
    [FORM, "text/plain", "application/jsonx", "application/ld+json", "*/*", "", "x, application/json"],
)
def test_other_content_types_are_refused(still: Caller, path: Any, type: str) -> None:
    assert_refused(still.post(path, GOOD[path], ("Content-Type", type)), MALFORMED)


@every_path
def test_no_content_type(still: Caller, path: Any) -> None:
    assert_refused(still.post(path, GOOD[path]), MALFORMED)


@every_path
@pytest.mark.parametrize("second", ["application/json", "text/plain"])
def test_two_content_types_are_refused(still: Caller, path: Any, second: str) -> None:
    assert_refused(still.post(path, GOOD[path], IS_JSON, ("Content-Type", second)), MALFORMED)
    assert_refused(still.post(path, GOOD[path], ("Content-Type", second), IS_JSON), MALFORMED)


@every_path
@pytest.mark.parametrize("charset", ["utf-16", "latin-1", "utf-7", "nonsense", "", "utf-8; charset=utf-16"])
def test_other_charsets_are_refused(still: Caller, path: Any, charset: str) -> None:
    type = f"application/json; charset={charset}"
    assert_refused(still.post(path, GOOD[path], ("Content-Type", type)), MALFORMED)


@pytest.mark.parametrize("type", ["application/json;charset=UTF-8", 'Application/JSON; charset="utf-8"'])
def test_utf_8_however_it_is_written(still: Caller, type: str) -> None:
    assert_tokens(still.post(LOGIN, GOOD[LOGIN], ("Content-Type", type)))


@every_path
@pytest.mark.parametrize("query", ["?username=ada", "?password=x", "?x=1&refresh_token=rt_", "?refresh%5Ftoken=rt_"])
def test_a_query_string_with_secrets_is_refused(still: Caller, path: Any, query: str) -> None:
    assert_refused(still.post(path + query, GOOD[path], IS_JSON), MALFORMED)


@every_path
def test_whatever_else_is_in_the_query_string(still: Caller, path: Any) -> None:
    assert is_good(still.post(path + "?utm_source=x", GOOD[path], IS_JSON))


@pytest.mark.parametrize("path", [REFRESH, LOGOUT])
@pytest.mark.parametrize("value", [None, "", 1, 1.5, True, ["rt_"], {"a": "rt_"}, "rt_\0", "\ud800", "rt_\udfff"])
def test_the_refresh_token_is_not_text(still: Caller, path: Any, value: Any) -> None:
    assert_refused(still.json(path, {"refresh_token": value}), MALFORMED)


@pytest.mark.parametrize("path", [REFRESH, LOGOUT])
@pytest.mark.parametrize("members", [{}, {"token": "rt_"}, {"Refresh_token": "rt_"}, {"username": "ada"}])
def test_the_refresh_token_is_missing(still: Caller, path: Any, members: Any) -> None:
    assert_refused(still.json(path, members), MALFORMED)


@every_path
def test_an_empty_request_to_refresh_means_a_dead_token(still: Caller, path: Any) -> None:
    """A browser app's cookie has expired: it has no refresh token any more, as if that were dead."""
    expected = DEAD_TOKEN if path == REFRESH else MALFORMED
    assert_refused(still.post(path), expected)
    assert_refused(still.post(path, b"", IS_JSON), expected)


def test_an_empty_object_from_our_own_page_is_as_nothing_at_all(still: Caller) -> None:
    assert_refused(still.json(REFRESH, {}, ("Origin", ISSUER)), DEAD_TOKEN)
    assert_refused(still.json(REFRESH, {}, ("Origin", "https://elsewhere.example")), MALFORMED)


@every_path
@pytest.mark.parametrize("charset", ["ISO-8859-1", "us-ascii", "utf8"])
def test_a_charset_that_contains_ascii_is_accepted_for_an_ascii_body(still: Caller, path: Any, charset: str) -> None:
    headers = ("Content-Type", f"application/json; charset={charset}")
    assert is_good(still.post(path, GOOD[path], headers))
    assert_refused(still.post(path, with_member(path, '"x": "\u00e9"').encode(), headers), MALFORMED)


@every_path
@pytest.mark.parametrize("size", [LIMIT + 1, 1024 * 1024])
def test_a_body_of_more_than_64_kib_is_413(still: Caller, path: Any, size: int) -> None:
    answer = still.post(path, GOOD[path].ljust(size), IS_JSON)
    assert_refused(answer, TOO_LARGE)
    assert answer.headers["connection"] == "close"


@every_path
def test_more_than_64_kib_without_a_content_length_are_413(still: Caller, path: Any) -> None:
    pieces = (piece.encode() for piece in (GOOD[path], " " * LIMIT))
    assert_refused(still.post(path, pieces, IS_JSON), TOO_LARGE)


@every_path
def test_a_body_of_64_kib_is_accepted(still: Caller, path: Any) -> None:
    assert is_good(still.post(path, GOOD[path].ljust(LIMIT), IS_JSON))


@every_path
@pytest.mark.parametrize("coding", ["gzip", "identity", "br", ""])
def test_a_content_encoding_is_refused(still: Caller, path: Any, coding: str) -> None:
    assert_refused(still.post(path, GOOD[path], IS_JSON, ("Content-Encoding", coding)), ENCODED)


@every_path
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_than_post_are_405(shared: LocalServer, path: Any, method: str) -> None:
    answer = shared.http.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert "access-control-allow-origin" not in answer.headers
