"""Malformed requests as bytes on the wire to a real server: methods, targets, heads and connections that break off."""

import json
import re
import time
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.harness.constants import LONG, PASSWORD
from tests.harness.live import Live
from tests.web.answers import (
    CHALLENGED,
    ENCODED,
    INVALID_REQUEST,
    MALFORMED_HTTP,
    NOT_ALLOWED,
    NOT_FOUND,
    TOO_LARGE,
    UNSUPPORTED_GRANT_TYPE,
    assert_granted,
    assert_refused,
)
from tests.web.wire import FORM, HOST, exchange, get, post, send_and_go

METADATA = b"/.well-known/oauth-authorization-server"
JWKS = b"/.well-known/jwks.json"
PARSER_400 = '{"error": "invalid_request", "error_description": "The request is malformed."}'


@pytest.fixture
def ask(real: Live) -> Callable[..., Any]:
    return lambda request: exchange(real.port, request)


@pytest.fixture
def app(real: Live) -> Callable[..., Any]:
    """`app("password", ...)`: the body by which the public client asks."""
    return lambda grant_type, **more: {"client_id": real.app["client_id"], "grant_type": grant_type} | more


def assert_not_http(answer: Any) -> None:
    """What the parser refuses before there is a request: a constant, too."""
    assert (answer.status_code, answer.text) == (400, PARSER_400)
    fields = {"date", "x-request-id", "content-type", "cache-control", "content-length", "connection"}
    assert answer.headers.keys() == fields


@pytest.mark.parametrize("request_", [get(b"/", b"X: a\0b\r\n"), get(b"/\0"), get(b"/?a=\0"), get(b"/", b"X\0: a\r\n")])
def test_a_nul_in_a_header_or_a_url_is_not_http(ask: Any, request_: Any) -> None:
    assert_not_http(ask(request_))


def test_what_the_parser_refuses_is_counted_in_the_log_with_its_reason(real: Live, ask: Any) -> None:
    assert_not_http(ask(get(b"/", b"X : a\r\n")))
    line = next(line for line in log_since(real, 0).splitlines() if "malformed header field" in line)
    assert {"event": "malformed_requests", "network": "127.0.0.0/24"}.items() <= json.loads(line).items()


@pytest.mark.parametrize("target", [b"/%00", b"/token%00", b"/?a=%00", b"/token?%00", JWKS + b"?a=b%00"])
def test_an_encoded_nul_in_a_url_is_refused(ask: Any, target: bytes) -> None:
    assert_refused(ask(get(target)), MALFORMED_HTTP)


@pytest.mark.parametrize("body", [b"client_id=a%00b", b"a\0b=c", b"client_id=app&scope=%00"])
def test_a_nul_in_a_body_is_refused(ask: Any, body: bytes) -> None:
    assert_refused(ask(post(b"/token", b"grant_type=password&" + body)), INVALID_REQUEST)


@pytest.mark.parametrize("body", [b"client_id=%FF", b"client_id=\xff", b"\xff=1", b"client_id=%C0%80", b"\xfe\xff"])
def test_not_utf_8_in_a_body(ask: Any, body: bytes) -> None:
    assert_refused(ask(post(b"/token", b"grant_type=password&" + body)), INVALID_REQUEST)


def test_not_utf_8_elsewhere(ask: Any, app: Any) -> None:
    assert_not_http(ask(get(b"/\xff")))
    assert_not_http(ask(get(b"/?a=\xff")))
    assert_refused(ask(get(b"/%FF")), NOT_FOUND)
    assert_refused(ask(post(b"/token", b"grant_type=password", b"Authorization: Basic \xff\r\n")), CHALLENGED)
    assert_refused(ask(post(b"/token", app("x"), b"X: \xff\r\n")), UNSUPPORTED_GRANT_TYPE)


def log_since(real: Any, size: Any) -> Any:
    return real.log.read_bytes()[size:].decode()


