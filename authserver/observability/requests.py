"""Counts and times every request, as a pure ASGI middleware."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ..system import stopwatch
from .metrics import ENDPOINTS, OTHER
from .recorder import Recorder

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
TRUSTED_PEER = "authserver.trusted_peer"
"""The name in a request's scope: True if the connection comes from a trusted proxy."""
_WELL_KNOWN = "/.well-known/oauth-authorization-server"


class Endpoints:
    """Names the endpoint of a request that has been handled, by its route and not by the caller's path."""

    def __init__(self, base: str) -> None:
        """`base` is the path of the issuer."""
        self._names = {base + path: path for path in ENDPOINTS} | {_WELL_KNOWN + base: _WELL_KNOWN}

    def of(self, scope: Message) -> str:
        """Return one of ENDPOINTS."""
        return self._names.get(getattr(scope.get("route"), "path", ""), OTHER)


class RequestMetrics:
    def __init__(self, app: App, recorder: Recorder, base: str) -> None:
        """`base` is the path of the issuer."""
        self._app, self._recorder, self._endpoints = app, recorder, Endpoints(base)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = stopwatch(), 0

        def watch(message: Message) -> Awaitable[None]:  # without `async`, which would cost a coroutine
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            return send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            self._recorder.request_ended(self._endpoints.of(scope), status, stopwatch() - began)
