"""The CPUs that this process may use, and a lower priority for threads whose work is less urgent."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from math import inf
from pathlib import Path, PurePosixPath

_CGROUPS, _OWN_CGROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_LESS_URGENT = 5
"""Nice levels. With 50 wrong logins a second, on two cores that other programs also kept busy, the 99th percentile of
refresh times grew by a factor of 3.4 with hashing threads of equal priority, 2.6 at level 5, 3.4 at level 10, and 2.9
with a separate process for hashing at level 10. For every 100 checks that threads of equal priority finished, those at
5 finished 67 and those at 10 finished 47. So a separate process gains nothing, and 10 only slows logins down. On two
otherwise idle cores, with one hashing thread, the factor is 1.4 at level 5 and 1.2 at level 10."""


def available() -> int:
    """Return how many CPUs this process may use, at least 1: those of its affinity, within the quotas of its control
    groups. A machine's number of CPUs says little in a container."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS has no affinity
        allowed = os.cpu_count() or 1
    return max(1, int(min([allowed, *_quotas()])))


def yield_to_others() -> None:
    """Lower the priority of the calling thread. Only Linux has a priority for each thread: elsewhere, do nothing."""
    if sys.platform == "linux":
        with suppress(OSError):  # a sandbox may forbid it
            own = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, own, os.getpriority(os.PRIO_PROCESS, own) + _LESS_URGENT)


def _quotas() -> Iterator[float]:
    """The quotas, in CPUs, of this process's control groups and all of their ancestors (see cgroups(7))."""
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
    with suppress(OSError, ValueError):  # version 2; "max" is not a number
        quota, period = map(int, (group / "cpu.max").read_text().split())
        return quota / period
    with suppress(OSError, ValueError):  # version 1; -1 means no quota
        quota, period = (int((group / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
        return quota / period if quota > 0 else inf
    return inf
