"""SIGTERM and SIGHUP: what is under way is answered, who would send more is told, and the settings are read again."""

import http.client
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import Live

GET = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextmanager
def served(folder, workers=1):
    server = Live(folder, workers)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def ask(server, path):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def wait_until(true):
    ends = time.monotonic() + 60
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.02)


def is_refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except (ConnectionRefusedError, ConnectionResetError):
        return True
    return False


def max_age(server):
    return ask(server, "/.well-known/jwks.json").getheader("Cache-Control")


def test_who_connected_before_it_stopped_is_answered_after(here):
    with served(here) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: is_refused(server.port))
            connection.sendall(GET)
            answer = connection.recv(65536)
        server.process.wait(20)
        server.process = None
    assert answer.startswith(b"HTTP/1.1 200 ") and b"connection: close" in answer


@pytest.mark.parametrize("workers", [1, 2])
def test_readiness_says_that_it_leaves(here, workers):
    with served(here, workers) as server:
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: ask(server, "/health/ready").status == 503)


@pytest.mark.parametrize("workers", [1, 2])
def test_sighup_reads_the_settings_again(here, workers):
    with served(here, workers) as server:
        assert "max-age=300" in max_age(server)
        (here / "authserver.toml").write_text("jwks_max_age = 77\n")
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "max-age=77" in max_age(server))
        assert ask(server, "/health/ready").status == 200


def test_sighup_with_settings_that_would_not_do_changes_nothing(here):
    with served(here) as server:
        (here / "authserver.toml").write_text("jwks_max_age = 77\nlog_level = 'nonsense'\n")
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "SIGHUP changed nothing" in server.log.read_text())
        assert "max-age=300" in max_age(server)
        wait_until(lambda: ask(server, "/health/live").getheader("connection") is None)


def test_sighup_is_never_lost_and_never_reads_in_the_middle_of_something():
    program = [sys.executable, str(Path(__file__).with_name("hung_up.py"))]
    ran = subprocess.run(program, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert ran.stdout.splitlines() == [
        *("SIGHUP while it starts", "read again"),
        *("SIGHUP while it serves", "SIGHUP while it still serves", "read again"),
        *("SIGHUP while it reads", "read again"),
        *("SIGHUP while it stops", "read again"),
    ], ran.stderr
    assert ran.returncode == -signal.SIGTERM
