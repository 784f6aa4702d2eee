"""Rendering, as plain ASGI: one renderer for each family of answers."""

import json
from collections.abc import Iterable, Mapping

from starlette.types import Receive, Scope, Send

from ..domain.errors import Unavailable
from ..oauth.errors import Reply

# RFC 6749 s5.1: MUST include the "Cache-Control" response header field with a value of "no-store".
_NO_STORE = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"pragma", b"no-cache"),
    (b"x-content-type-options", b"nosniff"),
)
_TO_JSON = json.JSONEncoder(separators=(",", ":")).encode
CLOSE = {"Connection": "close"}
Header = tuple[bytes, bytes]


def refusal(status: int, error: str, description: str, headers: Mapping[str, str] | None = None) -> Reply:
    """An error outside the OAuth codes' own renderer, in the same form."""
    return Reply(status, {"error": error, "error_description": description}, headers or {})


def unavailable(error: Unavailable) -> Reply:
    headers = {"Retry-After": str(error.retry_after)}
    return refusal(503, "temporarily_unavailable", "The server cannot answer now. Try again.", headers)


async def send_reply(send: Send, reply: Reply) -> None:
    body = b"" if reply.body is None else _TO_JSON(reply.body).encode()
    more = [(name.lower().encode(), value.encode()) for name, value in reply.headers.items()]
    common = _NO_STORE if reply.body is not None else _NO_STORE[1:]  # what is empty is not JSON
    await send_body(send, reply.status, body, (*common, *more))


async def send_body(send: Send, status: int, body: bytes, headers: Iterable[Header]) -> None:
    # RFC 9110 s8.6: a server MUST NOT send a Content-Length header field in any response with a status code of 204.
    length = [] if status == 204 else [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body})


class StaticReply:
    """An ASGI application with one answer."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_reply(send, self._reply)
