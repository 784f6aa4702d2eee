"""How much time counts towards a retry window."""

from .outages import Outages
from .record import record
from .timeline import Timeline


@record(frozen=True, slots=True)
class Elapsed:
    """What a process knows about the past: how its wall clock was set, and when its database was unreachable."""

    timeline: Timeline
    outages: Outages

    def between(self, start: int, end: int) -> int:
        """Return how many microseconds between two wall times count; never less than 0."""
        began, ended = self.timeline.moment(start), self.timeline.moment(end)
        return max(0, ended - began - self.outages.between(began, ended))
