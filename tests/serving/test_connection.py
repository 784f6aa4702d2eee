"""One connection: how much of a head, how many headers, how slowly; by sockets, as attackers write."""

import asyncio
import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any
from unittest.mock import Mock

import pytest
import uvicorn
from uvicorn.server import ServerState

from authserver.serving import connection
from authserver.serving.connection import Connection
from authserver.serving.limit import ConnectionLimit
from tests.web.serving import wait_until

PATIENCE = 0.4  # seconds
START = b"GET /here HTTP/1.1\r\nHost: as.example\r\n"
WHOLE = START + b"\r\n"
RELEASED = threading.Event()
LARGE = b"x" * 10_000_000  # more than the kernel keeps for a client


class Impatient(Connection):
    read_timeout = PATIENCE
    write_timeout = PATIENCE
    linger_timeout = PATIENCE


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    if scope["path"] == "/unread":
        await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"no"})
        return
    while (await receive()).get("more_body"):
        pass
    if scope["path"] == "/slow":
        await asyncio.sleep(2 * PATIENCE)
    if scope["path"] == "/held":
        await asyncio.to_thread(RELEASED.wait, 60)
    body = LARGE if scope["path"] == "/large" else b"ok"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def address() -> Iterator[Any]:
    with serving(Impatient) as (_, address):
        yield address


@contextlib.contextmanager
def serving(connection: Any) -> Iterator[Any]:
    """The server and its address."""
    config = uvicorn.Config(app, http=connection, lifespan="off", log_config=None, ws="none", timeout_keep_alive=600)
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield server, listener.getsockname()
    finally:
        server.should_exit = True
        thread.join(60)
        listener.close()


@pytest.fixture
def client(address: Any) -> Iterator[Any]:
    with socket.create_connection(address, timeout=10) as client:
        yield client


def read_all(client: Any) -> Any:
    """Until the server closes the connection."""
    received = b""
    with contextlib.suppress(ConnectionResetError):  # what we wrote behind a refusal was not read any more
        while piece := client.recv(65536):
            received += piece
    return received


def answer(client: Any) -> Any:
    """Status, members of the body; None for a connection that is closed without an answer."""
    received = read_all(client)
    if not received:
        return None
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def refusal(status: Any) -> Any:
    return status, {"error": "invalid_request", "error_description": connection._SENTENCES[status]}


def write(client: Any, content: Any) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        client.sendall(content)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (START + b"X: " + b"a" * 70_000 + b"\r\n\r\n", 431),
        (START + b"".join(b"X-%d: %s\r\n" % (number, b"a" * 7_000) for number in range(10)) + b"\r\n", 431),
        (START + b"X: 1\r\n" * 1_000 + b"\r\n", 431),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00", 400),
        (START + b"X : 1\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"CONNECT as.example:443 HTTP/1.1\r\nHost: as.example:443\r\n\r\n", 400),
        (b"\r\n" + WHOLE, 400),
    ],
)
@pytest.mark.parametrize("size", [1_000_000, 1_000])
def test_what_is_too_much_or_malformed_is_refused(client: Any, content: bytes, status: int, size: int) -> None:
    for begin in range(0, len(content), size):
        write(client, content[begin : begin + size])
    assert answer(client) == refusal(status)


@pytest.mark.parametrize(("start", "status"), [(b"GET /", 414), (START + b"X: ", 431)])
def test_what_never_ends_is_refused_before_it_is_much(client: Any, start: bytes, status: int) -> None:
    write(client, start)
    for _ in range(200):
        write(client, b"a" * 1_000)
    assert answer(client) == refusal(status)


def test_after_another_request_the_same_holds(client: Any) -> None:
    write(client, WHOLE)
    assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
    write(client, START + b"X: ")
    for _ in range(200):
        write(client, b"a" * 1_000)
    assert answer(client) == refusal(431)


