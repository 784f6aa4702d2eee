"""Measures how soon a server returns its first 200 after the start of its command, and its memory when idle.

.venv/bin/python scripts/bench/speed/start.py
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from scripts.bench.arguments import use_venv
from tests.harness import procfs
from tests.harness.live import PROGRAM, Live

_STARTS = 5
_INTERPRETER = ("-u", *PROGRAM)
"""Starts a new interpreter, as users do. For PROGRAM alone, the tests fork a process that has imported everything."""


class Start(NamedTuple):
    seconds: float
    memory: float
    """The resident memory in bytes."""


def measure_start() -> Start:
    """Return the medians of several starts on SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        server = Live(Path(folder))
        server.set_up()
        starts = [_start(server) for _ in range(_STARTS)]
    return Start(*(statistics.median(column) for column in zip(*starts, strict=True)))


def _start(server: Live) -> Start:
    server.launch(_INTERPRETER)
    try:
        return Start(server.wait_until_ready(), procfs.memory(server.running.pid))
    finally:
        server.stop()


def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    start = measure_start()
    print(f"first 200 after {start.seconds:.2f} s; {start.memory / 1e6:.1f} MB when idle")
    return 0


if __name__ == "__main__":
    use_venv()
    sys.exit(main())
