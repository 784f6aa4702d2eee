"""The server as `authserver serve` runs it, whose wall clock somebody sets: python -P step_clock.py FILE serve --port N

FILE holds how far the wall clock is off, in nanoseconds, as `write` puts it there. The steady clock goes on. Workers,
too, begin with this file.
"""

import mmap
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

_FORM = struct.Struct("q")


def write(file: Path, seconds: float) -> None:
    """At once for whoever reads it: the file is changed in place."""
    if not file.exists():
        file.write_bytes(bytes(_FORM.size))
    with file.open("r+b") as opened:
        opened.write(_FORM.pack(round(seconds * 1_000_000_000)))


def install(file: Path) -> None:
    with file.open("rb") as opened:
        shared = mmap.mmap(opened.fileno(), _FORM.size, access=mmap.ACCESS_READ)
    true = time.time_ns

    def stepped() -> int:
        return true() + int(_FORM.unpack(shared)[0])

    time.time_ns = stepped
    time.time = _in_seconds(stepped)


def _in_seconds(clock: Callable[[], int]) -> Callable[[], float]:
    return lambda: clock() / 1_000_000_000


if __name__ in ("__main__", "__mp_main__"):
    install(Path(sys.argv[1]))  # before anything takes the clock for a default

if __name__ == "__main__":
    from authserver.cli import main

    main(sys.argv[2:])