@pytest.mark.parametrize("sent", [b"", b"grant_type=pass", b"x" * 70_000])
def test_a_disconnect_in_the_middle_of_the_body_is_no_error_in_the_log(
    real: Live, ask: Any, app: Any, sent: bytes
) -> None:
    size = real.log.stat().st_size
    send_and_go(real.port, b"POST /token HTTP/1.1\r\n" + HOST + FORM + b"Content-Length: 99999\r\n\r\n" + sent)
    send_and_go(real.port, b"POST /token HTTP/1.1\r\n" + HOST + FORM + b"Content-Length: 999\r\n\r\n" + sent[:99])
    assert_refused(ask(post(b"/token", app("x"))), UNSUPPORTED_GRANT_TYPE)
    time.sleep(0.05)
    told = log_since(real, size)
    assert "Traceback" not in told
    assert "failed" not in told
    assert "error" not in told.replace('"error": "unsupported_grant_type"', "")


def test_disconnect_before_the_answer_leaves_no_partial_state(real: Live, ask: Any, app: Any) -> None:
    login = assert_granted(ask(post(b"/token", app("password", username="ada", password=PASSWORD))))
    size, first = real.log.stat().st_size, login["refresh_token"]
    for _ in range(20):
        send_and_go(real.port, post(b"/token", app("refresh_token", refresh_token=first)))
    second = assert_granted(ask(post(b"/token", app("refresh_token", refresh_token=first))))["refresh_token"]
    assert_granted(ask(post(b"/token", app("refresh_token", refresh_token=second))))
    assert "Traceback" not in log_since(real, size)


def constant(answer: Any) -> Any:
    """The response, without what differs from one request to the next."""
    without_date = answer.raw.replace(answer.headers["date"].encode(), b"")
    return without_date.replace(answer.headers["x-request-id"].encode(), b"")


@pytest.mark.parametrize("path", [METADATA, JWKS, b"/token", b"/nothing"])
def test_absolute_form_is_answered_as_origin_form_whatever_host_it_names(ask: Any, path: bytes) -> None:
    """RFC 9112 s3.2.2: a server MUST accept the absolute-form in requests."""
    plain, absolute = ask(get(path)), ask(get(b"http://evil.example" + path))
    assert constant(plain) == constant(absolute)
    assert b"evil" not in absolute.raw


@pytest.mark.parametrize(
    "request_",
    [get(b"@google.com"), get(b"http://evil.example"), get(b"evil.example:443", method=b"CONNECT"), get(b"token")]
    + [get(b"http://"), get(b"?a"), get(b"#a")],
)
def test_targets_that_are_no_path(ask: Any, request_: Any) -> None:
    assert_not_http(ask(request_))


def test_a_request_target_in_asterisk_form_is_404(ask: Any) -> None:
    assert_refused(ask(get(b"*", method=b"OPTIONS")), NOT_FOUND)


@pytest.mark.parametrize(
    "target",
    [
        b"/token/",
        b"//token",
        b"/%74oken",
        b"/token%2f",
        b"/Token",
        b"/./token",
        b"/x/../token",
        b"/token;a",
        b"/token//",
    ]
    + [b"/revoke/", b"//revoke", b"//evil.example/token", b"/token%20", b"/\\token"],
)
def test_other_spellings_of_token_are_404_and_no_redirect(ask: Any, app: Any, target: Any) -> None:
    answer = ask(post(target, app("password", username="ada", password=PASSWORD)))
    assert_refused(answer, NOT_FOUND)


def test_a_body_of_10_gb_is_refused_without_100_continue(ask: Any) -> None:
    head = b"POST /token HTTP/1.1\r\n" + HOST + FORM + b"Expect: 100-continue\r\nContent-Length: 10737418240\r\n\r\n"
    answer = ask(head)
    assert_refused(answer, TOO_LARGE)
    assert answer.headers["connection"] == "close"
    assert b"100 Continue" not in answer.raw


