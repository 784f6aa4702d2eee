"""The server's clock: wall time, followed at once wherever it goes, and what it said before it was set.

Wall time is kept as the distance to a steady clock. Where nodes share a database that has a clock of its own, the
distance to that one is measured at every poll; this machine's own wall clock is then no longer read.
"""

from collections import deque
from collections.abc import Callable, Iterable
from threading import Lock

from . import system
from .domain.timeline import DRIFT, STEP, Stretch, Timeline

Reading = tuple[int, int, int]
"""What a clock said, between two moments of the steady one."""
_TRIES = 3


def surest(readings: Iterable[Reading]) -> Reading:
    """The one that took the least time."""
    return min(readings, key=lambda reading: reading[2] - reading[0])


class Clock:
    """Thread-safe. `Clock(now, now)` is a clock that is taken as it is."""

    def __init__(self, wall: Callable[[], int] | None = None, steady: Callable[[], int] | None = None) -> None:
        """Both in microseconds; this machine's, unless others are given."""
        wall, steady = wall or system.now, steady or system.steady
        self._wall: Callable[[], int] | None = wall
        self.steady, self._lock = steady, Lock()
        self._steps = deque[int](maxlen=64)
        self._begin(*surest((steady(), wall(), steady()) for _ in range(_TRIES)))

    def __call__(self) -> int:
        """Microseconds since 1970."""
        with self._lock:
            if self._wall is None:
                return self.steady() + self._offset
            reading = self.steady(), self._wall(), self.steady()
            self._look(*reading)
            return reading[2] + self._offset

    def follow(self, asked_at: int, reading: int, answered_at: int) -> None:
        """Keep to another clock, which said `reading` between two moments of the steady one."""
        with self._lock:
            if self._wall is not None:
                self._wall = None
                self._begin(asked_at, reading, answered_at)
            self._look(asked_at, reading, answered_at)

    def resume(self, recorded: tuple[Stretch, ...]) -> None:
        """What an earlier process knew by the same steady clock, if there was one. A step that came after that, and
        before this process, is a step here."""
        with self._lock:
            if recorded:
                self._timeline = Timeline(recorded, self._looked_at)
                self._turn(recorded[-1].offset, recorded[-1].begins, self._looked_at)

    def timeline(self) -> Timeline:
        self()  # or a step of this very moment were not in it
        with self._lock:
            return self._timeline.at(self.steady(), self._offset)

    def steps(self) -> list[int]:
        """By how much the wall clock was set since this was last asked: microseconds, forward or (negative) back."""
        with self._lock:
            steps = list(self._steps)
            self._steps.clear()
            return steps

    def _begin(self, asked_at: int, reading: int, answered_at: int) -> None:
        self._offset, self._looked_at = reading - (asked_at + answered_at) // 2, asked_at
        self._timeline = Timeline((Stretch(self._offset),), answered_at)

    def _look(self, asked_at: int, reading: int, answered_at: int) -> None:
        """What took long to read, or was interrupted, moves the clock only as far as it certainly is off."""
        offset = max(reading - answered_at, min(self._offset, reading - asked_at))
        before, self._offset = self._offset, offset
        self._turn(before, self._looked_at, answered_at)
        self._looked_at = asked_at

    def _turn(self, before: int, seen_at: int | None, now: int) -> None:
        """From `before`, which stood at the moment `seen_at` (None: as far back as anyone knows)."""
        if abs(self._offset - before) > STEP:
            self._steps.append(self._offset - before)
        if abs(self._offset - self._timeline.stretches[-1].offset) > DRIFT:
            self._timeline = self._timeline.stepped(self._offset, seen_at, now)
