"""What the wall clock said at which moment, through every step of it.

Tokens and lifetimes follow the wall clock at once, so the difference between two of its readings need not be the time
that passed between them. The retry window counts the time that passed: by a steady clock, which nobody can set. All
times are microseconds: a wall time since 1970, a moment by the steady clock.
"""

from dataclasses import dataclass, replace

from .models import SECOND

DRIFT = SECOND // 4
"""The wall clock may move this far from where it was at the start of a stretch; then a new stretch begins."""
STEP = 2 * SECOND
"""A change of the wall clock that is larger is a step, which is logged."""
SPREAD = 5 * SECOND
"""Other nodes may notice a step this much later."""
_KEPT = 256
_LONG_AGO = 600 * SECOND
"""Longer than any retry window."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The moments from `begins` to `ends`, at which the wall clock may have been `offset` ahead of the steady clock.

    `begins` is None for the first that is known, `ends` for the one that lasts."""

    offset: int
    begins: int | None = None
    ends: int | None = None


@dataclass(frozen=True, slots=True)
class Timeline:
    stretches: tuple[Stretch, ...]
    """Oldest first; neighbours overlap, because nobody knows when exactly the clock was set."""
    now: int

    def stepped(self, offset: int, seen_at: int | None, now: int) -> "Timeline":
        """The wall clock is now `offset` ahead; at the moment `seen_at` it still was as the last stretch says. None is
        as far back as anyone knows."""
        *older, last = self.stretches
        closed = replace(last, ends=now + SPREAD)
        kept = _thinned((*older, closed), now)[1 - _KEPT :] + (Stretch(offset, seen_at),)
        return Timeline((replace(kept[0], begins=None), *kept[1:]), now)

    def at(self, now: int, offset: int) -> "Timeline":
        """A moment later: the last stretch has drifted."""
        return Timeline((*self.stretches[:-1], replace(self.stretches[-1], offset=offset)), now)

    def today(self, wall: int) -> int:
        """What the wall clock would have said, set as it is now, at the moment when it said `wall`."""
        return self.moment(wall) + self.stretches[-1].offset

    def earliest(self, within: int) -> int:
        """What the wall clock says, or would say if it were set as it once was in the last `within` microseconds,
        whichever is earlier."""
        return self.now + min(s.offset for s in self.stretches if s.ends is None or s.ends > self.now - within)

    def is_ahead(self, wall: int) -> bool:
        """Whether `wall` was said by a clock that was ahead, and that nobody here knows: still to come by this one."""
        return wall > self.now + self.stretches[-1].offset and all(
            self._moment_in(stretch, wall) is None for stretch in self.stretches
        )

    def moment(self, wall: int) -> int:
        """When the wall clock said `wall`: the latest such moment, for it may have said so twice; never after now."""
        moments = [moment for stretch in self.stretches if (moment := self._moment_in(stretch, wall)) is not None]
        return min(max(moments), self.now) if moments else self._never_said(wall)

    def _moment_in(self, stretch: Stretch, wall: int) -> int | None:
        moment, ends = wall - stretch.offset, self.now + SPREAD if stretch.ends is None else stretch.ends
        is_too_early = stretch.begins is not None and moment < stretch.begins
        return None if is_too_early or moment > ends else moment

    def _never_said(self, wall: int) -> int:
        """A time that is still to come counts as now; one that a step forward skipped, as the moment of that step."""
        if wall > self.now + self.stretches[-1].offset:
            return self.now
        ends = [s.ends for s in self.stretches if s.ends is not None and wall - s.offset > s.ends]
        return min(max(ends), self.now)


def _thinned(stretches: tuple[Stretch, ...], now: int) -> tuple[Stretch, ...]:
    """Join neighbours that ended long ago and differ by no more than a step: small changes need not be told apart
    once no retry window reaches back to them."""
    first, *others = stretches
    kept = [first]
    for stretch in others:
        is_old = stretch.ends is not None and stretch.ends < now - _LONG_AGO
        if is_old and abs(stretch.offset - kept[-1].offset) <= STEP:
            kept[-1] = replace(stretch, begins=kept[-1].begins)
        else:
            kept.append(stretch)
    return tuple(kept)
