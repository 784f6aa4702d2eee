"""Formats times and durations for the log and the command line."""

from datetime import UTC, datetime

from .models import SECOND

_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def utc(microseconds: int) -> str:
    """Format a time as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(microseconds // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration(seconds: int) -> str:
    """Format a duration in the largest unit that divides it: "7 days", "90 minutes"."""
    size, unit = next(unit for unit in _UNITS if seconds % unit[0] == 0)
    count = seconds // size
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
