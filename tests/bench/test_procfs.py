"""What measurements read of a process that has ended is an error, never 0 bytes and no workers."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness import procfs
from tests.harness.constants import LONG

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")


@pytest.mark.parametrize("read", [procfs.memory, procfs.children, procfs.workers])
def test_a_process_that_has_ended_is_an_error(read: Callable[[int], object]) -> None:
    with subprocess.Popen(["true"]) as process:
        until = time.monotonic() + LONG
        while procfs.lives(process.pid):
            assert time.monotonic() < until
            time.sleep(0.01)
        with pytest.raises(ProcessLookupError):  # a zombie, which /proc still lists, with 0 pages
            read(process.pid)
    with pytest.raises(ProcessLookupError):
        read(process.pid)


def test_one_that_runs_has_memory_and_is_its_parents_child() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        assert procfs.memory(os.getpid()) > 2**20
        assert process.pid in procfs.children(os.getpid())
