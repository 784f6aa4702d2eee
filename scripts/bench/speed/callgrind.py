"""Counts instructions with valgrind's callgrind. A busy machine does not change the result. The kernel is not counted.

`counts_of` runs a program under callgrind. That program has a Counter, which says which threads are counted, and when.
"""

import ctypes
import gc
import mmap
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# valgrind.h: valgrind recognizes this code, and handles the request that RDI points to. By itself, it does nothing.
_CLIENT_REQUEST = bytes.fromhex("4889f8 31d2 48c1c703 48c1c70d 48c1c73d 48c1c733 4887db 4889d0 c3")
# callgrind.h: the numbers of its requests.
_ZERO, _TOGGLE_COLLECT, _DUMP_AT, _START, _STOP = (0x43540000 + number for number in range(1, 6))
_OPTIONS = ("--instr-atstart=no", "--collect-atstart=no", "--combine-dumps=yes")
_DUMP = re.compile(r"^desc: Trigger: Client Request: (.*) (\d+)$|^totals: (\d+)$", re.MULTILINE)
_EMPTY, _PAIRS = "empty", 1000


def missing() -> str | None:
    """Return why nothing can be counted on this machine; None if it can."""
    if platform.machine() != "x86_64":
        return f"Instructions are counted on x86_64 only, not on {platform.machine()}."
    return None if shutil.which("valgrind") else "valgrind is not installed: apt-get install valgrind"


def counts_of(arguments: Sequence[str], environment: Mapping[str, str]) -> dict[str, int]:
    """Run Python with these arguments and environment. Returns the instructions of each of its recordings, by name."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "dumps"
        command = ["valgrind", "-q", "--tool=callgrind", *_OPTIONS, f"--callgrind-out-file={out}", sys.executable]
        # With a fixed seed, sets of strings have the same order in each run.
        subprocess.run([*command, *arguments], check=True, env={**environment, "PYTHONHASHSEED": "0"})
        dumps = list(_parsed(out.read_text()))
    [to_count] = [total / entries for name, entries, total in dumps if name == _EMPTY]
    return {name: round(total - entries * to_count) for name, entries, total in dumps if name != _EMPTY}


def _parsed(dumps: str) -> Iterator[tuple[str, int, int]]:
    """Yield the name of each recording, how often counting began in a thread, and the instructions."""
    name, entries = "", 0
    for match in _DUMP.finditer(dumps):
        if match[3] is None:
            name, entries = match[1], int(match[2])
        elif name:
            yield name, entries, int(match[3])
            name = ""


class Counter:
    """During a recording, counts what each thread does between `enter` and `leave`, except collecting garbage."""

    def __init__(self) -> None:
        self._code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self._code.write(_CLIENT_REQUEST)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._code))
        self._call = ctypes.PYFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p)(address)
        self._toggle_request = (ctypes.c_size_t * 6)(_TOGGLE_COLLECT)
        self._toggle_address = ctypes.addressof(self._toggle_request)
        self._own, self._entries = threading.local(), 0
        self.counts_collector = False
        """Whether the garbage collector is counted instead. Nothing else may be entered then."""
        gc.callbacks.append(self._collecting)
        with self.instrumented(), self.recording(_EMPTY):
            for _ in range(_PAIRS):
                self.enter()
                self.leave()

    @contextmanager
    def instrumented(self) -> Iterator[None]:
        """Allow recordings inside the `with`, where the process is ten times as slow as outside. Entering it takes a
        second, because all code is translated again."""
        self._request(_START)
        yield
        self._request(_STOP)

    @contextmanager
    def recording(self, name: str) -> Iterator[None]:
        self._entries = 0
        self._request(_ZERO)
        yield
        text = ctypes.create_string_buffer(f"{name} {self._entries}".encode())
        self._request(_DUMP_AT, ctypes.addressof(text))

    def enter(self) -> None:
        """Begin to count this thread, unless it is already counted."""
        depth = self._own.depth = getattr(self._own, "depth", 0) + 1
        if depth == 1:
            self._entries += 1
            self._call(self._toggle_address)

    def leave(self) -> None:
        if self._own.depth == 1:
            self._call(self._toggle_address)
        self._own.depth -= 1

    @contextmanager
    def counting(self) -> Iterator[None]:
        self.enter()
        yield
        self.leave()

    def _collecting(self, phase: str, _: Any) -> None:
        counted = bool(getattr(self._own, "depth", 0))
        if self.counts_collector:
            (self.enter if phase == "start" else self.leave)()
        elif counted:
            self._call(self._toggle_address)

    def _request(self, *words: int) -> None:
        request = (ctypes.c_size_t * 6)(*words)
        self._call(ctypes.addressof(request))
