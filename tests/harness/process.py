"""Processes that a test starts: the authserver command and others, and the ports that they listen on."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.harness import forks
from tests.harness.constants import LONG


def free_port() -> int:
    """Return a free port outside the range that the kernel uses for connections: another test's connection could take
    such a port before the server listens."""
    while True:
        port = 12_000 + secrets.randbelow(20_000)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def run(
    *arguments: str, folder: Path, settings: dict[str, str] | None = None, input: str | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run the authserver command in `folder`. `settings` are environment variables without their prefix: ISSUER."""
    environment = environment_with(settings or {})
    if forks.can_fork(environment):
        done = forks.run(arguments, folder, environment, input or "")
    else:
        command = [sys.executable, "-m", "authserver", *arguments]
        done = subprocess.run(
            command, cwd=folder, env=environment, input=input, capture_output=True, text=True, timeout=LONG
        )
    if check:
        done.check_returncode()
    return done


def environment_with(settings: dict[str, str]) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AUTHSERVER_")}
    return clean | {f"AUTHSERVER_{name}": value for name, value in settings.items()}


def wait_until_listening(port: int, process: "subprocess.Popen[Any]", log: Path) -> None:
    """Wait until the process accepts connections. Fails with its log if it ends, or takes longer than LONG."""
    deadline = time.monotonic() + LONG
    while True:
        with socket.socket() as caller:
            if caller.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)


@contextmanager
def ended(process: "subprocess.Popen[Any]") -> Iterator["subprocess.Popen[Any]"]:
    """Like `owned`, but by SIGTERM first, so that the process can end its children."""
    with owned(process):
        try:
            yield process
        finally:
            process.terminate()
            process.wait(LONG)


@contextmanager
def owned(process: "subprocess.Popen[Any]") -> Iterator["subprocess.Popen[Any]"]:
    """End the process and wait for it, whatever happens: one left to the garbage collector would fail another test."""
    with process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def owned_group(process: "subprocess.Popen[Any]", number: int = signal.SIGTERM) -> Iterator["subprocess.Popen[Any]"]:
    """Like `owned`, including all child processes. The process must lead its group: `start_new_session=True`."""
    try:
        yield process
    finally:
        end_group(process, number)


def end_group(process: "subprocess.Popen[Any]", number: int = signal.SIGTERM) -> None:
    """End the process and its group by that signal, and kill any that remain."""
    try:
        _signal_group(process, number)
        process.wait(LONG)
    finally:
        _signal_group(process, signal.SIGKILL)
        process.wait(LONG)
        for pipe in filter(None, (process.stdin, process.stdout, process.stderr)):
            with suppress(BrokenPipeError):
                pipe.close()


def _signal_group(process: "subprocess.Popen[Any]", number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
