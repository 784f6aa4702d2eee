"""Thousands of bodies and headers at /token and /revoke: never a 5xx, never an answer that is not one of ours."""

import json
from base64 import b64encode
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from authserver.oauth.error_descriptions import SENTENCES
from authserver.passwords import PasswordCheck, PasswordHasher
from tests.harness.constants import AUDIENCE, PASSWORD, SECRET
from tests.harness.existing import existing
from tests.web.answers import ENCODED, JSON_HEADERS, MALFORMED_HTTP, TOO_LARGE
from tests.web.serving import LocalServer, Logins

CONSTANT = {*SENTENCES.values(), *(known.description for known in (ENCODED, MALFORMED_HTTP, TOO_LARGE))}
FORM = (b"content-type", b"application/x-www-form-urlencoded")
BASIC = (b"authorization", b"Basic " + b64encode(f"machine:{SECRET}".encode()))
APP, WEB = {"client_id": "app"}, {"client_id": "web", "client_secret": SECRET}
GOOD = {
    "/token": [
        (APP | {"grant_type": "password", "username": "ada", "password": PASSWORD, "scope": "read"}, [FORM]),
        (APP | {"grant_type": "refresh_token", "refresh_token": "{token}", "resource": AUDIENCE}, [FORM]),
        (WEB | {"grant_type": "client_credentials", "scope": "read write"}, [FORM]),
        ({"grant_type": "client_credentials"}, [FORM, BASIC]),
    ],
    "/revoke": [
        (APP | {"token": "{token}", "token_type_hint": "refresh_token"}, [FORM]),
        (WEB | {"token": "{token}"}, [FORM]),
        ({"token": "{token}"}, [FORM, BASIC]),
    ],
}
NAMES = ["grant_type", "client_id", "client_secret", "username", "password", "refresh_token", "scope", "resource"]
NAMES += ["token", "token_type_hint", "unknown", ""]
HEADER_NAMES = [
    b"content-type",
    b"content-encoding",
    b"content-length",
    b"authorization",
    b"expect",
    b"cookie",
    b"range",
]
HEADER_NAMES += [b"transfer-encoding", b"x-forwarded-for", b"x-forwarded-host", b"forwarded", b"accept", b"origin"]
ESCAPES = [
    "%00",
    "%FF",
    "%C0%80",
    "%ED%A0%80",
    "%",
    "%zz",
    "+",
    "%2B",
    "%E2%82%AC",
    "&",
    "=",
    ";",
    "read",
    "app",
    "ada",
]

values = st.one_of(
    st.text(max_size=20).map(quote_plus),
    st.lists(st.sampled_from(ESCAPES), max_size=4).map("".join),
    st.builds(
        lambda text, times: text * times, st.sampled_from(["a", "%41", "a+", "%F0%9F%94%91"]), st.integers(0, 6000)
    ),
)
raw = st.binary(max_size=40)
changes = st.one_of(
    st.tuples(st.just("set"), st.sampled_from(NAMES), values),
    st.tuples(st.just("add"), st.sampled_from(NAMES), values),
    st.tuples(st.just("drop"), st.sampled_from(NAMES), st.none()),
    st.tuples(st.just("body"), st.integers(0, 200), raw),
    st.tuples(st.just("header"), st.sampled_from(HEADER_NAMES), raw),
    st.tuples(st.just("header"), st.just(b"authorization"), raw.map(lambda noise: b"Basic " + b64encode(noise))),
    st.tuples(st.just("query"), st.none(), raw),
)


def request_of(good: Any, token: Any, changes: Any) -> Any:
    """A good request with the changes made to it: query, headers and body."""
    form, headers = good
    fields = [(name, quote_plus(token if value == "{token}" else value)) for name, value in form.items()]
    headers, query, splices = list(headers), b"", []
    for kind, where, what in changes:
        if kind in ("set", "drop"):
            fields = [field for field in fields if field[0] != where]
        if kind in ("set", "add"):
            fields.append((where, what))
        elif kind == "body":
            splices.append((where, what))
        elif kind == "header":
            headers.append((where, what))
        elif kind == "query":
            query += what
    body = "&".join(f"{name}={value}" for name, value in fields).encode()
    for place, noise in splices:
        body = body[:place] + noise + body[place:]
    return query, headers, body


async def exchange(app: Any, path: Any, query: Any, headers: Any, chunks: Any) -> Any:
    """Straight into the ASGI application. Returns the messages that it sent."""
    sent, body = [], [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    body.append({"type": "http.request", "body": b""})

    async def receive() -> Any:
        return body.pop(0) if body else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "http_version": "1.1", "method": "POST", "path": path, "raw_path": path.encode()}
    scope |= {"query_string": query, "headers": [(b"host", b"as.example"), *headers], "client": ("192.0.2.1", 1)}
    scope |= {"root_path": "", "scheme": "https", "state": {}, "server": ("as.example", 443)}
    await app(scope, receive, send)
    return sent


def assert_ours(sent: Any) -> Any:
    start, body = sent
    assert start["type"] == "http.response.start"
    answer = {name.decode(): value.decode() for name, value in start["headers"]}
    common = {name: value for name, value in JSON_HEADERS.items() if body["body"] or name != "content-type"}
    assert common.items() <= answer.items()
    if start["status"] == 200:
        return 200
    assert start["status"] in (400, 401, 413, 415, 429)
    refused = json.loads(body["body"])
    assert refused.keys() == {"error", "error_description"}
    assert refused["error_description"] in CONSTANT
    return start["status"]


@pytest.fixture(scope="module")
def tokens(shared: LocalServer) -> Any:
    """Refresh tokens of several clients and generations, an access token, and one that nobody has."""
    logins = Logins(shared.database, shared.settings, shared.clock)
    found = ["rt_" + "A" * 72]
    for number, client_id in enumerate(("app", "app", "web", "other")):
        login = logins.plant(number, client_id=client_id)
        found += [logins.token(login, generation) for generation in (1, 2, 3, 4)]
    return [*found, shared.http.post("/token", data=WEB | {"grant_type": "client_credentials"}).json()["access_token"]]


@pytest.mark.parametrize(("path", "examples"), [("/token", 2000), ("/revoke", 1000)])
def test_whatever_is_sent(
    shared: LocalServer, tokens: Any, monkeypatch: pytest.MonkeyPatch, path: str, examples: int
) -> None:
    monkeypatch.setattr(
        PasswordHasher, "_match", lambda self, hash, password, renew: PasswordCheck(password == PASSWORD)
    )
    statuses = set()

    @settings(max_examples=examples)
    @given(st.sampled_from(GOOD[path]), st.sampled_from(tokens), st.lists(changes, max_size=4), st.integers(0, 60))
    def send(good: Any, token: Any, changes: Any, cut: Any) -> None:
        query, headers, body = request_of(good, token, changes)
        chunks = [body[:cut], body[cut:]]
        statuses.add(assert_ours(existing(shared.http.portal).call(exchange, shared.app, path, query, headers, chunks)))

    with capture_logs() as logged:
        send()
    assert {entry["event"] for entry in logged}.isdisjoint({"failed", "unavailable"})
    assert statuses >= {200, 400, 401, 413, 415}
