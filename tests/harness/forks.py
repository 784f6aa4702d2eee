"""The authserver command as a process of its own, started by forking one that has imported everything: a new
interpreter takes ten times as long, and most tests of commands and servers are not about that."""

import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from tests.harness.constants import LONG

_SERVER = Path(__file__).with_name("fork_server.py")
_ROOT = Path(__file__).parents[2]
_COMMAND = """#!{python} -IS
import sys

sys.path.insert(0, {root!r})
from tests.harness import forks

forks.command({address!r})
"""
_READ_AT_START = ("COVERAGE_", "LANG", "LC_", "LD_", "PYTHON", "SSL_")
"""How the variables' names begin that a process reads only when it starts."""


class Forked(subprocess.Popen[bytes]):
    """Runs `authserver` with these arguments. Its streams are open files; it has no pipes."""

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        environment: dict[str, str],
        streams: Sequence[int],
        *,
        installed_at: str | None = None,
    ) -> None:
        """As `python -m authserver`, or as the installed command if the socket of the process to fork is given."""
        self.args, self.returncode = arguments, None
        self.stdin = self.stdout = self.stderr = None
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._connection.connect(installed_at or _server())
        request = {
            "arguments": arguments,
            "folder": str(folder),
            "environment": environment,
            "installed": bool(installed_at),
        }
        socket.send_fds(self._connection, [json.dumps(request).encode()], list(streams))
        self.pid = int(self._connection.recv(32))

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                self.returncode = int(self._connection.recv(32))
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            self._connection.close()
        return self.returncode

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def can_fork(environment: dict[str, str]) -> bool:
    """Whether a new interpreter with this environment would be like the one that is forked."""
    return _read_at_start(environment) == _read_at_start(dict(os.environ))


def start(
    arguments: Sequence[str], folder: Path, environment: dict[str, str], log: IO[bytes]
) -> subprocess.Popen[bytes]:
    """Start the command without input. What it prints is added to `log`."""
    with open(os.devnull) as nothing:
        return Forked(arguments, folder, environment, [nothing.fileno(), log.fileno(), log.fileno()])


def run(
    arguments: Sequence[str], folder: Path, environment: dict[str, str], input: str
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, which takes at most LONG."""
    with TemporaryFile("w+") as stdin, TemporaryFile("w+") as stdout, TemporaryFile("w+") as stderr:
        stdin.write(input)
        stdin.seek(0)
        with Forked(arguments, folder, environment, [each.fileno() for each in (stdin, stdout, stderr)]) as process:
            code = process.wait(LONG)
        stdout.seek(0)
        stderr.seek(0)
        return subprocess.CompletedProcess(arguments, code, stdout.read(), stderr.read())


def install_command(folder: Path) -> None:
    """Create the program `authserver` in `folder`, for a shell's PATH. It has itself forked, and passes signals on."""
    file = folder / "authserver"
    file.write_text(_COMMAND.format(python=sys.executable, root=str(_ROOT), address=_server()))
    file.chmod(0o755)


def command(address: str) -> None:
    """What that program does."""
    process = Forked(sys.argv[1:], Path.cwd(), dict(os.environ), [0, 1, 2], installed_at=address)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: process.send_signal(number))
    code = process.wait()
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


def _read_at_start(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_READ_AT_START)}


@cache
def _server() -> str:
    """Start the process that is forked. It ends with this one."""
    folder = tempfile.mkdtemp(prefix="authserver-forks-")
    atexit.register(shutil.rmtree, folder)
    path, log = f"{folder}/socket", Path(folder, "log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", _SERVER, path],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    atexit.register(process.communicate)
    deadline = time.monotonic() + LONG
    while not Path(path).exists():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)
    return path
