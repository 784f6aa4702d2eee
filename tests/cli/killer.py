"""Commands that are killed on purpose, each in a fork of a process that has imported everything already."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness.process import environment_with

ROOT = Path(__file__).parents[2]


@contextmanager
def killer(wrapper: Path, *command: str | Path) -> Iterator[Callable[[int, Path], int]]:
    """`kill(n, folder)` runs the command in `folder`, killed at its n-th step as `wrapper` counts them; the exit code,
    -9 if it got there."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environment = environment_with({}) | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, wrapper, *command], env=environment, **pipes) as process:

        def kill(at: int, folder: Path) -> int:
            process.stdin.write(f"{at} {folder}\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield kill
        process.stdin.close()