@pytest.mark.parametrize(
    ("path", "status"),
    [("/account/sign-in", 413), ("/reset", 413), ("/logout", 413), ("/nothing", 404), ("/account", 405)],
)
def test_a_response_to_a_body_that_is_not_read_says_that_it_closes_the_connection_and_does(
    ask: Any, path: str, status: int
) -> None:
    """A second request on the connection would be read as the rest of the first one."""
    form = FORM + b"Content-Length: 70000\r\n\r\n" + b"x" * 100
    answer = ask(b"POST " + path.encode() + b" HTTP/1.1\r\n" + HOST + form)
    assert (answer.status_code, answer.headers.get("connection")) == (status, "close")
    assert answer.raw.lower().count(b"\r\nconnection: ") == 1


def test_a_page_in_place_of_a_form_that_is_not_read_closes_the_connection(ask: Any) -> None:
    gzipped = (
        b"POST /account/sign-in HTTP/1.1\r\n" + HOST + FORM + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nxx"
    )
    answer = ask(gzipped)
    assert (answer.status_code, answer.headers.get("connection")) == (415, "close")


def test_chunks_without_an_end_are_cut_at_64_kib(ask: Any) -> None:
    chunk = b"1000\r\n" + b"a" * 4096 + b"\r\n"
    answer = ask(b"POST /token HTTP/1.1\r\n" + HOST + FORM + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 17)
    assert_refused(answer, TOO_LARGE)


@pytest.mark.parametrize("length", [b"-1", b"1e3", b"9" * 5000, b"0x10", b"1, 1", b"", b"18446744073709551616"])
def test_content_lengths_that_are_none(ask: Any, length: bytes) -> None:
    assert_not_http(ask(b"POST /token HTTP/1.1\r\n" + HOST + FORM + b"Content-Length: " + length + b"\r\n\r\n"))


@pytest.mark.parametrize("path", [b"/token", b"/revoke"])
def test_a_gzipped_body_is_refused(ask: Any, path: bytes) -> None:
    assert_refused(ask(post(path, b"\x1f\x8b\x08\x00" + b"\0" * 20, b"Content-Encoding: gzip\r\n")), ENCODED)


LEAKS = re.compile(
    rb"server:|x-powered-by|via:|uvicorn|starlette|python|authlib|sqlalchemy|traceback|\.py|line \d", re.I
)
OUR_NAME_AND_TOKENS = re.compile(rb"authserver|eyJ[\w.-]+")  # the signature of one in some thousand begins with "py"


def test_no_answer_says_what_the_server_is_made_of(real: Live, ask: Any, app: Any) -> None:
    answers = [ask(get(path)) for path in (METADATA, JWKS, b"/nothing", b"/token", b"/health/ready", b"/\xff", b"/")]
    answers += [ask(get(b"/static/" + name)) for name in (b"", b"..", b"nothing.css", b"../routes.py")]
    login = app("password", username="ada", password=PASSWORD)
    answers += [ask(post(b"/token", form)) for form in (app("x"), app("refresh_token"), login, b"\xff", b"")]
    answers += [ask(post(b"/revoke", app("x"))), ask(post(b"/token", b"x" * 70_000))]
    assert {answer.status_code for answer in answers} >= {200, 400, 401, 404, 405, 413}
    for answer in answers:
        assert not LEAKS.search(OUR_NAME_AND_TOKENS.sub(b"", answer.raw)), answer.raw
        assert answer.status_code < 500


def test_over_the_wire_head_has_no_body(ask: Any) -> None:
    answer = ask(get(b"/token", method=b"HEAD"))
    assert (answer.status_code, answer.headers["allow"], answer.text) == (405, "POST", "")
    assert_refused(ask(get(b"/token")), NOT_ALLOWED)


def test_the_connection_stays_usable_after_a_refusal(real: Live, app: Any) -> None:
    """What has been read to its end desynchronises nothing."""
    connection = HTTPConnection("127.0.0.1", real.port, timeout=LONG)
    sockets = set()
    for _ in range(3):
        connection.request("POST", "/token", urlencode(app("x")), {"Content-Type": "application/x-www-form-urlencoded"})
        sockets.add(connection.sock)
        assert json.load(connection.getresponse())["error"] == "unsupported_grant_type"
    connection.close()
    assert len(sockets) == 1
