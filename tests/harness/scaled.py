"""A server, and commands on its database, on a clock that runs faster than time."""

import asyncio
import json
import signal
import subprocess
import sys
import tempfile
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any

from tests.harness.live import Live
from tests.harness.mutants import Mutant
from tests.harness.process import free_port
from tests.harness.scaled_clock import VARIABLE, Clock

_PROGRAM = ("-P", str(Path(__file__).with_name("scaled_command.py")))


class ScaledServer(Live):
    """A server that is set up by real time, and then runs by its own clock, with a fault if one was planted."""

    program = _PROGRAM
    clock: Clock
    planted: Path | None = None

    def plant(self, fault: Mutant) -> None:
        """Plant a fault, from the next start on. Fails if the fault no longer fits the code."""
        self.planted = Path(tempfile.mkdtemp(dir=self.folder))
        fault.put_into(self.planted)

    def twin(self) -> "ScaledServer":
        """Start another process on the same database, with the same issuer."""
        other = copy(self)
        other.port, other.process = free_port(), None
        other.url = f"http://127.0.0.1:{other.port}"
        return other

    async def run(self, *arguments: str) -> str:
        """Return what the command prints, by the server's clock. Raises RuntimeError with its error message."""
        pipe = subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, *_PROGRAM, *arguments, cwd=self.folder, env=self.environment(), stdout=pipe, stderr=pipe
        )
        try:
            printed, complaint = await process.communicate()
        finally:
            if process.returncode is None:  # given up while it runs
                process.kill()
                await process.wait()
        if process.returncode:
            raise RuntimeError(complaint.decode())
        return printed.decode()

    def environment(self) -> dict[str, str]:
        own = {"PYTHONPATH": str(self.planted)} if self.planted else {}
        return super().environment() | own | {VARIABLE: str(self.clock)}


@contextmanager
def set_up(scale: float, **settings: str) -> Iterator[ScaledServer]:
    """Set up a server in a folder of its own. Whatever happens, none of its processes is left afterwards."""
    with tempfile.TemporaryDirectory(prefix="authserver-bench-") as folder:
        server = ScaledServer(Path(folder), LOG_LEVEL="warning", **settings)
        server.set_up()
        server.clock = Clock.begin(scale)
        try:
            yield server
        finally:
            server.stop(signal.SIGKILL)


def part(token: str, place: int) -> Any:
    """Return a part of a JWT: the header (0) or the claims (1)."""
    return json.loads(urlsafe_b64decode(token.split(".")[place] + "=="))
