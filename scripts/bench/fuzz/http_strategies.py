"""Strategies for HTTP/1.1 requests, nearly right or entirely wrong, as bytes for a socket."""

import json
from base64 import b64encode
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_from_bytes

from hypothesis import strategies as st

from tests.harness.constants import PASSWORD, SECRET

PATHS = [
    b"/token",
    b"/revoke",
    b"/introspect",
    b"/userinfo",
    b"/api/login",
    b"/api/refresh-token",
    b"/api/logout",
    b"/api/protected",
    b"/.well-known/jwks.json",
    b"/.well-known/oauth-authorization-server",
    b"/health/live",
    b"/health/ready",
    b"/",
    b"/static/style.css",
    b"/static/../web/api.py",
]
METHODS = [b"POST"] * 12 + [b"GET"] * 4 + [b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"PATCH", b"TRACE", b"QUERY"]
FORM, JSON = b"application/x-www-form-urlencoded", b"application/json"
TYPES = (
    [FORM] * 6 + [JSON] * 6 + [b"text/plain", b"multipart/form-data; boundary=x", FORM + b"; charset=utf-16", b"", b";"]
)
NAMES = (
    ["grant_type", "client_id", "client_secret", "username", "password", "refresh_token", "scope", "resource", "token"]
    + ["token_type_hint", "cookie", "assertion", "code", "", "\0", "grant_type\n"]
)  # fmt: skip
_STRANGE = st.sampled_from(
    ["\0", "\ud800", "\ufeff", "\u202e", "\r\n", "%00", "\x7f", "🔑", "''", "a" * 5000, "-1", "1e999"]
)


@dataclass(frozen=True)
class Known:
    """Values that the server knows: requests with them get further."""

    origin: str
    tokens: tuple[str, ...]

    def values(self) -> list[str]:
        names = ["password", "refresh_token", "client_credentials", "app", "web", "first-party", "ada", "read", "write"]
        return [*names, PASSWORD, SECRET, *self.tokens]


def requests(known: Known) -> st.SearchStrategy[bytes]:
    """Return a strategy for complete requests, each for a connection of its own."""
    path = st.sampled_from(PATHS)
    targets = st.builds(_target, path | path | path | _noise(), st.none() | st.none() | _form(known) | _noise())
    forms, objects = _form(known), _json(known)
    bodies = (
        st.tuples(_type(FORM), forms | _spoilt(forms))
        | st.tuples(_type(JSON), objects | _spoilt(objects))
        | st.tuples(_type(FORM) | _type(JSON), _noise() | _large())
    )
    return st.builds(_request, st.sampled_from(METHODS), targets, _headers(known), bodies)


def _type(usual: bytes) -> st.SearchStrategy[bytes | None]:
    return st.just(usual) | st.just(usual) | st.sampled_from([None, *TYPES])


def _request(
    method: bytes, target: bytes, headers: list[tuple[bytes, bytes]], typed: tuple[bytes | None, bytes]
) -> bytes:
    type, body = typed
    own = [(b"Host", b"127.0.0.1"), (b"Content-Length", str(len(body)).encode()), (b"Connection", b"close")]
    given = [] if type is None else [(b"Content-Type", type)]
    lines = [method + b" " + target + b" HTTP/1.1", *(name + b": " + value for name, value in own + given + headers)]
    return b"\r\n".join([*lines, b"", body])


def _target(path: bytes, query: bytes | None) -> bytes:
    target = path if query is None else path + b"?" + query
    return bytes(byte for byte in target if byte > 32) or b"*"


def _noise() -> st.SearchStrategy[bytes]:
    return st.binary(max_size=200)


def _large() -> st.SearchStrategy[bytes]:
    sizes = st.sampled_from([64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, 200_000])
    return st.builds(
        lambda piece, size: (piece * size)[:size], st.sampled_from([b"a", b"[", b'{"a":', b"a=&", b"&"]), sizes
    )


def _text(known: Known) -> st.SearchStrategy[str]:
    token = st.sampled_from(known.tokens)
    changed = st.builds(
        lambda text, place, sign: text[: place % len(text)] + sign, token, st.integers(0), st.characters()
    )
    return st.sampled_from(known.values()) | st.text(max_size=40) | _STRANGE | changed


