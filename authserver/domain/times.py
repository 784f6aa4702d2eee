"""Formats times, durations and counts for the log and the command line."""

from datetime import UTC, datetime

from .models import SECOND

_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def utc(microseconds: int) -> str:
    """Format a time as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(microseconds // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration(seconds: int) -> str:
    """Format a duration in the largest unit that divides it: "7 days", "90 minutes"."""
    size, unit = next(unit for unit in _UNITS if seconds % unit[0] == 0)
    return counted(seconds // size, unit)


def span(microseconds: int) -> str:
    """Format a duration in its two largest units, rounded up to the second: "1 day 3 hours"."""
    seconds, words = max(0, -(-microseconds // SECOND)), []
    for size, unit in _UNITS:
        count, seconds = divmod(seconds, size)
        words += [counted(count, unit)] if count else []
    return " ".join(words[:2]) or "0 seconds"


def counted(count: int, noun: str) -> str:
    """Return "1 user" or "2 users" for the noun "user"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
