"""A load balancer: it sends requests to nodes that are ready, over kept-alive connections, and tries another node if a
new connection is refused. It retries nothing else: a refresh may have been done although its response was lost.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic

from tests.harness.http_client import Connection, Response, connect, get

_LOOK = 0.1  # seconds between two looks at a node
_LOOK_TIMEOUT = 5
_ANSWER_TIMEOUT = 30
_IDLE = 2  # seconds; the server closes a connection that is idle for 5
_READY = get("/health/ready").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


class Lost(ConnectionError):
    """A request got no response. The text says why."""


class Node:
    """One node as the balancer sees it."""

    def __init__(self, port: int) -> None:
        self.port, self.is_ready = port, False
        self._kept: deque[tuple[Connection, float]] = deque()

    async def watch(self) -> None:
        """Check the nodes until cancelled."""
        while True:
            self.is_ready = await self.look()
            if not self.is_ready:
                self.drop()
            await asyncio.sleep(_LOOK)

    async def look(self) -> bool:
        """Check whether the node is ready."""
        with suppress(OSError):  # TimeoutError, too
            async with asyncio.timeout(_LOOK_TIMEOUT):
                connection = await connect(self.port)
                try:
                    return (await connection.ask(_READY)).status == 200
                finally:
                    connection.close()
        return False

    async def ask(self, request: bytes) -> Response:
        """Send a request. Raises ConnectionRefusedError if nothing was sent, and Lost if something was."""
        connection = self._take() or await connect(self.port)
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT):
                answer = await connection.ask(request)
        except OSError as error:  # TimeoutError, too
            connection.close()
            raise Lost(f"{str(error) or 'no answer'} at port {self.port}") from error
        except BaseException:
            connection.close()
            raise
        self._keep(connection, answer)
        return answer

    def _take(self) -> Connection | None:
        """Take the connection that was unused for the longest time, so that each is used often."""
        while self._kept:
            connection, since = self._kept.popleft()
            if connection.is_open and monotonic() - since < _IDLE:
                return connection
            connection.close()
        return None

    def _keep(self, connection: Connection, answer: Response) -> None:
        if answer.has("connection: close"):
            connection.close()
        else:
            self._kept.append((connection, monotonic()))

    def drop(self) -> None:
        """Drop the idle connections."""
        while self._kept:
            self._kept.popleft()[0].close()


class Balancer:
    """`async with Balancer(ports) as balancer`: at this point, the nodes have been checked."""

    def __init__(self, ports: Sequence[int]) -> None:
        self.nodes = deque(map(Node, ports))
        self._watching: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Balancer":
        for node in self.nodes:
            node.is_ready = await node.look()
        self._watching = [asyncio.create_task(node.watch()) for node in self.nodes]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        for node in self.nodes:
            node.drop()

    async def ask(self, request: bytes) -> Response:
        """Send a request to a ready node. Raises Lost."""
        self.nodes.rotate()
        for node in [node for node in self.nodes if node.is_ready]:
            try:
                return await node.ask(request)
            except ConnectionRefusedError:
                node.is_ready = False  # until the next look
        raise Lost("no node is ready")
