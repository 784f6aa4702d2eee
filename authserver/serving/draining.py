"""Handles SIGTERM and SIGHUP without losing a request: for half a second every response closes its connection, then the
signal takes effect. /health/ready reports at once that the server is shutting down. A worker cannot tell whether it is
being replaced or the whole server stops, so its parent tells it with DRAIN_SIGNAL.

Without this, uvicorn closes idle connections as soon as it stops, and a client that is just sending a request on one
loses it. A client that receives `Connection: close` sends its next request on a new connection, to another worker or
node.
"""

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from multiprocessing import parent_process
from typing import Any

from ..web.health import SHUTTING_DOWN
from ..web.routes import ASGIApp

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

DRAIN_SIGNAL = signal.SIGUSR1
"""The parent sends this signal to each worker before SIGTERM when the whole server stops."""
SignalHandler = Callable[[int, Any], object]
"""The handler that was installed before. It returns False if the server continues."""
_DRAIN_PERIOD = 0.5  # seconds


class Draining:
    """An ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._is_draining, self._shutting_down = app, False, False
        self._taken_over: dict[int, SignalHandler] = {}
        self._waiting: list[int] = []
        """Signals whose drain period has not ended."""

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self._take_over_signals(asyncio.get_running_loop())
            receive = self._handing_back(receive)
        scope[SHUTTING_DOWN] = self._shutting_down
        await self._app(scope, receive, self._closing(send))

    def marking(self, app: ASGIApp) -> ASGIApp:
        """Wrap another application of this process, so that it also learns whether the server is shutting down."""

        async def marked(scope: Message, receive: Receive, send: Send) -> None:
            scope[SHUTTING_DOWN] = self._shutting_down
            await app(scope, receive, send)

        return marked

    def _take_over_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # the server runs inside another program, which handles its own signals
        if parent_process() is not None:
            signal.signal(DRAIN_SIGNAL, self._start_shutdown)
        for each in (signal.SIGTERM, signal.SIGHUP):
            stop: Any = signal.getsignal(each)
            if callable(stop):
                self._taken_over[each] = stop
                signal.signal(each, partial(self._drain, loop))

    def _start_shutdown(self, number: int, frame: object) -> None:
        self._shutting_down = True

    def _drain(self, loop: asyncio.AbstractEventLoop, number: int, frame: object) -> None:
        """Let the event loop stop the server: this handler may interrupt code that holds a lock needed for that."""
        self._is_draining = True
        self._shutting_down |= number == signal.SIGTERM and parent_process() is None
        self._waiting.append(number)
        loop.call_soon_threadsafe(loop.call_later, _DRAIN_PERIOD, self._stop_first)

    def _stop_first(self) -> None:
        if self._waiting:
            self._is_draining = self._stop(self._waiting.pop(0)) or self._shutting_down

    def _stop(self, number: int) -> bool:
        return self._taken_over[number](number, None) is not False

    def _handing_back(self, receive: Receive) -> Receive:
        """Restore the signal handlers at shutdown, and handle the waiting signals: soon the event loop will run nothing
        more, and a SIGTERM must take effect even while the server restarts."""

        async def handing_back() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                for number, stop in self._taken_over.items():
                    signal.signal(number, stop)
                while self._waiting:
                    self._stop(self._waiting.pop(0))
            return message

        return handing_back

    def _closing(self, send: Send) -> Send:
        def closing(message: Message) -> Awaitable[None]:  # without `async`, which would cost a coroutine
            if self._is_draining and message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            return send(message)

        return closing
