"""One node of the server as a real process, with its workers, and all the ways to end it."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

from tests.support import Live, environment_with


class Node(Live):
    """`authserver serve` on a port of its own.

    `settings` are the environment of the next start, without their prefix. A node that is started again keeps its port
    and its log. From Live: `port`, `url`, `log` (a path), `command(...)`, `wait_until_ready()`, and `stop()`, which
    drains.
    """

    def __init__(self, folder: Path, number: int = 0) -> None:
        super().__init__(folder)
        self.log = folder / f"node-{number}.log"
        self.log.touch()
        self.package: Path | None = None
        """A folder with another `authserver` in it, to run instead of the project's."""

    @property
    def pid(self) -> int:
        """Of the first process; its workers are its children."""
        assert self.process is not None, "The node does not run."
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def launch(self, program: Sequence[str] = ("-m", "authserver")) -> None:
        """Not waiting until it is ready. `program` is what Python runs with the arguments of `authserver serve`."""
        command = [sys.executable, *program, "serve", "--port", str(self.port), "--workers", str(self.workers)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, env=self.environment(), stdout=log, stderr=log)

    def start(self, program: Sequence[str] = ("-m", "authserver")) -> None:
        self.launch(program)
        self.wait_until_ready()

    def wait_until_ready(self, seconds: float = 30) -> float:
        """Seconds that it took. Raises ChildProcessError as soon as the process has ended."""
        began = monotonic()
        while monotonic() - began < seconds:
            with suppress(TimeoutError):
                super().wait_until_ready(0.2)
                return monotonic() - began
            if not self.is_running:
                raise ChildProcessError(self.log.read_text())
        raise TimeoutError(self.log.read_text())

    def restart(self) -> None:
        """Drains, then starts."""
        self.stop()
        self.start()

    def hang_up(self) -> None:
        """SIGHUP: with several workers, each is replaced by a new one."""
        os.kill(self.pid, signal.SIGHUP)

    def worker_pids(self) -> list[int]:
        """None when the first process is the only one."""
        found = [line.split(None, 2) for line in _ps("-A", "-ww", "-o", "pid=,ppid=,args=")]  # -ww: whole lines
        return [int(pid) for pid, parent, line in found if int(parent) == self.pid and "spawn_main" in line]

    def kill_worker(self) -> None:
        """kill -9 of one worker, if one has been started yet."""
        if workers := self.worker_pids():
            _kill(random.choice(workers))

    def kill(self) -> None:
        """kill -9 of every process at once, as when the machine is switched off."""
        if self.process is not None:
            for pid in self._kill_first():
                _kill(pid)

    def kill_first_process(self) -> bool:
        """kill -9 of the first process, and of no other. Whether its workers left with it, in 10 s."""
        workers, until = self._kill_first(), monotonic() + 10
        while (living := [pid for pid in workers if _lives(pid)]) and monotonic() < until:
            sleep(0.02)
        for pid in living:
            _kill(pid)
        return not living

    def environment(self) -> dict[str, str]:
        own = {"PYTHONPATH": str(self.package)} if self.package else {}
        return environment_with(self.settings) | own

    def _kill_first(self) -> list[int]:
        """Returns the workers that it leaves behind; stopped before they are counted, it starts no more of them."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        workers = self.worker_pids() if self.workers > 1 else []
        self.process.kill()
        self.process.wait(30)
        self.process = None
        return workers


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _lives(pid: int) -> bool:
    """A zombie does not: it only waits for somebody to read how it ended."""
    return any(not state.startswith("Z") for state in _ps("-o", "stat=", "-p", str(pid)))


def _ps(*arguments: str) -> list[str]:
    return subprocess.run(["ps", *arguments], capture_output=True, text=True).stdout.splitlines()
