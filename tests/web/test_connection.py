"""One connection: how much of a head, how many headers, how slowly; by sockets, as attackers write."""

import asyncio
import contextlib
import json
import re
import socket
import threading
import time

import pytest
import uvicorn

from authserver.web import connection
from authserver.web.connection import Connection

PATIENCE = 0.4  # seconds
START = b"GET /here HTTP/1.1\r\nHost: as.example\r\n"
WHOLE = START + b"\r\n"


class Impatient(Connection):
    read_timeout = PATIENCE


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    if scope["path"] == "/slow":
        await asyncio.sleep(2 * PATIENCE)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture(scope="module")
def address():
    server = uvicorn.Server(
        uvicorn.Config(app, http=Impatient, lifespan="off", log_config=None, ws="none", timeout_keep_alive=5)
    )
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listener.getsockname()
    server.should_exit = True
    thread.join(10)
    listener.close()


@pytest.fixture
def client(address):
    with socket.create_connection(address, timeout=10) as client:
        yield client


def read_all(client):
    """Until the server closes the connection."""
    received = b""
    with contextlib.suppress(ConnectionResetError):  # what we wrote behind a refusal was not read any more
        while piece := client.recv(65536):
            received += piece
    return received


def answer(client):
    """Status, members of the body; None for a connection that is closed without an answer."""
    received = read_all(client)
    if not received:
        return None
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def refusal(status):
    return status, {"error": "invalid_request", "error_description": connection._SENTENCES[status]}


def write(client, content):
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
def test_what_is_too_much_or_malformed_is_refused(client, content, status, size):
    for begin in range(0, len(content), size):
        write(client, content[begin : begin + size])
    assert answer(client) == refusal(status)


@pytest.mark.parametrize(("start", "status"), [(b"GET /", 414), (START + b"X: ", 431)])
def test_what_never_ends_is_refused_before_it_is_much(client, start, status):
    write(client, start)
    for _ in range(200):
        write(client, b"a" * 1_000)
    assert answer(client) == refusal(status)


def test_after_another_request_the_same_holds(client):
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
def test_what_is_refused_overtakes_no_answer_rfc9112_9_3_2(client, whole, behind, refused):
    write(client, WHOLE.replace(b"/here", b"/slow") + (whole - 1) * WHOLE + behind)
    statuses = re.findall(rb"HTTP/1\.1 (\d{3}) ", read_all(client))
    assert statuses == [b"200"] * whole + [refused]


@pytest.mark.parametrize("begun", [START, b"GET /", WHOLE + START])
def test_a_slow_head_is_cut(client, begun):
    write(client, begun)
    received = b""
    while piece := client.recv(65536):
        received += piece
    assert b"HTTP/1.1 408 " in received


def test_who_says_nothing_is_left(client):
    assert client.recv(65536) == b""


def test_good_requests_go_on_one_after_the_other_beyond_the_patience(client):
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


def test_as_much_as_is_allowed_is_served(client):
    headers = b"".join(b"X-%d: %s\r\n" % (number, b"a" * 600) for number in range(98))
    write(client, START + headers + b"Connection: close\r\n\r\n")
    received = b""
    while piece := client.recv(65536):
        received += piece
    assert received.startswith(b"HTTP/1.1 200 ")
