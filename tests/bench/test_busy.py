"""scripts/bench/busy.py: the command's exit code is its own, and what burns ends with it."""

import subprocess
import sys
import time

from scripts.bench import busy
from tests.harness import procfs
from tests.harness.constants import LONG
from tests.harness.existing import existing

BUSY = [sys.executable, busy.__file__, "--burners", "1", "--", sys.executable, "-c"]


def test_its_exit_code_is_the_commands() -> None:
    assert subprocess.run([*BUSY, "raise SystemExit(3)"], timeout=LONG).returncode == 3
    assert subprocess.run([*BUSY, "import os; os.kill(os.getpid(), 9)"], timeout=LONG).returncode == 137


def test_what_burns_ends_with_it_when_it_is_killed() -> None:
    """The command's own parent is asked who burns: it is the other child."""
    with subprocess.Popen([*BUSY, "print(flush=True); input()"], stdin=-1, stdout=-1) as process:
        existing(process.stdout).readline()
        burners = [pid for pid in procfs.children(process.pid) if procfs.runs(pid, b"getppid")]
        process.kill()
        process.wait(LONG)
        until = time.monotonic() + LONG
        while any(map(procfs.lives, burners)):
            assert time.monotonic() < until
            time.sleep(0.02)
    assert len(burners) == 1
