"""When this process could not reach its database: that time does not count towards any retry window.

Moments are those of the steady clock, in microseconds.
"""

from dataclasses import dataclass, replace

_KEPT = 16


@dataclass(frozen=True, slots=True)
class Outages:
    """The outages that are over, oldest first, and the start of the one that lasts, if any."""

    spans: tuple[tuple[int, int], ...] = ()
    since: int | None = None

    def failed(self, began: int) -> "Outages":
        """Return the outages after an access that began at `began` failed."""
        return self if self.since is not None else replace(self, since=began)

    def worked(self, now: int) -> "Outages":
        """Return the outages after an access succeeded at `now`."""
        if self.since is None:
            return self
        return Outages((*self.spans, (self.since, now))[-_KEPT:])

    def between(self, start: int, end: int) -> int:
        """Return the microseconds of outage between two moments."""
        spans = self.spans if self.since is None else (*self.spans, (self.since, end))
        return sum(max(0, min(end, until) - max(start, since)) for since, until in spans)
