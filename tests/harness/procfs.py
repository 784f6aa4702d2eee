"""What Linux tells of processes. An answer that does not come is an error, never 0 and never nobody."""

import os
from pathlib import Path

_PROC = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_GONE = (FileNotFoundError, ProcessLookupError)


def workers(pid: int) -> list[int]:
    """The processes that multiprocessing has spawned from that one. Raises ProcessLookupError if it is not there."""
    return [child for child in children(pid) if runs(child, b"spawn_main")]


def children(pid: int) -> list[int]:
    """Raises ProcessLookupError if it is not there."""
    if not lives(pid):
        raise ProcessLookupError(f"process {pid} has ended")
    others = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal()]
    return [other for other in others if _parent(other) == pid]


def runs(pid: int, words: bytes) -> bool:
    """Whether these are in its command."""
    try:
        return words in _read(pid, "cmdline")
    except _GONE:
        return False


def lives(pid: int) -> bool:
    """A zombie does not: it only waits for somebody to read how it ended."""
    return _state(pid)[:1] not in ([], ["Z"], ["X"])


def memory(pid: int) -> int:
    """Resident bytes. Raises ProcessLookupError if it has ended."""
    pages = int(_read(pid, "statm").split()[1]) if lives(pid) else 0
    if not pages:
        raise ProcessLookupError(f"process {pid} has ended")
    return pages * _PAGE


def _parent(pid: int) -> int | None:
    """None if it has ended."""
    found = _state(pid)
    return int(found[1]) if found else None


def _state(pid: int) -> list[str]:
    """What follows the name, which may hold anything: state, parent, ... Nothing if it has ended."""
    try:
        return _read(pid, "stat").decode(errors="replace").rpartition(")")[2].split()
    except _GONE:
        return []


def _read(pid: int, name: str) -> bytes:
    return (_PROC / str(pid) / name).read_bytes()
