"""How much of the time that passed counts towards a retry window."""

from dataclasses import dataclass

from .outages import Outages
from .timeline import Timeline


@dataclass(frozen=True, slots=True)
class Elapsed:
    """What a process knows of the time behind it: how its wall clock was set, and when its database was away."""

    timeline: Timeline
    outages: Outages

    def between(self, start: int, end: int) -> int:
        """Microseconds that count between two wall times; never less than none."""
        began, ended = self.timeline.moment(start), self.timeline.moment(end)
        return max(0, ended - began - self.outages.between(began, ended))
