"""SIGTERM and SIGHUP: what is under way is answered, who would send more is told, and the settings are read again."""

import http.client
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from authserver.cli import serve
from authserver.settings import Settings
from tests.harness import procfs
from tests.harness.constants import LONG
from tests.harness.live import Live, served, started

READ_AGAIN = '"event": "reloaded"'
GET = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"


def ask(server: Any, path: Any) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=LONG)
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def wait_until(true: Any) -> None:
    ends = time.monotonic() + LONG
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.02)


def is_refused(port: Any) -> Any:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except (ConnectionRefusedError, ConnectionResetError):
        return True
    return False


def max_age(server: Any) -> Any:
    return ask(server, "/.well-known/jwks.json").getheader("Cache-Control")


def test_a_caller_that_connected_before_it_stopped_is_answered_after(here: Path) -> None:
    with served(here) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=LONG) as connection:
            server.running.send_signal(signal.SIGTERM)
            wait_until(lambda: is_refused(server.port))
            connection.sendall(GET)
            answer = connection.recv(65536)
        server.running.wait(LONG)
    assert answer.startswith(b"HTTP/1.1 200 ") and b"connection: close" in answer


@pytest.mark.parametrize("workers", [1, 2])
def test_readiness_says_that_it_leaves(here: Path, workers: int) -> None:
    with served(here, workers) as server:
        server.running.send_signal(signal.SIGTERM)
        wait_until(lambda: ask(server, "/health/ready").status == 503)


@pytest.mark.parametrize("workers", [1, 2])
def test_sighup_reads_the_settings_again(here: Path, workers: int) -> None:
    with served(here, workers) as server:
        assert "max-age=300" in max_age(server)
        (here / "authserver.toml").write_text("jwks_max_age = 77\n")
        server.running.send_signal(signal.SIGHUP)
        wait_until(lambda: "max-age=77" in max_age(server))
        assert ask(server, "/health/ready").status == 200


def logged(server: Live) -> list[Any]:
    return [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]


@pytest.mark.parametrize("workers", [1, 2])
def test_sighup_with_settings_that_would_not_do_changes_nothing(here: Path, workers: int) -> None:
    with served(here, workers) as server:
        (here / "authserver.toml").write_text("jwks_max_age = 77\nlog_level = 'nonsense'\n")
        server.running.send_signal(signal.SIGHUP)
        wait_until(lambda: '"event": "reload_failed"' in server.log.read_text())
        (event,) = [event for event in logged(server) if event["event"] == "reload_failed"]
        assert event["level"] == "error" and "AUTHSERVER_LOG_LEVEL" in event["reason"]
        assert "max-age=300" in max_age(server)
        wait_until(lambda: ask(server, "/health/live").getheader("connection") is None)


@pytest.mark.parametrize("ends", ["reads", "stops"])
def test_sighup_is_never_lost_and_never_reads_in_the_middle_of_something(ends: str) -> None:
    program = [sys.executable, str(Path(__file__).with_name("hung_up.py")), ends]
    ran = subprocess.run(program, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert ran.stdout.splitlines() == [
        *("SIGHUP while it starts", "read again"),
        *("SIGHUP while it serves", "SIGHUP while it still serves", "read again"),
        *("SIGHUP while it reads", "read again"),
        *("SIGHUP while it stops", "read again"),
        *("SIGHUP while it serves", "read again", f"SIGTERM while it {ends}"),
    ], ran.stderr
    assert ran.returncode == -signal.SIGTERM


HUNG_UP_AT_ITS_START = """
import os, signal
from authserver.cli import main, serve

load, serve.load = serve.load, lambda: os.kill(os.getpid(), signal.SIGHUP) or again()

def again():
    serve.load = load
    return load()

main()
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_sighup_while_the_command_starts_is_not_lost(here: Path, workers: int) -> None:
    server = Live(here, workers)
    server.program = ("-c", HUNG_UP_AT_ITS_START)
    with started(server):
        wait_until(lambda: READ_AGAIN in server.log.read_text())
        assert server.is_running


def test_sighup_to_all_processes_ends_none_but_by_replacing_it(here: Path) -> None:
    """As `pkill -HUP` does, and a service manager that signals a whole group."""
    with served(here, 2) as server:
        first, workers = server.running.pid, procfs.workers(server.running.pid)
        for pid in workers:
            os.kill(pid, signal.SIGHUP)
        assert [is_sighup_held(pid) for pid in workers] == [True, True]
        os.kill(first, signal.SIGHUP)
        wait_until(lambda: not any(map(procfs.lives, workers)))
        wait_until(lambda: len(procfs.workers(first)) == 2)
        assert "died" not in server.log.read_text()


def is_sighup_held(pid: Any) -> Any:
    """Whether the process has it, and it waits. Neither, and it has ended."""
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(status.get("ShdPnd", "0"), 16) & 1 << signal.SIGHUP - 1)


@pytest.fixture
def signals_have_effect() -> Iterator[None]:
    """Processes begin with this process's signals, which ignores SIGHUP if it was started with nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("workers", [1, 2])
def test_it_ends_with_its_terminal(here: Path, workers: int, signals_have_effect: None) -> None:
    terminal, server = pty.openpty(), Live(here, workers)
    server.stdin = terminal[1]
    with started(server):
        pids = [server.running.pid, *procfs.workers(server.running.pid)]
        server.running.send_signal(signal.SIGHUP)
        wait_until(lambda: not any(map(procfs.lives, pids)))
    for each in terminal:
        os.close(each)


def test_it_keeps_serving_whatever_goes_wrong_with_a_reload(monkeypatch: pytest.MonkeyPatch, events: list[Any]) -> None:
    def fail() -> None:
        raise OSError("too many open files")

    monkeypatch.setattr(serve, "load", fail)
    assert serve._reload_config(Settings(), 1, None) is None
    assert events == [{"event": "reload_failed", "log_level": "error", "reason": "too many open files"}]
