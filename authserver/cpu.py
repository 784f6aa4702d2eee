"""The CPUs that this process may use, and threads that leave them to more urgent ones."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from math import inf
from pathlib import Path, PurePosixPath

_CGROUPS, _OWN_CGROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_LESS_URGENT = 5
"""Nice levels. Beside 50 wrong logins a second, on two cores that other programs kept busy too, the 99th percentile of
refreshes grew 3.4 times with hashing threads of equal priority, 2.6 times at 5, 3.4 times at 10, and 2.9 times with a
process for hashing at 10. For 100 checks that threads of equal priority finished, those at 5 finished 67, those at 10
finished 47. So a process gains nothing, and 10 only takes from logins. On two idle cores, 10 cut the growth from 10
times to 2.3."""


def available() -> int:
    """Return how many CPUs this process may use, at least 1: those of its affinity, within the quotas of its control
    groups. A machine's number of CPUs says little in a container."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS has no affinity
        allowed = os.cpu_count() or 1
    return max(1, int(min([allowed, *_quotas()])))


def yield_to_others() -> None:
    """Lower the priority of the calling thread, where a thread has one of its own: on Linux. Elsewhere, do nothing."""
    if sys.platform == "linux":
        with suppress(OSError):  # a sandbox may forbid it
            own = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, own, os.getpriority(os.PRIO_PROCESS, own) + _LESS_URGENT)


def _quotas() -> Iterator[float]:
    """The quotas, in CPUs, of this process's control groups and all groups around them (see cgroups(7))."""
    try:
        lines = _OWN_CGROUPS.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers or "cpu" in controllers.split(","):
            # A container may see the host's path, which does not exist in it: its own group is then the root.
            for group in (PurePosixPath(path), *PurePosixPath(path).parents):
                yield _quota(_CGROUPS / controllers / group.relative_to("/"))


def _quota(group: Path) -> float:
    with suppress(OSError, ValueError):  # version 2; "max" is no number
        quota, period = map(int, (group / "cpu.max").read_text().split())
        return quota / period
    with suppress(OSError, ValueError):  # version 1; -1 is no quota
        quota, period = (int((group / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
        return quota / period if quota > 0 else inf
    return inf
