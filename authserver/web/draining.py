"""SIGTERM without a lost request: for a moment every answer closes its connection, then the server stops as it does.

uvicorn closes idle connections at once when it stops, and a client that just then sends on one loses its request. Told
`Connection: close` with an answer, it opens a new connection for the next, to another worker or node.
"""

import asyncio
import signal
import threading
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_MOMENT = 0.5  # seconds


class Draining:
    """Pure ASGI, around everything else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._is_draining = app, False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self._take_over_sigterm(asyncio.get_running_loop())
        await self._app(scope, receive, self._closing(send) if self._is_draining else send)

    def _take_over_sigterm(self, loop: asyncio.AbstractEventLoop) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # a server inside another program: the signals are not ours
        stop: Any = signal.getsignal(signal.SIGTERM)
        if callable(stop):
            signal.signal(signal.SIGTERM, lambda number, frame: self._drain(loop, stop, number))

    def _drain(self, loop: asyncio.AbstractEventLoop, stop: Callable[[int, Any], None], number: int) -> None:
        """Called again, it stops at once."""
        if self._is_draining:
            stop(number, None)
        else:
            self._is_draining = True
            loop.call_soon_threadsafe(loop.call_later, _MOMENT, stop, number, None)

    def _closing(self, send: Send) -> Send:
        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        return closing
