"""How far the audit trail has been delivered to a receiver, and when the next attempt is due."""

from dataclasses import dataclass

from .models import SECOND

WEBHOOK, HOOK = "webhook", "hook"
"""The receivers: their names in the database and in the log."""
LEASE = 60
"""Seconds for which the process that began an attempt is the only one: longer than any attempt takes."""
_FIRST, _LONGEST = 5, 3600
"""Seconds to wait after one failure, and after many."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Of one receiver, shared by all nodes. Ids are those of events."""

    position: int = 0
    """All events up to this id were delivered."""
    through: int = 0
    """The attempt that has begun delivers the events up to this id, and so does each repetition; 0 if there is none."""
    failures: int = 0
    """How many attempts in a row have failed."""
    next_at: int = 0
    """When the next attempt is due (microseconds)."""

    def is_due(self, now: int) -> bool:
        # If the time is later than any that would be written now, the clock was set back.
        return self.next_at <= now or self.next_at > now + _LONGEST * SECOND

    def begun(self, first: int, last: int, now: int) -> "Progress":
        """An attempt to deliver the events from `first` to `last` has begun."""
        return Progress(first - 1, last, self.failures, now + LEASE * SECOND)

    def delivered(self) -> "Progress":
        return Progress(self.through)

    def failed(self, position: int, now: int) -> "Progress":
        """The attempt delivered nothing after `position`."""
        failures = self.failures + 1
        return Progress(position, self.through, failures, now + wait(failures) * SECOND)


def wait(failures: int, longest: int = _LONGEST) -> int:
    """Return the seconds to wait after this many failures in a row: they double, up to `longest`, an hour."""
    return min(_FIRST << min(failures - 1, 20), longest)
