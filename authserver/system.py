"""Time and randomness: the only module that reads either, or that waits."""

import secrets
import time
from pathlib import Path

# CLOCK_BOOTTIME also runs while the machine is suspended; CLOCK_MONOTONIC does so only outside Linux.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> int:
    """Return the wall clock's time in microseconds since the epoch. It may be set at any time."""
    return time.time_ns() // 1000


def steady() -> int:
    """Return the steady clock's time: microseconds since some moment, the same in all processes of this machine. It
    cannot be set."""
    return time.clock_gettime_ns(_STEADY) // 1000


def cpu_time() -> int:
    """Return the CPU time of this process in microseconds. Time that other processes use does not count."""
    return time.process_time_ns() // 1000


stopwatch = time.perf_counter_ns
"""Returns nanoseconds since some moment, to measure how long something takes within this process."""


sleep = time.sleep
"""Blocks the calling thread for that many seconds."""


def boot() -> str:
    """Return a name for the moment at which the steady clock began: processes with the same name share that clock. It
    is empty outside Linux, where there is no way to tell."""
    try:  # a container may have a steady clock of its own: a time namespace
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {Path('/proc/self/ns/time').readlink()}"
    except OSError:
        return ""


def new_id() -> bytes:
    """Return 16 random bytes."""
    return secrets.token_bytes(16)


def new_key() -> bytes:
    """Return 32 random bytes."""
    return secrets.token_bytes(32)


def new_secret() -> str:
    """Return 256 random bits as 43 characters of base64url, to be shown once and stored only as a hash."""
    return secrets.token_urlsafe(32)
