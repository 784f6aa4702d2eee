"""Runs a command on a busy machine, next to processes that each use a whole core. They end with the command.

    python3 scripts/bench/busy.py -- .ci/run
    python3 scripts/bench/busy.py --burners 4 -- .venv/bin/pytest tests/bench

Exits with the command's exit code.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence

_BURN = """
import os, sys
while os.getppid() == int(sys.argv[1]):
    for _ in range(100_000):
        pass
"""


def run(command: Sequence[str], burners: int) -> int:
    burn = [sys.executable, "-c", _BURN, str(os.getpid())]
    burning = [subprocess.Popen(burn, stdin=subprocess.DEVNULL) for _ in range(burners)]
    try:
        code = subprocess.run(command).returncode
    finally:
        for each in burning:
            each.kill()
            each.wait()
    return code if code >= 0 else 128 - code  # a signal ended it; this is how a shell reports that


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--burners", type=int, default=os.cpu_count(), help="how many such processes (default: one for each core)"
    )
    parser.add_argument("command", nargs="+", help="the command, after --")
    asked = parser.parse_args()
    return run(asked.command, asked.burners)


if __name__ == "__main__":
    sys.exit(main())
