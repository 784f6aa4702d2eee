"""How times, durations and counts are written and read."""

import time
from collections.abc import Iterator

import pytest

from authserver.domain.models import SECOND
from authserver.domain.times import duration, parse_moment, span, utc, utc_precise

NOW = 1_800_000_000 * SECOND


@pytest.fixture(params=["UTC", "Pacific/Auckland", "America/Los_Angeles"], autouse=True)
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's time zone changes nothing."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


def test_times_are_written_in_utc() -> None:
    assert utc(NOW + SECOND - 1) == "2027-01-15T08:00:00Z"
    assert utc_precise(NOW + 7) == "2027-01-15T08:00:00.000007Z"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2027-01-15T08:00:00Z", NOW),
        ("2027-01-15T08:00:00", NOW),
        ("2027-01-15T08:00:00.000007", NOW + 7),
        ("2027-01-15T10:30:00+02:30", NOW),
        ("2027-01-15", NOW - 8 * 3600 * SECOND),
        ("90m", NOW - 5400 * SECOND),
        ("24h", NOW - 86400 * SECOND),
        ("7d", NOW - 7 * 86400 * SECOND),
        ("10s", NOW - 10 * SECOND),
        ("0s", NOW),
    ],
)
def test_a_moment_is_a_time_or_an_age(text: str, moment: int) -> None:
    assert parse_moment(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "m", "5", "-5m", "5 m", "5w", "1234567890s", "yesterday", "2027-13-01"])
def test_what_names_no_moment(text: str) -> None:
    with pytest.raises(ValueError, match="."):
        parse_moment(text, NOW)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"),
        (-5, "0 seconds"),
        (1, "1 second"),
        (61, "1 minute 1 second"),
        (7200, "2 hours"),
        (90061, "1 day 1 hour"),
        (86400 + 60, "1 day 1 minute"),
    ],
)
def test_spans_have_at_most_two_units(seconds: int, text: str) -> None:
    assert span(seconds * SECOND) == text
    assert span(seconds * SECOND - SECOND + 1) == text or seconds <= 0


@pytest.mark.parametrize(("seconds", "text"), [(1, "1 second"), (5400, "90 minutes"), (7 * 86400, "7 days")])
def test_durations_have_one_unit(seconds: int, text: str) -> None:
    assert duration(seconds) == text
