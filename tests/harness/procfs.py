"""Reads what Linux knows about processes. Missing information is an error, never 0 or an empty result."""

import os
from pathlib import Path

_PROC = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_GONE = (FileNotFoundError, ProcessLookupError)


def workers(pid: int) -> list[int]:
    """Return the processes that multiprocessing has spawned from that one. Raises ProcessLookupError if it is gone."""
    return [child for child in children(pid) if runs(child, b"spawn_main")]


def children(pid: int) -> list[int]:
    """Return the child processes. Raises ProcessLookupError if the process is gone."""
    if not lives(pid):
        raise ProcessLookupError(f"process {pid} has ended")
    others = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal()]
    return [other for other in others if _parent(other) == pid]


def runs(pid: int, words: bytes) -> bool:
    """Whether the process's command contains these words."""
    try:
        return words in _read(pid, "cmdline")
    except _GONE:
        return False


def lives(pid: int) -> bool:
    """Whether the process runs. A zombie does not: it only waits for its parent to read its exit code."""
    return _state(pid)[:1] not in ([], ["Z"], ["X"])


def memory(pid: int) -> int:
    """Return the resident bytes. Raises ProcessLookupError if the process has ended."""
    pages = int(_read(pid, "statm").split()[1]) if lives(pid) else 0
    if not pages:
        raise ProcessLookupError(f"process {pid} has ended")
    return pages * _PAGE


def cpu_ticks(pid: int) -> int:
    """Return the CPU time of the process, in ticks of the kernel's clock. Raises ProcessLookupError if it has ended."""
    state = _state(pid)
    if not state:
        raise ProcessLookupError(f"process {pid} has ended")
    user, system = state[11:13]
    return int(user) + int(system)


def _parent(pid: int) -> int | None:
    """Return the parent; None if the process has ended."""
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
