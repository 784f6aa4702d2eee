"""Which time the wall clock showed at which moment, across clock steps.

Tokens and lifetimes follow the wall clock at once, so the difference between two of its readings need not be the time
that passed between them. The retry window counts the time that passed, by a steady clock, which cannot be set. All
values are microseconds: a wall time since 1970, a moment by the steady clock.
"""

from dataclasses import replace

from .models import SECOND
from .record import record

DRIFT = SECOND // 4
"""The wall clock may drift this far within a stretch; beyond that, a new stretch begins."""
STEP = 2 * SECOND
"""A larger change of the wall clock is a step, which is logged."""
SPREAD = 5 * SECOND
"""How much later other nodes may notice a step."""
_KEPT = 256
_LONG_AGO = 600 * SECOND
"""Longer than any retry window."""


@record(frozen=True, slots=True)
class Stretch:
    """The moments from `begins` to `ends`, at which the wall clock may have been `offset` ahead of the steady clock.

    `begins` is None for the earliest stretch, and `ends` for the current one."""

    offset: int
    begins: int | None = None
    ends: int | None = None


@record(frozen=True, slots=True)
class Timeline:
    stretches: tuple[Stretch, ...]
    """Oldest first. Neighbours overlap, because the exact moment of a clock change is unknown."""
    now: int

    def stepped(self, offset: int, seen_at: int | None, now: int) -> "Timeline":
        """Return the timeline after the wall clock was set to `offset` ahead of the steady clock. `seen_at` is the last
        moment at which the clock still agreed with the last stretch; None if that is unknown."""
        *older, last = self.stretches
        closed = replace(last, ends=now + SPREAD)
        kept = _thinned((*older, closed), now)[1 - _KEPT :] + (Stretch(offset, seen_at),)
        return Timeline((replace(kept[0], begins=None), *kept[1:]), now)

    def at(self, now: int, offset: int) -> "Timeline":
        """Return the timeline at a later moment, when the last stretch has drifted to `offset`."""
        if offset == self.stretches[-1].offset:
            return Timeline(self.stretches, now)
        *older, last = self.stretches
        return Timeline((*older, replace(last, offset=offset)), now)

    def today(self, wall: int) -> int:
        """Convert `wall`, which the clock showed at some moment, to what it would have shown then if it had been set
        as it is now."""
        return self.moment(wall) + self.stretches[-1].offset

    def earliest(self, within: int) -> int:
        """Return the earliest time that the wall clock would show now, over all its settings in the last `within`
        microseconds."""
        return self.now + min(s.offset for s in self.stretches if s.ends is None or s.ends > self.now - within)

    def is_ahead(self, wall: int) -> bool:
        """Whether some other clock that was ahead wrote `wall`: it is in the future, and this clock never showed it."""
        return wall > self.now + self.stretches[-1].offset and all(
            self._moment_in(stretch, wall) is None for stretch in self.stretches
        )

    def moment(self, wall: int) -> int:
        """Return the moment when the wall clock showed `wall`: the latest, if it did so twice; never after now."""
        if len(self.stretches) == 1:  # as on nearly every machine
            return min(wall - self.stretches[0].offset, self.now)
        moments = [moment for stretch in self.stretches if (moment := self._moment_in(stretch, wall)) is not None]
        return min(max(moments), self.now) if moments else self._never_said(wall)

    def _moment_in(self, stretch: Stretch, wall: int) -> int | None:
        moment, ends = wall - stretch.offset, self.now + SPREAD if stretch.ends is None else stretch.ends
        is_too_early = stretch.begins is not None and moment < stretch.begins
        return None if is_too_early or moment > ends else moment

    def _never_said(self, wall: int) -> int:
        """Return the moment for a time that the clock never showed: now for a time in the future, and the moment of the
        step for a time that a step forward skipped."""
        if wall > self.now + self.stretches[-1].offset:
            return self.now
        ends = [s.ends for s in self.stretches if s.ends is not None and wall - s.offset > s.ends]
        return min(max(ends), self.now)


def _thinned(stretches: tuple[Stretch, ...], now: int) -> tuple[Stretch, ...]:
    """Join neighbours that ended long ago and differ by at most a step: small changes no longer matter once no retry
    window reaches back to them."""
    first, *others = stretches
    kept = [first]
    for stretch in others:
        is_old = stretch.ends is not None and stretch.ends < now - _LONG_AGO
        if is_old and abs(stretch.offset - kept[-1].offset) <= STEP:
            kept[-1] = replace(stretch, begins=kept[-1].begins)
        else:
            kept.append(stretch)
    return tuple(kept)
