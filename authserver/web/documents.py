"""Serves public JSON documents from memory: the JWKS (RFC 7517) and the metadata (RFC 8414)."""

from collections.abc import Callable
from hashlib import sha256

from starlette.types import Receive, Scope, Send

from .body import SPACE
from .cors import ANY_HEADER, MAX_AGE
from .replies import Header, send_body

METHODS = ["GET", "HEAD", "OPTIONS"]
_PREFLIGHT: list[Header] = [
    (b"access-control-allow-methods", b"GET, HEAD"),
    (b"access-control-allow-headers", ANY_HEADER.encode()),
    (b"access-control-max-age", MAX_AGE.encode()),
]


class Document:
    """A document with an ETag, a cache lifetime, and CORS for every origin: it is public and needs no credentials."""

    def __init__(self, current: Callable[[], bytes], max_age: int) -> None:
        """`current` returns the document; `max_age` is in seconds."""
        self._current = current
        self._headers: list[Header] = [
            (b"content-type", b"application/json"),
            (b"cache-control", f"public, max-age={max_age}".encode()),
            (b"access-control-allow-origin", b"*"),
            (b"x-content-type-options", b"nosniff"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS":
            await send_body(send, 204, b"", [*self._headers[2:], *_PREFLIGHT])
            return
        document = self._current()
        etag = f'"{sha256(document).hexdigest()[:32]}"'
        headers = [*self._headers, (b"etag", etag.encode())]
        tags = [value for name, value in scope["headers"] if name == b"if-none-match"]
        if tags and matches(b",".join(tags).decode("latin-1"), etag):
            await send({"type": "http.response.start", "status": 304, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        await send_body(send, 200, document, headers)


def matches(if_none_match: str, etag: str) -> bool:
    """Whether If-None-Match matches the ETag. RFC 9110 s13.1.2: a recipient MUST use the weak comparison function."""
    tags = (tag.strip(SPACE).removeprefix("W/") for tag in if_none_match.split(","))
    return any(tag in ("*", etag) for tag in tags)
