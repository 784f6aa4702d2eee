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
_WELL_KNOWN = "/.well-known/oauth-authorization-server"


class RequestMetrics:
    def __init__(self, app: App, recorder: Recorder, base: str) -> None:
        """`base` is the path of the issuer."""
        self._app, self._recorder = app, recorder
        self._endpoints = {base + path: path for path in ENDPOINTS} | {_WELL_KNOWN + base: _WELL_KNOWN}

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
            path = getattr(scope.get("route"), "path", "")  # the route's own path, not the caller's
            self._recorder.request_ended(self._endpoints.get(path, OTHER), status, stopwatch() - began)
