"""Reads a request: at most 64 KiB, one content type, no parameters in the query string, within 10 seconds."""

import asyncio
from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope

MAX_BODY = 64 * 1024  # bytes
ARRIVED = "authserver.arrived"
"""The name in a request's scope: True once the whole request has arrived."""
_TIMEOUT = 10  # seconds
_TOO_LARGE = "The body exceeds 64 KiB."
_PROTOCOL_PARAMETERS = frozenset(
    {
        "audience",
        "client_assertion",
        "client_assertion_type",
        "client_id",
        "client_secret",
        "code",
        "code_verifier",
        "grant_type",
    }
    | {"password", "redirect_uri", "refresh_token", "resource", "scope", "token", "token_type_hint", "username"}
)
SPACE = " \t"
"""RFC 9110 s5.6.3. `strip` without this would also remove other characters of latin-1, which are not white space
here."""
_UTF_8 = {"", "charset=utf-8", 'charset="utf-8"'}
_OF_ASCII = {form for name in ("utf8", "us-ascii", "iso-8859-1") for form in (f"charset={name}", f'charset="{name}"')}
"""Charsets that some clients name; accepted if the body is ASCII, which is the same in UTF-8."""


class Disconnected(Exception):
    """The client has disconnected, so nobody receives a response."""


class UnreadableBody(Exception):
    """The body was not fully read. `reason` is a constant sentence for the caller and for the log."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


def headers_of(scope: Scope) -> Mapping[str, list[str]]:
    """Return all values of each header, by its lower-case name."""
    values: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        values.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return values


def is_form(headers: Mapping[str, list[str]], content: bytes) -> bool:
    """Whether there is exactly one Content-Type, application/x-www-form-urlencoded, and `content` is UTF-8 in the
    charset that it names, if any."""
    return _is_of_type("application/x-www-form-urlencoded", headers, content)


def is_json(headers: Mapping[str, list[str]], content: bytes) -> bool:
    """Like `is_form`, for application/json."""
    return _is_of_type("application/json", headers, content)


def _is_of_type(expected: str, headers: Mapping[str, list[str]], content: bytes) -> bool:
    types = headers.get("content-type", [])
    if types == [expected]:
        return True
    media, *parameters = (part.strip(SPACE).lower() for part in (types[0] if len(types) == 1 else "").split(";"))
    allowed = _UTF_8 | _OF_ASCII if content.isascii() else _UTF_8
    return media == expected and all(parameter in allowed for parameter in parameters)


def has_protocol_parameters(scope: Scope) -> bool:
    """Whether the query string contains protocol parameters, which are not allowed there (RFC 6749 s2.3.1: MUST NOT be
    included in the request URI)."""
    return not _PROTOCOL_PARAMETERS.isdisjoint(query_names(scope))


def query_names(scope: Scope) -> set[str]:
    """Return the names of the parameters in the query string."""
    query: bytes = scope["query_string"]
    return {name for name, _ in parse_qsl(query.decode("latin-1"), True)} if query else set()


async def read(scope: Scope, headers: Mapping[str, list[str]], receive: Receive) -> bytes:
    """Read the whole body. Raises UnreadableBody, before reading if the headers are enough to reject it, and
    Disconnected."""
    length = headers.get("content-length", ["0"])[0]
    if not length.isdecimal() or int(length) > MAX_BODY:
        raise UnreadableBody(413, _TOO_LARGE)
    if "content-encoding" in headers:
        raise UnreadableBody(415, "A body with a Content-Encoding is not accepted.")
    if scope.get(ARRIVED):  # as nearly always: a timeout takes 6 us
        return await _receive_all(receive)
    try:
        async with asyncio.timeout(_TIMEOUT):
            return await _receive_all(receive)
    except TimeoutError:
        raise UnreadableBody(408, "The body did not arrive within 10 seconds.") from None


async def _receive_all(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        body += bytes(message.get("body", b""))
        if len(body) > MAX_BODY:
            raise UnreadableBody(413, _TOO_LARGE)
        if not message.get("more_body", False):
            return body
