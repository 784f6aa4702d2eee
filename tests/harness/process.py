"""Processes that a test starts: the authserver command and others, and the ports that they listen on."""

import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.harness.constants import LONG


def free_port() -> int:
    """Not one that the kernel gives to connections: another test's would have taken it before the server listens."""
    while True:
        port = 12_000 + secrets.randbelow(20_000)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def run(*arguments: str, folder: Path, input: str | None = None, check: bool = True, **environment: str) -> Any:
    """The authserver command in `folder`; environment variables without their prefix: ISSUER=..."""
    return subprocess.run(
        [sys.executable, "-m", "authserver", *arguments],
        cwd=folder,
        env=environment_with(environment),
        input=input,
        capture_output=True,
        text=True,
        check=check,
        timeout=LONG,
    )


def environment_with(settings: dict[str, str]) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AUTHSERVER_")}
    return clean | {f"AUTHSERVER_{name}": value for name, value in settings.items()}


@contextmanager
def owned(process: "subprocess.Popen[Any]") -> Iterator["subprocess.Popen[Any]"]:
    """Whatever happens it ends, and is waited for: one that is left to the garbage collector fails another test."""
    with process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def owned_group(process: "subprocess.Popen[Any]", number: int = signal.SIGTERM) -> Iterator["subprocess.Popen[Any]"]:
    """As `owned`, with all that the process starts; it must lead its group: `start_new_session=True`."""
    try:
        yield process
    finally:
        end_group(process, number)


def end_group(process: "subprocess.Popen[Any]", number: int = signal.SIGTERM) -> None:
    """Ends the process and its group by that signal. What is left after that, or will not end, is killed."""
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
