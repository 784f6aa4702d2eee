"""The interface of a server that is measured, and functions for the CPU time and the cores of its processes."""

import os
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from tests.harness import procfs
from tests.harness.http_client import Response

TIMED_SERVER = (str(Path(__file__).with_name("timed_server.py")),)
_TICKS = os.sysconf("SC_CLK_TCK")


class Usage(NamedTuple):
    cpu: float
    """CPU seconds of all processes of the server."""
    signing: float | None
    """How many of them were spent in signatures; None if that is not known."""


class Raw(NamedTuple):
    """Work that a core does and nothing else: signatures or password checks."""

    rate: float
    """How many it makes in a second."""
    cpu: float
    """Microseconds of CPU for each."""


class Requests(Protocol):
    """What the connections send, as Clients does."""

    def request(self, operation: str, number: int) -> bytes | None: ...
    def take(self, operation: str, number: int, response: Response) -> None: ...
    def left(self, operation: str, number: int) -> float: ...
    def forget(self) -> None: ...


class Target(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def clients(self) -> Requests: ...

    def usage(self) -> Usage: ...

    def raw(self, kind: str, seconds: float) -> Raw:
        """Measure `signatures` or `password_checks` on the core of this server."""


def tree(pid: int) -> Iterator[int]:
    """Yield the process and its descendants, except those that end meanwhile. Raises ProcessLookupError if the process
    has ended."""
    yield pid
    for child in procfs.children(pid):
        with suppress(ProcessLookupError):
            yield from tree(child)


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of the process and its descendants. The kernel counts in hundredths of a second."""
    ticks = 0
    for each in tree(pid):
        with suppress(ProcessLookupError):
            ticks += procfs.cpu_ticks(each)
    return ticks / _TICKS


def pin(pid: int, cores: Collection[int]) -> None:
    """Pin the process and its descendants, with all their threads, to these cores."""
    for process in tree(pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            for thread in os.listdir(f"/proc/{process}/task"):
                os.sched_setaffinity(int(thread), cores)


def raw_elsewhere(kind: str, core: int, seconds: float) -> Raw:
    """Measure that work in a separate process on that core."""
    command = [sys.executable, *TIMED_SERVER, "--raw", kind, str(seconds)]
    pinned = partial(os.sched_setaffinity, 0, {core})
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, preexec_fn=pinned).stdout
    return Raw(*map(float, printed.split()))
