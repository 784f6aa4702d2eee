"""What a device's page shows next, and when a poll comes too soon."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain.device_authorization import INTERVAL, Polling, Step, is_out_of_turns, next_step
from authserver.domain.models import SECOND
from tests.harness.sign_in_rows import device_code, interaction

NOW = 1_800_000_000 * SECOND
WAITS, HERE, ELSEWHERE = device_code(1, NOW), (1).to_bytes(16), (2).to_bytes(16)
ALLOWED = replace(WAITS, answered_at=NOW, answered_in=HERE, user_id="u_ada")
DENIED = replace(WAITS, answered_at=NOW, answered_in=HERE)


@pytest.mark.parametrize(
    ("code", "seconds", "step"),
    [
        (WAITS, 0, Step.ASK),
        (WAITS, 599, Step.ASK),
        (WAITS, 600, Step.EXPIRED),
        (None, 0, Step.EXPIRED),
        (ALLOWED, 0, Step.ALLOWED),
        (ALLOWED, 600, Step.ALLOWED),
        (DENIED, 0, Step.DENIED),
        (replace(ALLOWED, answered_in=ELSEWHERE), 0, Step.COMPLETED),
        (replace(DENIED, answered_in=ELSEWHERE), 0, Step.COMPLETED),
    ],
)
def test_what_comes_next(code: object, seconds: int, step: Step) -> None:
    for signed_in in (True, False):
        found = next_step(interaction(1, NOW), code, signed_in=signed_in, now=NOW + seconds * SECOND)  # type: ignore[arg-type]
        assert found is (Step.SIGN_IN if step is Step.ASK and not signed_in else step)


def test_rfc8628_3_5_the_interval_grows_by_5_seconds_with_each_poll_that_comes_too_soon() -> None:
    polling = Polling(INTERVAL, None)
    for seconds, too_soon, interval in [(0, False, 5), (2, True, 10), (3, True, 15), (14, False, 15), (30, False, 15)]:
        assert polling.is_too_soon(NOW + seconds * SECOND) is too_soon
        polling = polling.after(NOW + seconds * SECOND)
        assert polling.interval == interval


@given(st.lists(st.integers(0, 20_000), max_size=20))
def test_a_device_that_waits_as_long_as_it_is_told_never_polls_too_soon(delays: list[int]) -> None:
    """Whatever the delays of its requests (milliseconds, at most one second apart)."""
    polling, sent = Polling(INTERVAL, None), NOW
    for delay in delays:
        arrived = sent + min(delay, 1000) * 1000
        assert not polling.is_too_soon(arrived)
        polling = polling.after(arrived)
        sent += (INTERVAL * SECOND) + max(0, delay - 1000) * 1000


@given(st.integers(0, NOW), st.integers(5, 700))
def test_a_poll_in_the_future_counts_for_nothing(ahead: int, interval: int) -> None:
    assert not Polling(interval, NOW + 1 + ahead).is_too_soon(NOW)


def test_the_interval_need_not_grow_beyond_the_codes_own_end() -> None:
    assert [is_out_of_turns(replace(WAITS, poll_interval=interval)) for interval in (5, 595, 600, 605)] == [
        *(False, False),
        *(True, True),
    ]
