"""SIGTERM and SIGHUP without a lost request: for a moment every answer closes its connection, then the signal has its
effect. /health/ready says at once that this server leaves; a worker may only be replaced, and says so when told.

uvicorn closes idle connections at once when it stops, and a client that just then sends on one loses its request. Told
`Connection: close` with an answer, it opens a new connection for the next, to another worker or node.
"""

import asyncio
import signal
import threading
from collections.abc import Callable
from functools import partial
from multiprocessing import parent_process
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

LEAVES = "authserver.leaves"
"""In the scope of a request: whether no further one should be sent here."""
LEAVE = signal.SIGUSR1
"""To a worker, before SIGTERM: all of them leave."""
Stop = Callable[[int, Any], object]
"""What handled the signal before; False if the server goes on."""
_MOMENT = 0.5  # seconds


class Draining:
    """Pure ASGI, around everything else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._is_draining, self._leaves = app, False, False
        self._taken_over: dict[int, Stop] = {}
        self._waiting: list[int] = []
        """Signals whose moment is not over."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self._take_over_signals(asyncio.get_running_loop())
            receive = self._handing_back(receive)
        scope[LEAVES] = self._leaves
        await self._app(scope, receive, self._closing(send))

    def _take_over_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # a server inside another program: the signals are not ours
        if parent_process() is not None:
            signal.signal(LEAVE, self._leave)
        for each in (signal.SIGTERM, signal.SIGHUP):
            stop: Any = signal.getsignal(each)
            if callable(stop):
                self._taken_over[each] = stop
                signal.signal(each, partial(self._drain, loop))

    def _leave(self, number: int, frame: object) -> None:
        self._leaves = True

    def _drain(self, loop: asyncio.AbstractEventLoop, number: int, frame: object) -> None:
        """Leaves it to the event loop to stop: this may interrupt what holds a lock that stopping takes."""
        self._is_draining = True
        self._leaves |= number == signal.SIGTERM and parent_process() is None
        self._waiting.append(number)
        loop.call_soon_threadsafe(loop.call_later, _MOMENT, self._stop_first)

    def _stop_first(self) -> None:
        if self._waiting:
            self._is_draining = self._stop(self._waiting.pop(0)) or self._leaves

    def _stop(self, number: int) -> bool:
        return self._taken_over[number](number, None) is not False

    def _handing_back(self, receive: Receive) -> Receive:
        """SIGTERM counts, too, while the server stops to start again: soon the event loop runs nothing more for it."""

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
        async def closing(message: Message) -> None:
            if self._is_draining and message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        return closing
