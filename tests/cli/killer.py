"""Commands that are killed on purpose, each in a fork of a process that has imported everything already."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.harness.existing import existing
from tests.harness.process import environment_with

ROOT = Path(__file__).parents[2]


@contextmanager
def killer(wrapper: Path, *command: str | Path) -> Iterator[Callable[[int, Path], int]]:
    """`kill(n, folder)` runs the command in `folder`, killed at its n-th step as `wrapper` counts them; the exit code,
    -9 if it got there."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environment = environment_with({}) | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, wrapper, *command], env=environment, **pipes) as process:
        requests, codes = existing(process.stdin), existing(process.stdout)

        def kill(at: int, folder: Path) -> int:
            requests.write(f"{at} {folder}\n")
            requests.flush()
            return int(codes.readline())

        yield kill
        requests.close()
