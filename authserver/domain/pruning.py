"""When the walk that prunes goes on. Pure: a batch says how much it deleted and how far the walk has come."""

from dataclasses import dataclass

from .models import SECOND

BATCH = 1000
"""Rows at most, of a kind."""
EVERY = 10
"""Seconds between two batches, where nothing is pressing."""
_WALK = 86400 * SECOND
"""In which every row is to be looked at once."""
_MUCH = BATCH // 20
_SHARE = 3
"""Of the time that a batch takes, what requests get before the next one."""
_REST = (0.01, 5.0)  # seconds


@dataclass(frozen=True, slots=True)
class Progress:
    """After a batch. `walked_to` is the last id that was looked at; ids are random, so it tells how much that is."""

    logins: int
    denials: int
    walked_to: bytes
    began_at: int
    """Microseconds: when the walk began."""


def next_at(progress: Progress, now: int) -> int:
    """At once while a batch deletes much or the walk lags, else after a while."""
    is_much = progress.logins >= _MUCH or progress.denials >= BATCH
    walked = int.from_bytes(progress.walked_to[:4].ljust(4, b"\0")) / 2**32
    lags = walked * _WALK < now - progress.began_at - EVERY * SECOND
    return now if is_much or lags else now + EVERY * SECOND


def rest(took: int) -> float:
    """Seconds until the next batch, after one that took that many microseconds: requests come first."""
    low, high = _REST
    return min(max(_SHARE * took / SECOND, low), high)
