"""One node of the server as a real process with its workers, and all the ways to end it."""

import os
import random
import signal
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

from tests.harness import procfs
from tests.harness.constants import LONG
from tests.harness.live import Live


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
        """The id of the first process; its workers are its children."""
        return self.running.pid

    def restart(self) -> None:
        """Stop the node, draining it, and start it again."""
        self.stop()
        self.start()

    def send_sighup(self) -> None:
        """Send SIGHUP: if there are several workers, each is replaced by a new one."""
        os.kill(self.pid, signal.SIGHUP)

    def worker_pids(self) -> list[int]:
        """Return the ids of the workers; none if there is only the first process. Raises ProcessLookupError if that has
        ended."""
        return procfs.workers(self.pid)

    def kill_worker(self) -> None:
        """Kill one worker by SIGKILL, if one has been started yet."""
        if workers := self.worker_pids():
            _kill(random.choice(workers))

    def kill(self) -> None:
        """Kill every process at once by SIGKILL, as when the machine is switched off."""
        if self.process is not None:
            for pid in self._kill_first():
                _kill(pid)

    def kill_first_process(self) -> bool:
        """Kill only the first process by SIGKILL. Returns whether its workers ended with it."""
        workers, until = self._kill_first(), monotonic() + LONG
        while (running := [pid for pid in workers if procfs.lives(pid)]) and monotonic() < until:
            sleep(0.02)
        for pid in running:
            _kill(pid)
        return not running

    def environment(self) -> dict[str, str]:
        return super().environment() | ({"PYTHONPATH": str(self.package)} if self.package else {})

    def _kill_first(self) -> list[int]:
        """Returns the workers that it leaves behind; stopped before they are counted, it starts no more of them."""
        self.running.send_signal(signal.SIGSTOP)
        workers = self.worker_pids() if self.workers > 1 and self.is_running else []
        super().kill()
        return workers


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
