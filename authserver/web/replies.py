"""Renders and sends responses, as plain ASGI."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send

from ..domain.errors import Unavailable
from ..oauth.error_descriptions import SENTENCES
from ..oauth.token_reply import TokenReply
from ..pipeline.errors import Refusal
from ..pipeline.replies import Reply

# RFC 6749 s5.1: MUST include the "Cache-Control" response header field with a value of "no-store".
_NO_STORE = (
    (b"cache-control", b"no-store"),
    (b"pragma", b"no-cache"),
    (b"x-content-type-options", b"nosniff"),
)
_JSON, _JWT = ((b"content-type", media_type) for media_type in (b"application/json", b"application/jwt"))
CLOSE = {"Connection": "close"}
Header = tuple[bytes, bytes]


def error_reply(status: int, code: str, description: str, headers: Mapping[str, str] | None = None) -> Reply:
    """Return an error response. `description` must be a constant sentence, never input from the caller."""
    return Reply(status, {"error": code, "error_description": description}, headers or {})


def refusal_reply(refusal: Refusal, *, by_header: bool) -> Reply:
    """Return the error response of RFC 6749 s5.2. `by_header` is whether the client used the Authorization header."""
    sentence = refusal.description or SENTENCES.get(refusal.code, SENTENCES["invalid_request"])
    # RFC 6749 s5.2: if the client attempted to authenticate via the "Authorization" request header field, [it] MUST ...
    # include the "WWW-Authenticate" response header field matching the authentication scheme used by the client. Other
    # clients do not get it, although RFC 9110 s15.5.2 requires it with 401: browsers would open a password dialog.
    challenge = {"WWW-Authenticate": 'Basic realm="authserver"'} if refusal.status == 401 and by_header else {}
    wait = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after else {}
    return error_reply(refusal.status, refusal.code, sentence, challenge | wait)


def unreadable_reply(status: int, reason: str) -> Reply:
    """Return the error for a body that was not fully read; it closes the connection, which cannot be reused."""
    return error_reply(status, "invalid_request", reason, CLOSE)


def unavailable_reply(cause: Unavailable) -> Reply:
    headers = {"Retry-After": str(cause.retry_after)}
    return error_reply(503, "temporarily_unavailable", "The server is temporarily unavailable. Try again.", headers)


async def send_reply(send: Send, reply: Reply) -> None:
    content_type, body = _content(reply)
    more = [(name.lower().encode(), value.encode()) for name, value in reply.headers.items()]
    await send_body(send, reply.status, body, (*content_type, *_NO_STORE, *more))


def _content(reply: Reply) -> tuple[tuple[Header, ...], bytes]:
    """Return the content type, which an empty body does not have, and the body."""
    if reply.jwt:
        return (_JWT,), reply.jwt.encode()
    if reply.body is None:
        return (), b""
    members = {**reply.tokens, **reply.body}
    if isinstance(reply, TokenReply) and reply.refresh_token:
        members["refresh_token"] = reply.refresh_token
    return (_JSON,), _json(members)


def _json(body: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(body)  # Python's own encoder takes 7 us longer
    except TypeError:  # an imported key may have signed a larger integer, or half of a surrogate pair
        return json.dumps(body).encode()


async def send_body(send: Send, status: int, body: bytes, headers: Iterable[Header]) -> None:
    # RFC 9110 s8.6: a server MUST NOT send a Content-Length header field in any response with a status code of 204.
    length = [] if status == 204 else [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body})


class StaticReply:
    """An ASGI application that always sends the same response."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_reply(send, self._reply)
