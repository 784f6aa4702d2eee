"""Why an authorization has ended, in words; and only for one that has ended."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain.end_reason import end_reason
from authserver.domain.models import SECOND, Client, Policy, User
from authserver.domain.rotation import Verdict, judge
from authserver.domain.times import duration, utc
from tests.domain.test_rotation import ADA, LOGIN, NOW, OWNER

times = st.sampled_from([NOW - 1, NOW, NOW + 1])


@given(
    end=times,
    idle_end=times,
    revoked=st.none() | st.sampled_from(["reuse", "revoked", "too_many", "operator"]),
    user=st.sampled_from([None, ADA, replace(ADA, disabled=True), replace(ADA, credential_version=7)]),
)
def test_there_is_a_reason_exactly_where_the_newest_token_is_dead(
    end: Any, idle_end: Any, revoked: Any, user: Any
) -> None:
    authorization = replace(
        LOGIN,
        expires_at=end,
        idle_expires_at=min(end, idle_end),
        revoked_at=NOW if revoked else None,
        revoked_reason=revoked,
    )
    who = {"client": OWNER, "user": user, "policy": Policy(), "now": NOW}
    verdict = judge(authorization.generation, authorization, **who, elapsed=0)
    assert (end_reason(authorization, **who) is not None) == (verdict is Verdict.DEAD)


@pytest.mark.parametrize(
    ("client", "reason"), [(None, "client deleted"), (replace(OWNER, disabled=True), "client disabled")]
)
def test_a_client_that_is_disabled_or_gone(client: Client | None, reason: str) -> None:
    assert end_reason(LOGIN, client=client, user=ADA, policy=Policy(), now=NOW) == reason


def test_a_cause_that_is_not_known_here_is_told_as_it_is() -> None:
    """A newer version, or another command, may have written it."""
    ended = replace(LOGIN, revoked_at=1_800_000_000 * SECOND, revoked_reason="an_operator")
    user: User | None = None
    reason = end_reason(ended, client=None, user=user, policy=Policy(), now=NOW)
    assert reason == "revoked by an operator at 2027-01-15T08:00:00Z"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(604800, "7 days"), (86400, "1 day"), (5400, "90 minutes"), (61, "61 seconds"), (1, "1 second")],
)
def test_a_duration_is_told_in_its_largest_whole_unit(seconds: int, words: str) -> None:
    assert duration(seconds) == words


def test_a_time_is_told_in_whole_seconds_of_utc() -> None:
    assert utc(1_800_000_000 * SECOND + 999_999) == "2027-01-15T08:00:00Z"