@pytest.mark.parametrize("whole", [1, 3])
@pytest.mark.parametrize(
    ("behind", "refused"), [(START, b"408"), (START + b"X: " + b"a" * 200_000, b"431"), (b"\x16\x03", b"400")]
)
def test_what_is_refused_overtakes_no_answer_rfc9112_9_3_2(
    client: Any, whole: int, behind: bytes, refused: bytes
) -> None:
    write(client, WHOLE.replace(b"/here", b"/slow") + (whole - 1) * WHOLE + behind)
    statuses = re.findall(rb"HTTP/1\.1 (\d{3}) ", read_all(client))
    assert statuses == [b"200"] * whole + [refused]


@pytest.mark.parametrize("begun", [START, b"GET /", WHOLE + START])
def test_a_slow_head_is_cut(client: Any, begun: bytes) -> None:
    write(client, begun)
    received = b""
    while piece := client.recv(65536):
        received += piece
    assert b"HTTP/1.1 408 " in received


def test_a_caller_that_says_nothing_is_left_alone(client: Any) -> None:
    assert client.recv(65536) == b""


def test_good_requests_follow_each_other_for_longer_than_the_timeout(client: Any) -> None:
    until = time.monotonic() + 2 * PATIENCE
    count = 0
    while time.monotonic() < until:
        write(client, START + b"Content-Length: 3\r\n\r\n")
        write(client, b"abc")
        received = b""
        while not received.endswith(b"ok"):
            received += client.recv(65536)
        count += 1
    assert received.startswith(b"HTTP/1.1 200 ") and count > 10


def test_as_much_as_is_allowed_is_served(client: Any) -> None:
    headers = b"".join(b"X-%d: %s\r\n" % (number, b"a" * 600) for number in range(98))
    write(client, START + headers + b"Connection: close\r\n\r\n")
    received = b""
    while piece := client.recv(65536):
        received += piece
    assert received.startswith(b"HTTP/1.1 200 ")


def test_a_caller_that_reads_nothing_of_a_response_is_cut_off() -> None:
    with serving(Impatient) as (server, address), socket.create_connection(address, timeout=60) as client:
        write(client, START.replace(b"/here", b"/large") + b"\r\n")
        wait_until(lambda: server.server_state.connections, 60)
        wait_until(lambda: not server.server_state.connections, 60)
        assert len(read_all(client)) < len(LARGE)


def unsent(size: Any) -> Any:
    """A connection of which that much waits to be sent, its event loop and its transport."""
    loop, transport = Mock(), Mock()
    transport.get_extra_info.return_value = None
    transport.get_write_buffer_size.return_value = size
    config = uvicorn.Config(app, lifespan="off", log_config=None)
    made = Connection(config=config, server_state=ServerState(), app_state={}, _loop=loop)
    made.connection_made(transport)
    return made, loop, transport


def test_a_caller_that_reads_slowly_gets_the_whole_response() -> None:
    made, loop, transport = unsent(100_000)
    made.pause_writing()
    for size in (99_999, 50_000, 50_001, 1):
        transport.get_write_buffer_size.return_value = size
        pass_the_time(loop)
        transport.abort.assert_not_called()
    pass_the_time(loop)  # and nothing was read
    transport.abort.assert_called_once()


def test_what_is_left_of_a_short_response_is_watched_too() -> None:
    made, loop, transport = unsent(1_000)
    made.on_response_complete()
    pass_the_time(loop)
    transport.abort.assert_called_once()


def pass_the_time(loop: Any) -> None:
    """The newest timer goes off."""
    seconds, callback, *arguments = loop.call_later.call_args.args
    assert seconds == 10
    callback(*arguments)


def request(client: Any, path: Any = b"/here") -> None:
    write(client, START.replace(b"/here", path) + b"\r\n")


def assert_answered(client: Any) -> None:
    received = b""
    while not received.endswith(b"ok"):
        received += client.recv(65536)
    assert received.startswith(b"HTTP/1.1 200 ")


