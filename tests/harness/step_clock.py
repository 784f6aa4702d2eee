"""The server as `authserver serve` runs it, with a wall clock that can be set.

    python -P step_clock.py FILE serve --port N

FILE contains the offset of the wall clock in nanoseconds, as `write` writes it. The steady clock continues. Workers
also start with this file.
"""

import mmap
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

_FORM = struct.Struct("q")


def write(file: Path, seconds: float) -> None:
    """Set the clock. The file is changed in place, so readers see it at once."""
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
