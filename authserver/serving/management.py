"""Serves the management address in each worker, in addition to the public one.

The first process opens the listening socket, and every worker accepts connections from it, as with the public one. Any
worker can answer for all: the numbers are in memory that they share (observability/sheet.py).
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from types import TracebackType

from uvicorn import Config
from uvicorn.server import ServerState

from ..observability.sheet import Sheet
from ..web.routes import ASGIApp
from .connection import Connection
from .draining import Message, Receive, Send
from .limit import ConnectionLimit

_CONNECTIONS = 20
_KEEP_ALIVE = 75  # seconds; Prometheus keeps its connection between two scrapes
_EVERY = 1.0  # seconds between two samples


@dataclass(frozen=True, slots=True)
class Management:
    """What every worker is given. Reloading the settings changes neither."""

    listener: socket.socket
    sheet: Sheet


class ManagementServer:
    """An asynchronous context manager that serves while it is open."""

    def __init__(self, app: ASGIApp, sample: Callable[[], None], listener: socket.socket) -> None:
        """`sample` is called every second."""
        self._sample, self._listener = sample, listener
        self._config = Config(
            app,
            http=Connection,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            ws="none",
            lifespan="off",
            timeout_keep_alive=_KEEP_ALIVE,
        )
        self._state, self._limit = ServerState(), ConnectionLimit(_CONNECTIONS)

    async def __aenter__(self) -> None:
        self._config.load()
        self._tick()
        self._ticking = asyncio.create_task(self._tick_forever())
        new_connection = partial(Connection, self._config, self._state, {}, limit=self._limit)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(new_connection, sock=self._listener.dup())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        self._ticking.cancel()
        with suppress(asyncio.CancelledError):
            await self._ticking

    async def _tick_forever(self) -> None:
        while True:
            await asyncio.sleep(_EVERY)
            self._tick()

    def _tick(self) -> None:
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        self._sample()


class Managed:
    """An ASGI middleware around the public application: the management server runs from its start to its end."""

    def __init__(self, app: ASGIApp, server: ManagementServer) -> None:
        self._app, self._server = app, server

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        async with AsyncExitStack() as serving:
            await self._app(scope, _stopping(receive, serving), self._starting(send, serving))

    def _starting(self, send: Send, serving: AsyncExitStack) -> Send:
        async def starting(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                await serving.enter_async_context(self._server)
            await send(message)

        return starting


def _stopping(receive: Receive, serving: AsyncExitStack) -> Receive:
    async def stopping() -> Message:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            await serving.aclose()
        return message

    return stopping
