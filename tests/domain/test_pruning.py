"""When the next batch of pruning is due, by property."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from authserver.domain.models import SECOND
from authserver.domain.pruning import BATCH, EVERY, Progress, next_at, rest

NOW = 1_800_000_000 * SECOND
DAY = 86400 * SECOND
END = b"\xff" * 17
rows, ids = st.integers(0, BATCH), st.binary(min_size=16, max_size=16)


@given(rows, rows, ids, st.integers(-DAY, 30 * DAY))
def test_the_next_batch_is_due_at_once_or_after_a_while(logins: Any, denials: Any, position: Any, since: Any) -> None:
    assert next_at(Progress(logins, denials, position, NOW - since), NOW) in (NOW, NOW + EVERY * SECOND)


@given(st.integers(BATCH // 20, BATCH), rows, ids, st.integers(-DAY, DAY))
def test_a_batch_that_deletes_much_is_followed_at_once(logins: Any, denials: Any, position: Any, since: Any) -> None:
    assert next_at(Progress(logins, denials, position, NOW - since), NOW) == NOW
    assert next_at(Progress(0, BATCH, position, NOW - since), NOW) == NOW


@given(st.integers(0, BATCH // 20 - 1), st.integers(0, BATCH - 1), ids)
def test_one_that_deletes_little_is_followed_after_a_while_unless_the_walk_lags(
    logins: Any, denials: Any, position: Any
) -> None:
    share = int.from_bytes(position) / 256**16
    for behind, due in ((-3600 * SECOND, NOW + EVERY * SECOND), (3600 * SECOND, NOW)):
        began_at = NOW - round(share * DAY) - behind
        assert next_at(Progress(logins, denials, position, began_at), NOW) == due


def test_a_walk_that_has_come_to_its_end_within_a_day_does_not_lag() -> None:
    assert next_at(Progress(0, 0, END, NOW - DAY), NOW) == NOW + EVERY * SECOND
    assert next_at(Progress(0, 0, b"", NOW - EVERY * SECOND), NOW) == NOW + EVERY * SECOND
    assert next_at(Progress(0, 0, END, NOW - 2 * DAY), NOW) == NOW


@given(st.integers(-DAY, DAY))
def test_requests_get_three_times_as_long_as_a_batch_took_within_bounds(took: Any) -> None:
    assert 0.01 <= rest(took) <= 5
    if 0.01 <= 3 * took / SECOND <= 5:
        assert rest(took) == 3 * took / SECOND
