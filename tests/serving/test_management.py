"""The management server in one process: from the start of the public application to its end, on its own socket."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from authserver.serving import management
from authserver.serving.management import Managed, ManagementServer
from tests.harness.constants import LONG

REQUEST = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


async def numbers(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": scope["path"].encode()[:2]})


class Application:
    """The public one, and what reached it."""

    def __init__(self) -> None:
        self.asked = list[str]()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append(scope["type"])
        if scope["type"] == "lifespan":
            assert (await receive())["type"] == "lifespan.startup"
            await send({"type": "lifespan.startup.complete"})
            assert (await receive())["type"] == "lifespan.shutdown"
            await send({"type": "lifespan.shutdown.complete"})


async def ask(listener: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    writer.write(REQUEST)
    return reader, writer, await reader.readuntil(b"\r\n\r\n/m")


def test_it_serves_from_the_start_of_the_application_to_its_end(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(management, "_EVERY", 0.001)
    samples = asyncio.Event()
    counted = list[int]()

    def sample() -> None:
        counted.append(len(counted))
        if len(counted) > 2:
            samples.set()

    async def run() -> None:
        application, from_server, to_server = Application(), asyncio.Queue[Any](), asyncio.Queue[Any]()
        managed = Managed(application, ManagementServer(numbers, sample, listener))
        running = asyncio.create_task(managed({"type": "lifespan"}, from_server.get, to_server.put))
        await asyncio.sleep(0)
        assert counted == [], "nothing before the application has started"
        from_server.put_nowait({"type": "lifespan.startup"})
        assert (await to_server.get())["type"] == "lifespan.startup.complete"
        reader, writer, answer = await ask(listener)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and b"\r\ndate: " in answer and b"server:" not in answer
        await managed({"type": "http"}, from_server.get, to_server.put)
        assert application.asked == ["lifespan", "http"]
        await samples.wait()
        from_server.put_nowait({"type": "lifespan.shutdown"})
        await running
        assert to_server.get_nowait()["type"] == "lifespan.shutdown.complete"
        assert await reader.read() == b"", "the connection that was kept is closed"
        writer.close()
        so_far = len(counted)
        await asyncio.sleep(0.01)
        assert len(counted) == so_far

    asyncio.run(asyncio.wait_for(run(), LONG))
    assert listener.fileno() >= 0, "the next worker accepts on it"


def test_it_keeps_few_connections_open(listener: socket.socket) -> None:
    """Whoever reaches the address may open as many as they like: the one that is idle longest goes."""

    async def run() -> None:
        async with ManagementServer(numbers, lambda: None, listener):
            opened = [await ask(listener) for _ in range(management._CONNECTIONS + 1)]
            assert await opened[0][0].read() == b""
            for reader, writer, _ in opened[1:]:
                writer.write(REQUEST)
                assert (await reader.readuntil(b"\r\n\r\n/m")).startswith(b"HTTP/1.1 200 ")
                writer.close()
            opened[0][1].close()

    asyncio.run(asyncio.wait_for(run(), LONG))
