"""The time in which the database could not be reached, against an oracle that counts it tick by tick."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain.outages import Outages

KEPT = 16


def lived(events: list[tuple[bool, int]]) -> tuple[Outages, set[int], int | None]:
    """The outages after these events (worked?, ticks since the last one); which ticks were out, counted one by one;
    since when it has been out, if it still is."""
    down: set[int] = set()
    outages, now, since = Outages(), 0, None
    for worked, ticks in events:
        before, now = now, now + ticks
        down |= set(range(before, now)) if since is not None else set()
        outages = outages.worked(now) if worked else outages.failed(now)
        since = None if worked else now if since is None else since
    return outages, down, since


steps = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=2 * KEPT)


@given(steps, st.integers(-3, 80), st.integers(-3, 80))
def test_it_is_what_counting_says(events: list[tuple[bool, int]], start: int, end: int) -> None:
    outages, down, since = lived(events)
    still = set(range(since, end)) if since is not None else set()
    assert outages.between(start, end) == len([tick for tick in range(start, end) if tick in down | still])


@given(steps, st.integers(0, 80), st.integers(0, 80), st.integers(0, 80))
def test_it_adds_up_and_is_never_more_than_the_time_that_passed(
    events: list[tuple[bool, int]], one: int, two: int, three: int
) -> None:
    outages, (start, middle, end) = lived(events)[0], sorted((one, two, three))
    assert 0 <= outages.between(start, end) <= end - start
    if outages.since is None:
        assert outages.between(start, end) == outages.between(start, middle) + outages.between(middle, end)


def test_it_begins_with_the_first_failure_and_ends_with_the_first_success() -> None:
    outages = Outages().failed(10).failed(20).failed(30).worked(40).worked(50)
    assert outages == Outages(((10, 40),))
    assert [outages.between(0, end) for end in (9, 10, 11, 40, 41)] == [0, 0, 1, 30, 30]


def test_what_is_still_out_counts_until_now_and_not_further() -> None:
    outages = Outages().failed(10)
    assert [outages.between(0, end) for end in (5, 10, 11, 1000)] == [0, 0, 1, 990]
    assert outages.between(500, 1000) == 500


def test_values_do_not_change() -> None:
    first = Outages()
    first.failed(1).worked(2)
    assert first == Outages()


@pytest.mark.parametrize("many", [KEPT, KEPT + 1, 100])
def test_only_the_last_sixteen_are_kept(many: int) -> None:
    outages = Outages()
    for number in range(many):
        outages = outages.failed(10 * number).worked(10 * number + 1)
    assert outages.between(0, 10_000) == KEPT
    assert outages.between(10 * (many - KEPT), 10_000) == KEPT


def test_a_clock_that_was_set_back_makes_no_time_negative() -> None:
    outages = Outages().failed(100).worked(50)
    assert outages.between(0, 1000) == 0
    assert Outages().failed(100).between(0, 60) == 0
