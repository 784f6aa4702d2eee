"""The server's clock: it follows the wall clock at once, and remembers how the wall clock was set before.

Wall time is stored as an offset from a steady clock. If nodes share a database that has a clock of its own, the offset
of that clock is measured at every poll, and this machine's own wall clock is no longer read.
"""

from collections import deque
from collections.abc import Callable, Iterable
from threading import Lock

from . import system
from .domain.timeline import DRIFT, STEP, Stretch, Timeline

Reading = tuple[int, int, int]
"""A reading of a clock, between two moments of the steady clock."""
_TRIES = 3


def surest(readings: Iterable[Reading]) -> Reading:
    """Return the reading that took the least time."""
    return min(readings, key=lambda reading: reading[2] - reading[0])


class Clock:
    """A thread-safe clock. `Clock(now, now)` uses `now` as it is."""

    def __init__(self, wall: Callable[[], int] | None = None, steady: Callable[[], int] | None = None) -> None:
        """`wall` and `steady` return microseconds. The defaults are this machine's clocks."""
        wall, steady = wall or system.now, steady or system.steady
        self._wall: Callable[[], int] | None = wall
        self.steady, self._lock = steady, Lock()
        self._steps = deque[int](maxlen=64)
        self._begin(*surest((steady(), wall(), steady()) for _ in range(_TRIES)))

    def __call__(self) -> int:
        """Return the microseconds since 1970."""
        with self._lock:
            return self._read() + self._offset

    def follow(self, asked_at: int, reading: int, answered_at: int) -> None:
        """Follow another clock, which showed `reading` between two moments of the steady clock."""
        with self._lock:
            if self._wall is not None:
                self._wall = None
                self._begin(asked_at, reading, answered_at)
            self._look(asked_at, reading, answered_at)

    def resume(self, recorded: tuple[Stretch, ...]) -> None:
        """Continue the timeline that an earlier process recorded by the same steady clock, if there was one. A step
        between that process and this one counts as a step of this clock."""
        with self._lock:
            if recorded:
                self._timeline = Timeline(recorded, self._looked_at)
                self._turn(recorded[-1].offset, recorded[-1].begins, self._looked_at)

    def timeline(self) -> Timeline:
        with self._lock:
            moment = self._read()  # so that a step at this very moment is included
            return self._timeline.at(moment, self._offset)

    def steps(self) -> list[int]:
        """Return the steps of the wall clock since the last call, in microseconds: positive is forward, negative
        back."""
        with self._lock:
            steps = list(self._steps)
            self._steps.clear()
            return steps

    def _read(self) -> int:
        """Adjust the clock to the wall clock, if it follows it. Returns the moment."""
        if self._wall is None:
            return self.steady()
        reading = self.steady(), self._wall(), self.steady()
        self._look(*reading)
        return reading[2]

    def _begin(self, asked_at: int, reading: int, answered_at: int) -> None:
        self._offset, self._looked_at = reading - (asked_at + answered_at) // 2, asked_at
        self._timeline = Timeline((Stretch(self._offset),), answered_at)

    def _look(self, asked_at: int, reading: int, answered_at: int) -> None:
        """Adjust the clock to a reading: if it took long or was interrupted, only as far as the clock is certainly
        wrong."""
        minimum, maximum, before = reading - answered_at, reading - asked_at, self._offset
        if minimum <= before <= maximum:  # as for nearly every request
            self._looked_at = asked_at
            return
        offset = self._offset = max(minimum, min(before, maximum))
        too_far = offset - minimum  # at most: a time that another node wrote just after a step may look this much older
        self._turn(before, self._looked_at - too_far, answered_at)
        self._looked_at = asked_at

    def _turn(self, before: int, seen_at: int | None, now: int) -> None:
        """Record a change of the offset from `before`, which was last valid at `seen_at` (None if that is unknown)."""
        if abs(self._offset - before) > STEP:
            self._steps.append(self._offset - before)
        if abs(self._offset - self._timeline.stretches[-1].offset) > DRIFT:
            self._timeline = self._timeline.stepped(self._offset, seen_at, now)
