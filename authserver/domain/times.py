"""Formats times, durations and counts for the log and the command line."""

import re
from datetime import UTC, datetime, timedelta

from .models import SECOND

_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_SIZES = {unit[0]: size for size, unit in _UNITS}
_AGO = re.compile("([0-9]{1,9})([dhms])")
_EPOCH = datetime.fromtimestamp(0, UTC)


def utc(microseconds: int) -> str:
    """Format a time as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(microseconds // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def minute(microseconds: int) -> str:
    """Format a time for a person, in UTC, to the minute."""
    return datetime.fromtimestamp(microseconds // SECOND, UTC).strftime("%Y-%m-%d %H:%M UTC")


def utc_at_latest(microseconds: int) -> str:
    """Like `utc`, for a time in the future: rounded up, so that it is never too early."""
    return utc(microseconds + SECOND - 1)


def utc_precise(microseconds: int) -> str:
    """Format a time as ISO 8601 in UTC, to the microsecond."""
    return (_EPOCH + timedelta(microseconds=microseconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_moment(text: str, now: int) -> int:
    """Return the time that `text` names, in microseconds: ISO 8601, in UTC unless it says otherwise, or how long ago it
    was: "90m", "24h", "7d". Raises ValueError."""
    if ago := _AGO.fullmatch(text):
        return now - int(ago[1]) * _SIZES[ago[2]] * SECOND
    named = datetime.fromisoformat(text)
    return ((named if named.tzinfo else named.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1)


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


def retry_after(microseconds: int) -> int:
    """Return the value of `Retry-After` for this wait: in seconds, rounded up, and at least 1."""
    return max(1, -(-microseconds // SECOND))


def counted(count: int, noun: str) -> str:
    """Return "1 user" or "2 users" for the noun "user"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
