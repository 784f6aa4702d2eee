"""Time and randomness: the only module that reads either."""

import secrets
import time
from collections.abc import Callable
from threading import Lock

_SLEW = 100
_SOON = 200_000  # microseconds
# CLOCK_BOOTTIME goes on while the machine is suspended; CLOCK_MONOTONIC does so only outside Linux.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock:
    """Wall time that does not jump: anchored to a steady clock, it follows a step of the wall clock by 1 % at most.

    So a wall clock set an hour forward ends no retry window, and one set back revives nothing that was revoked.
    """

    def __init__(
        self,
        wall: Callable[[], int] = time.time_ns,
        steady: Callable[[], int] = lambda: time.clock_gettime_ns(_STEADY),
    ) -> None:
        self._wall, self._steady, self._lock = wall, steady, Lock()
        self._ticked, self._time = steady(), wall()

    def __call__(self) -> int:
        """Microseconds since the epoch."""
        with self._lock:
            ticked = self._steady()
            elapsed = ticked - self._ticked
            drift = self._wall() - self._time - elapsed
            limit = elapsed // _SLEW
            self._ticked = ticked
            self._time += elapsed + max(-limit, min(drift, limit))
            return self._time // 1000


class SharedClock:
    """One clock for all nodes: each process's own, moved by how far it is from the one that they share.

    The first reading of the shared clock counts in full; later ones move this clock by 1 % of the time between them,
    so that a step of the shared clock (a failover to another machine) ends no retry window.
    """

    def __init__(self, own: Callable[[], int]) -> None:
        self._own, self._offset = own, 0
        self._kept_at: int | None = None

    def __call__(self) -> int:
        """Microseconds since the epoch."""
        return self._own() + self._offset

    def keep_to(self, shared: int | None, asked_at: int, answered_at: int) -> None:
        """`shared` was read between two readings of this clock; None if there is nothing to keep to. What took long to
        read says too little of when it was read."""
        if shared is None or answered_at - asked_at > _SOON:
            return
        off, own = shared - (asked_at + answered_at) // 2, self._own()
        if self._kept_at is not None:
            limit = (own - self._kept_at) // _SLEW
            off = max(-limit, min(off, limit))
        self._offset += off
        self._kept_at = own


now = Clock()


def new_id() -> bytes:
    """16 random bytes."""
    return secrets.token_bytes(16)


def new_key() -> bytes:
    """32 random bytes."""
    return secrets.token_bytes(32)


def new_secret() -> str:
    """43 characters of base64url: 256 bits that may be shown once and are stored only as a hash."""
    return secrets.token_urlsafe(32)
