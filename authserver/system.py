"""Time and randomness: the only module that reads either."""

import secrets
import time
from pathlib import Path

# CLOCK_BOOTTIME goes on while the machine is suspended; CLOCK_MONOTONIC does so only outside Linux.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> int:
    """The wall clock: microseconds since the epoch. It may be set at any time."""
    return time.time_ns() // 1000


def steady() -> int:
    """A clock that nobody can set, the same in all processes of this machine: microseconds since some moment."""
    return time.clock_gettime_ns(_STEADY) // 1000


def boot() -> str:
    """Names that moment: processes that have it in common have the steady clock in common. Empty where nobody can tell,
    outside Linux."""
    try:  # in a container the steady clock may be another than the machine's: that is a namespace
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {Path('/proc/self/ns/time').readlink()}"
    except OSError:
        return ""


def new_id() -> bytes:
    """16 random bytes."""
    return secrets.token_bytes(16)


def new_key() -> bytes:
    """32 random bytes."""
    return secrets.token_bytes(32)


def new_secret() -> str:
    """43 characters of base64url: 256 bits that may be shown once and are stored only as a hash."""
    return secrets.token_urlsafe(32)