def _form(known: Known) -> st.SearchStrategy[bytes]:
    """Return a strategy for forms like those of a client, sometimes with a repeated parameter, bytes that are not
    UTF-8, or no escapes."""
    named = st.sampled_from(NAMES)
    pair = st.builds(_pair, named | _text(known), _text(known).map(_bytes) | st.binary(max_size=20), st.booleans())
    grant = st.builds(_pair, st.just("grant_type"), st.sampled_from(known.values()[:3]).map(_bytes), st.just(True))
    client = st.builds(_pair, st.just("client_id"), st.sampled_from([b"app", b"web", b"first-party"]), st.just(True))
    secret = st.just(_pair("client_secret", SECRET.encode(), True))
    return st.lists(pair | grant | client | secret, max_size=7).map(b"&".join)


def _pair(name: str, value: bytes, escaped: bool) -> bytes:
    return quote_from_bytes(_bytes(name)).encode() + b"=" + (quote_from_bytes(value).encode() if escaped else value)


def _json(known: Known) -> st.SearchStrategy[bytes]:
    leaf = st.none() | st.booleans() | st.integers() | st.floats() | _text(known)
    value = leaf | st.lists(leaf, max_size=3) | st.dictionaries(st.sampled_from(NAMES), leaf, max_size=3)
    credentials = {
        "username": st.just("ada"),
        "password": st.just(PASSWORD) | _text(known),
        "cookie": st.booleans() | leaf,
    }
    refresh = {"refresh_token": _text(known)}
    members = st.dictionaries(st.sampled_from(NAMES) | _text(known), value, max_size=5)
    objects = st.fixed_dictionaries({}, optional=credentials) | st.fixed_dictionaries(refresh) | members
    return st.builds(_dumps, objects | value, st.booleans())


def _dumps(value: Any, escaped: bool) -> bytes:
    return _bytes(json.dumps(value, ensure_ascii=escaped))


def _spoilt(bodies: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    def spoil(body: bytes, place: int, length: int, instead: bytes) -> bytes:
        start = place % (len(body) + 1)
        return body[:start] + instead + body[start + length :]

    return st.builds(spoil, bodies, st.integers(0), st.integers(0, 8), st.binary(max_size=8))


def _headers(known: Known) -> st.SearchStrategy[list[tuple[bytes, bytes]]]:
    value = (_text(known).map(_bytes) | st.binary(max_size=60)).map(_line)
    token = st.sampled_from(known.tokens).map(str.encode)
    basic = st.builds(
        lambda name, rest: b"Basic " + b64encode(name + b":" + rest), st.sampled_from([b"machine", b"web"]), value
    )
    authorization = basic | token.map(b"Bearer ".__add__) | value.map(b"Basic ".__add__) | value
    cookie = (token | value).map(b"refresh_token=".__add__)
    by_name = {
        b"Authorization": authorization,
        b"Cookie": cookie | value,
        b"Origin": st.just(known.origin.encode()) | st.sampled_from([b"null", b""]) | value,
        b"Content-Encoding": st.sampled_from([b"gzip", b"identity"]),
        b"If-None-Match": st.sampled_from([b"*", b'W/"x"', b'"']) | value,
        b"Range": st.sampled_from([b"bytes=0-0", b"bytes=9-1", b"bytes=-", b"bytes=0-,0-,0-"]) | value,
        b"If-Range": value,
        b"If-Modified-Since": value,
        b"Host": st.sampled_from([b"evil.example", b""]) | value,
        b"Forwarded": value,
        b"X-Forwarded-For": value,
        b"X-Forwarded-Proto": value,
        b"Accept": value,
        b"Upgrade": st.sampled_from([b"websocket", b"h2c"]),
        b"Access-Control-Request-Method": st.just(b"POST"),
    }
    return st.lists(st.one_of([st.tuples(st.just(name), values) for name, values in by_name.items()]), max_size=3)


def _line(value: bytes) -> bytes:
    return value.translate(None, b"\0\r\n")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
