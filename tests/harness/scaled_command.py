"""The authserver command on a clock that runs faster than time: python -P scaled_command.py serve --port N

BENCH_CLOCK says which clock. What the server does by itself every few seconds it does as often by that clock. One
worker only: others would be processes that start without this.
"""

import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))  # last: a package with a fault planted in it comes first

from tests.harness.scaled_clock import VARIABLE, Clock


def run(clock: Clock) -> None:
    from authserver import system

    system.now = system.steady = clock  # before what is imported now takes it for a default

    from authserver.background import INTERVALS
    from authserver.cli import main

    for name in ("read_keys", "follow_clock", "rotate_keys", "remove_unused_keys", "prune"):
        INTERVALS[name] /= clock.scale
    main(prog_name="authserver")


run(Clock.read(os.environ[VARIABLE]))
