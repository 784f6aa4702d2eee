"""The error boundary around every request: rejects malformed HTTP, and turns our exceptions into responses."""

import re
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..accounts.browser import error_page
from ..domain.errors import Unavailable
from ..pipeline.replies import Reply
from .browser.pages import Pages
from .malformed import MalformedRequests
from .network import network_of
from .not_here import NO_PAGE, wants_page
from .replies import CLOSE, error_reply, send_reply, unavailable_reply

_HOST = re.compile(rb"[A-Za-z0-9._~:\[\]-]{1,255}")
_PERCENT = ord("%")
_MALFORMED = error_reply(400, "invalid_request", "The HTTP request is malformed.", CLOSE)
_FOR_PEOPLE = re.compile("/(authorize|interaction|logout|account|reset|sign-up)(/.*)?", re.DOTALL)
_NOT_FOUND = error_reply(404, "not_found", "There is nothing at this address.")
_MALFORMED_PAGE = replace(error_page("request", 400), closes=True)
_FAILED = "Internal error. The operator can find the cause in the log by the id in X-Request-ID."
log: Any = structlog.get_logger("authserver")


class ErrorBoundary:
    """A pure ASGI middleware. No content of a request causes a 5xx: an exception is a bug, and is logged."""

    def __init__(self, app: ASGIApp, malformed: MalformedRequests, pages: Pages | None = None, base: str = "") -> None:
        """`pages` answers malformed requests for what people open in a browser, below the path `base`; None if
        they open nothing here."""
        self._app, self._malformed, self._pages, self._base = app, malformed, pages, base

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        rejection = _rejection(scope)
        if rejection is not None:
            await self._reject(scope, send, rejection)
            return
        started = False

        def watch(message: Message) -> Awaitable[None]:  # without `async`, which would cost a coroutine
            nonlocal started
            started = True
            return send(message)

        try:
            await self._app(scope, receive, watch)
        except Unavailable as cause:
            log.warning("unavailable", reason=str(cause), path=scope["path"])
            await send_reply(send, unavailable_reply(cause))
        except Exception:
            log.exception("failed", path=scope["path"], method=scope["method"])
            if started:
                raise
            await send_reply(send, error_reply(500, "server_error", _FAILED))

    async def _reject(self, scope: Scope, send: Send, rejection: Reply) -> None:
        if rejection is _MALFORMED:
            self._malformed.count("a Host header that is missing or wrong, or a NUL", network_of(scope))
            if self._pages and _FOR_PEOPLE.fullmatch(scope["path"].removeprefix(self._base)):
                await self._pages.send(scope, send, _MALFORMED_PAGE)
                return
        elif self._pages and wants_page(scope):
            await self._pages.send(scope, send, NO_PAGE)
            return
        await send_reply(send, rejection)


def _rejection(scope: Scope) -> Reply | None:
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    # RFC 9112 s3.2: a server MUST respond with 400 to any HTTP/1.1 request that lacks a Host header field.
    if len(hosts) > 1 or (not hosts and scope["http_version"] != "1.0") or (hosts and not _HOST.fullmatch(hosts[0])):
        return _MALFORMED
    # By number, or by `find`: for bytes in bytes, `in` first tries a number and catches its error, which takes 0.5 us.
    if 0 in scope["raw_path"] or "\0" in scope["path"] or scope["query_string"].find(b"%00") >= 0:
        return _MALFORMED
    # No character in our paths needs encoding: /%74oken is not /token.
    return _NOT_FOUND if _PERCENT in scope["raw_path"] else None
