"""Decides when the next batch of expired rows is deleted: by how much the last one deleted and how far it got."""

from dataclasses import dataclass

from .models import SECOND

BATCH = 1000
"""The maximum number of rows of one table that a batch reads."""
EVERY = 10
"""Seconds between two batches when there is little to delete."""
_PASS = 86400 * SECOND
"""The time in which every row is read once."""
_MUCH = BATCH // 20
_SHARE = 3
"""The wait before the next batch, as a multiple of the time that the last one took: requests come first."""
_REST = (0.01, 5.0)  # seconds


@dataclass(frozen=True, slots=True)
class Progress:
    """What a batch did. `others` is how many rows it deleted from the other table that had most to delete. `position`
    is the last id that it read: ids are random, so it shows how much is done."""

    authorizations: int
    others: int
    position: bytes
    began_at: int
    """When this pass over the table began (microseconds)."""


def next_at(progress: Progress, now: int) -> int:
    """Return when the next batch is due: `now` while batches delete much or the pass is late; otherwise EVERY seconds
    later."""
    is_much = progress.authorizations >= _MUCH or progress.others >= BATCH
    done = int.from_bytes(progress.position[:4].ljust(4, b"\0")) / 2**32
    is_late = done * _PASS < now - progress.began_at - EVERY * SECOND
    return now if is_much or is_late else now + EVERY * SECOND


def rest(took: int) -> float:
    """Return the seconds to wait before the next batch, after one that took `took` microseconds."""
    low, high = _REST
    return min(max(_SHARE * took / SECOND, low), high)