def test_beyond_the_limit_the_connection_that_has_been_idle_longest_is_closed() -> None:
    connection = partial(Connection, limit=ConnectionLimit(3))
    with serving(connection) as (server, address), contextlib.ExitStack() as stack:
        clients = []
        for _ in range(3):
            clients.append(stack.enter_context(socket.create_connection(address, timeout=60)))
            request(clients[-1])
            assert_answered(clients[-1])
        request(clients[0])  # so that the second is idle longest
        assert_answered(clients[0])
        clients.append(stack.enter_context(socket.create_connection(address, timeout=60)))
        assert clients.pop(1).recv(65536) == b""
        for client in clients:
            request(client)
            assert_answered(client)
        assert len(server.server_state.connections) == 3


def test_one_whose_request_is_being_answered_is_not_closed() -> None:
    with (
        serving(partial(Connection, limit=ConnectionLimit(1))) as (server, address),
        socket.create_connection(address, timeout=60) as busy,
    ):
        request(busy, b"/held")
        wait_until(lambda: server.server_state.tasks, 60)
        with socket.create_connection(address, timeout=60) as new:
            assert new.recv(65536) == b""
        RELEASED.set()
        assert_answered(busy)


def test_connections_at_the_limit_are_logged_once_a_minute(events: list[Any]) -> None:
    limit = ConnectionLimit(1)
    for now in (5.0, 6.0, 64.0, 66.0):
        limit.enforce([Mock(last_active=now)] * 2, now)
    limit.enforce([Mock()], 200.0)
    assert [(entry["closed"], entry["limit"]) for entry in events] == [(1, 1), (3, 1)]


UNREAD = START.replace(b"/here", b"/unread") + b"Content-Length: 10000000000\r\n\r\n"
CHUNKED = START + b"Transfer-Encoding: chunked\r\n"
REST = b"x" * 3_000_000  # more than the kernel keeps of what nobody reads


@pytest.mark.parametrize(
    ("begun", "status", "end"),
    [
        (UNREAD, 413, b"no"),
        (UNREAD.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"), 413, b"no"),
        (
            START.replace(b"/here", b"/unread")
            + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\nffffffff\r\n",
            413,
            b"no",
        ),
        (START + b"X : 1\r\n\r\n", 400, b"}"),
        (CHUNKED + b"\r\nnone\r\n", 400, b"}"),
    ],
)
def test_whoever_reads_the_response_after_all_was_sent_gets_it_rfc9112_9_6(
    client: Any, begun: bytes, status: int, end: bytes
) -> None:
    client.sendall(begun)
    client.sendall(REST)
    received = b""
    while piece := client.recv(65536):  # a reset would be an error
        received += piece
    assert received.startswith(b"HTTP/1.1 %d " % status) and received.endswith(end)
    assert received.lower().count(b"connection: close") == 1


def test_a_client_that_does_not_close_after_such_a_response_is_cut() -> None:
    with serving(Impatient) as (server, address), socket.create_connection(address, timeout=60) as client:
        client.sendall(UNREAD)
        assert read_all(client).endswith(b"no")
        (left,) = server.server_state.connections
        assert left.is_idle() and not left._received
        wait_until(lambda: not server.server_state.connections, 60)


def test_a_client_that_does_not_stop_sending_after_such_a_response_is_cut() -> None:
    class Small(Connection):
        linger_timeout = 3600
        linger_limit = 1_000_000

    with serving(Small) as (server, address), socket.create_connection(address, timeout=60) as client:
        client.sendall(UNREAD)
        assert read_all(client).endswith(b"no")
        write(client, REST)
        wait_until(lambda: not server.server_state.connections, 60)


def test_beyond_the_limit_a_connection_of_such_a_response_is_closed_first() -> None:
    with (
        serving(partial(Connection, limit=ConnectionLimit(2))) as (server, address),
        socket.create_connection(address, timeout=60) as idle,
        socket.create_connection(address, timeout=60) as refused,
    ):
        request(idle)
        assert_answered(idle)
        refused.sendall(UNREAD)
        assert read_all(refused).endswith(b"no")
        lingering = next(each for each in server.server_state.connections if each.last_active < 0)
        with socket.create_connection(address, timeout=60) as new:
            for client in (new, idle):
                request(client)
                assert_answered(client)
            assert lingering not in server.server_state.connections
