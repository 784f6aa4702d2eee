"""The server as a process of its own."""

import atexit
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.error import URLError

from tests.harness import forks
from tests.harness.constants import LONG, PASSWORD
from tests.harness.process import environment_with, free_port, run

PROGRAM = ("-m", "authserver")
AnyLive = TypeVar("AnyLive", bound="Live")


class Live:
    """A server that is set up by its own commands and runs as a process of its own."""

    program: Sequence[str] = PROGRAM
    """What Python runs, with the arguments of `authserver serve`."""
    user: dict[str, Any]
    app: dict[str, Any]
    machine: dict[str, Any]
    """What the commands printed that made them."""
    stdin: int = subprocess.DEVNULL
    """Never the terminal that the tests may have: there SIGHUP ends a server."""

    def __init__(self, folder: Path, workers: int = 1, /, **settings: str) -> None:
        self.folder, self.workers, self.port = folder, workers, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = {"ISSUER": self.url} | settings
        self.log = folder / "server.log"
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *arguments: str, **options: Any) -> Any:
        """Return what the authserver command prints with --json."""
        return json.loads(run(*arguments, "--json", folder=self.folder, settings=self.settings, **options).stdout)

    def set_up(self) -> None:
        """init, the user ada, a public client `app` and a confidential `machine`. Four commands take seconds: what
        stays within the folder is copied from a folder that was set up like this before, if there is one."""
        if KEPT_ELSEWHERE & self.settings.keys():
            self._run_commands()
        else:
            done = set_up_with(frozenset((self.settings | {"ISSUER": ""}).items()))
            shutil.copytree(done.folder, self.folder, dirs_exist_ok=True)
            self.user, self.app, self.machine = done.user, done.app, done.machine

    def _run_commands(self) -> None:
        run("init", folder=self.folder, settings=self.settings)
        self.user = self.command("user", "create", "ada", "--password-stdin", input=PASSWORD)
        grants = ["--grant", "password", "--grant", "refresh_token"]
        self.app = self.command("client", "create", "App", *grants, "--scope", "read write", "--auth-method", "none")
        self.machine = self.command("client", "create", "Machine", "--grant", "client_credentials", "--scope", "read")

    def environment(self) -> dict[str, str]:
        return environment_with(self.settings)

    def launch(self, program: Sequence[str] | None = None) -> None:
        """Start the server without waiting until it is ready. `program` replaces the usual program this time."""
        self.kill()
        arguments = ["serve", "--port", str(self.port), "--workers", str(self.workers)]
        with self.log.open("ab") as log:
            self.process = self._run(program or self.program, arguments, log)

    def _run(self, program: Sequence[str], arguments: Sequence[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        environment = self.environment()
        if program == PROGRAM and self.stdin == subprocess.DEVNULL and forks.can_fork(environment):
            return forks.start(arguments, self.folder, environment, log)
        streams: dict[str, Any] = {"stdin": self.stdin, "stdout": log, "stderr": log}
        return subprocess.Popen([sys.executable, *program, *arguments], cwd=self.folder, env=environment, **streams)

    def start(self, program: Sequence[str] | None = None) -> None:
        self.launch(program)
        try:
            self.wait_until_ready()
        except BaseException:
            self.kill()
            raise

    @property
    def running(self) -> subprocess.Popen[bytes]:
        """Its first process. Fails when it was not launched."""
        assert self.process is not None, "The server does not run."
        return self.process

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def wait_until_ready(self, seconds: float = LONG) -> float:
        """Wait, and return the seconds that it took. Raises ChildProcessError as soon as the process has ended."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            try:
                with urllib.request.urlopen(f"{self.url}/health/ready", timeout=5):
                    return time.monotonic() - began
            except (URLError, OSError):
                if self.process is not None and not self.is_running:
                    raise ChildProcessError(self.log.read_text()) from None
                time.sleep(0.02)
        raise TimeoutError(self.log.read_text())

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End the process by that signal. Whatever happens, it is gone afterwards."""
        if self.process is not None:
            try:
                self.process.send_signal(number)
                self.process.wait(LONG)
            finally:
                self.kill()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(LONG)
            self.process = None


KEPT_ELSEWHERE = {"DATABASE_URL", "KEYS_DIR", "PKCS11_MODULE"}


@cache
def set_up_with(settings: frozenset[tuple[str, str]]) -> Live:
    """Set up a server that is only copied, never started."""
    folder = Path(tempfile.mkdtemp(prefix="authserver-set-up-"))
    atexit.register(shutil.rmtree, folder)
    server = Live(folder)
    server.settings = dict(settings) | {"ISSUER": server.url}
    server._run_commands()
    return server


@contextmanager
def live(folder: Path, workers: int = 1, /, **settings: str) -> Iterator[Live]:
    with up(Live(folder, workers, **settings)) as server:
        yield server


@contextmanager
def up(server: AnyLive) -> Iterator[AnyLive]:
    """A server that is set up and runs."""
    server.set_up()
    with started(server):
        yield server


@contextmanager
def started(server: AnyLive) -> Iterator[AnyLive]:
    """Run a server that is already set up."""
    server.start()
    try:
        yield server
    finally:
        server.stop()


def served(folder: Path, workers: int = 1, /, **settings: str) -> AbstractContextManager[Live]:
    """Like `live`, without the users and clients, which take a second each: `folder` is already initialised."""
    return started(Live(folder, workers, **settings))
