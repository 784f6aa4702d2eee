"""How much memory one connection can take: long heads, bodies and pipelines against a process, measured in /proc."""

import contextlib
import select
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from authserver.serving.connection import Connection
from tests.harness.live import Live

STATUS = Path("/proc/self/status")
MIB = 1024 * 1024
NOISE = 6 * MIB  # what the allocator and a first request take
pytestmark = pytest.mark.skipif(not STATUS.exists(), reason="no /proc")
GET = b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: as.example\r\n\r\n"
CHUNKED = b"POST /token HTTP/1.1\r\nHost: as.example\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def server(real: Live) -> Any:
    with connect(real) as client:  # so that all of its code is loaded
        write(client, GET * 100, reads=True)
    return real


def connect(server: Any) -> Any:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # so that what is unread stays with the server
    client.connect(("127.0.0.1", server.port))
    return client


def write(client: Any, content: Any, reads: Any = False, seconds: Any = 4) -> Any:
    """As much as the server takes in that time, or until it takes nothing for a second; how much that was."""
    client.setblocking(False)
    written, deadline = 0, time.monotonic() + seconds
    with contextlib.suppress(ConnectionError):
        while written < len(content) and time.monotonic() < deadline:
            readable, writable, _ = select.select([client] if reads else [], [client], [], 1)
            if readable:
                client.recv(1 << 20)
            if writable:
                written += client.send(content[written : written + 65_536])
            if not readable and not writable:
                break
    return written


def resident(server: Any) -> Any:
    """Bytes of memory that the process has."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("reads", [False, True])
def test_20_mb_of_pipelined_requests_take_no_memory(server: Any, reads: bool) -> None:
    before, content = resident(server), GET * (20 * MIB // len(GET))
    with connect(server) as client:
        written = write(client, content, reads)
        assert resident(server) - before < NOISE
    assert written < 10 * MIB or reads


@pytest.mark.parametrize("line", [b"X: " + b"a" * 1_000 + b"\r\n", b"a" * 1_000, b"X: a\r\n"])
def test_an_endless_trailer_takes_no_memory(server: Any, line: bytes) -> None:
    before = resident(server)
    with connect(server) as client:
        written = write(client, CHUNKED + b"0\r\n" + line * (40 * MIB // len(line)))
        assert resident(server) - before < NOISE
    # The server discards so much of it, and the kernel takes some more.
    assert written < Connection.linger_limit + 8 * MIB


def test_60_clients_that_never_read(server: Any) -> None:
    before = resident(server)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(server)) for _ in range(60)]
        for client in clients:
            write(client, GET * 1_000, seconds=0.1)
        with connect(server) as another:
            write(another, GET * 10, reads=True)
        assert resident(server) - before < 60 * 256 * 1024 + NOISE
