"""authserver serve as a process: what it says at its start, one worker and two, and how it ends."""

import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from authserver.serving import configuration
from authserver.serving.connection import Connection
from authserver.settings import Settings
from tests.harness.constants import LONG, PASSWORD
from tests.harness.existing import existing
from tests.harness.live import served
from tests.harness.process import environment_with, owned

FORM = "application/x-www-form-urlencoded"


def begin_request(server: Any, body: Any) -> Any:
    """A connection whose request has reached the application and waits there for its body."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=LONG)
    head = f"POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM}\r\nContent-Length: {len(body)}\r\n"
    connection.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
    assert connection.recv(1024).startswith(b"HTTP/1.1 100 ")  # sent when the application asks for the body
    return connection


def wait_until_refused(port: Any) -> None:
    """A connection that is neither taken nor refused fails the test: whoever makes it waits for nobody."""
    ends = time.monotonic() + LONG
    with suppress(ConnectionRefusedError, ConnectionResetError):
        while time.monotonic() < ends:
            socket.create_connection(("127.0.0.1", port), timeout=2).close()
        pytest.fail("connections are still taken")


def read_all(connection: Any) -> Any:
    answer = b""
    while part := connection.recv(65536):
        answer += part
    return answer.decode()


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_answers_what_has_begun_and_accepts_nothing_more(
    here: Path, data: Callable[..., Any], workers: int
) -> None:
    data("user", "create", "ada", "--password-stdin", input=PASSWORD)
    form = {"grant_type": "password", "client_id": "first-party", "username": "ada", "password": PASSWORD}
    body = urlencode(form).encode()
    with served(here, workers) as server:
        with begin_request(server, body) as connection:
            server.running.send_signal(signal.SIGTERM)
            wait_until_refused(server.port)
            connection.sendall(body)
            answer = read_all(connection)
        code = server.running.wait(LONG)
    assert answer.startswith("HTTP/1.1 200 "), answer
    assert '"refresh_token":"rt_' in answer
    assert code in (0, -signal.SIGTERM)


def test_two_workers_serve_and_leave_with_their_parent(here: Path) -> None:
    with served(here, 2) as server:
        while len(started := re.findall(r"Started server process \[(\d+)\]", server.log.read_text())) < 2:
            server.wait_until_ready()
        server.running.kill()
        server.running.wait(LONG)
        server.process = None
        try:
            wait_until_refused(server.port)
        finally:
            for pid in started:
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
        server.start()


def test_it_says_what_rfc9700_2_4_forbids_takes_a_free_port_and_leaves_quietly(
    here: Path, data: Callable[..., Any]
) -> None:
    data("client", "create", "Shop", "--grant", "password", "--auth-method", "none")
    command = [sys.executable, "-m", "authserver", "serve", "--port", "0"]
    streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    with owned(subprocess.Popen(command, cwd=here, env=environment_with({}), **streams)) as process:
        printed = existing(process.stderr)
        warning, serving = printed.readline(), printed.readline()
        assert "RFC 9700" in warning and "MUST NOT be used" in warning and "Shop" in warning
        url, port = existing(re.fullmatch(r"Issuer (\S+), listening on http://127.0.0.1:(\d+)\n", serving)).groups()
        assert url == "http://127.0.0.1:8000", "the issuer, whatever the port"
        with socket.create_connection(("127.0.0.1", int(port)), timeout=LONG) as connection:
            connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert read_all(connection).startswith("HTTP/1.1 200 ")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=LONG)
    assert "Traceback" not in errors


def test_an_idle_connection_is_closed_when_the_setting_says(here: Path, data: Callable[..., Any]) -> None:
    with (
        served(here, KEEP_ALIVE="1") as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection,
    ):
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_all(connection).startswith("HTTP/1.1 200 ")


@pytest.mark.parametrize("workers", [1, 2])
def test_the_settings_of_connections_reach_uvicorn(workers: int) -> None:
    config = configuration.configure(Settings(keep_alive=61, max_connections=5_000), workers)
    made = pickle.loads(pickle.dumps(config.http))  # as each worker has it
    assert (config.timeout_keep_alive, made.func, made.keywords["limit"].limit) == (61, Connection, 5_000)
    assert config.limit_concurrency is None  # which answers 503
    # A URL may contain a code, headers say what to attack, and any caller can write X-Forwarded-For.
    assert not (config.access_log or config.server_header or config.proxy_headers)


@pytest.mark.parametrize(
    ("limits", "set_to", "warnings"),
    [
        ((1024, 4096), [(1256, 4096)], 0),
        ((2000, 4096), [], 0),
        ((1024, 1100), [(1100, 1100)], 1),
        ((-1, -1), [], 0),
        ((1024, -1), [(1256, -1)], 0),
    ],
)
def test_as_many_files_may_be_open_as_the_connections_need(
    monkeypatch: pytest.MonkeyPatch, limits: Any, set_to: Any, warnings: int
) -> None:
    called = []
    monkeypatch.setattr(configuration, "getrlimit", lambda _: limits)
    monkeypatch.setattr(configuration, "setrlimit", lambda _, pair: called.append(pair))
    found = configuration.allow_open_files(1000)
    assert (called, len(found)) == (set_to, warnings)
    assert not found or "AUTHSERVER_MAX_CONNECTIONS=844" in found[0]
