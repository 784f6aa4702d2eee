"""`judge` by itself: every combination of what it looks at, against the table of verdicts in other words."""

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from authserver.domain.models import Authorization, Client, Policy, User
from authserver.domain.refresh_token import MAX_GENERATION
from authserver.domain.rotation import Verdict, is_allowed, is_over, judge
from tests.harness.builders import authorization
from tests.harness.constants import SECOND

NOW = 1_800_000_000 * SECOND + 123_456
OWNER = Client("app", "App", "none", frozenset({"refresh_token"}), ("read",))
STRANGER = replace(OWNER, id="other")
ADA = User("u_ada", "ada", "hash", credential_version=3)
LOGIN = authorization(
    0,
    NOW - 500 * SECOND,
    scope=("read",),
    credential_version=3,
    generation=5,
    rotated_at=NOW - 10 * SECOND,
    idle_expires_at=NOW + 100 * SECOND,
    expires_at=NOW + 1000 * SECOND,
    refresh_key_id="refresh",
)


def verdict(generation: int, login: Authorization = LOGIN, **other: Any) -> Verdict:
    given: dict[str, Any] = {"client": OWNER, "user": ADA, "policy": Policy(), "now": NOW} | other
    given.setdefault("elapsed", max(0, given["now"] - login.rotated_at))
    return judge(generation, login, **given)


OWNERS = {"the owner's": OWNER, "a stranger's": STRANGER}
USERS = {
    "welcome": ADA,
    "disabled": replace(ADA, disabled=True),
    "with a new password": replace(ADA, credential_version=4),
    "with an older version than the login": replace(ADA, credential_version=2),
    "deleted": None,
}
AGES = {"the newest": 5, "the one before": 4, "two before": 3, "the first": 0, "one ahead": 6, "far ahead": 99}
EDGES = (-1, 0, 1)
"""Microseconds from now until an end."""


def expected(
    owner: str, user: str, revoked: bool, ends: tuple[int, int], age: str, in_time: bool, rotates: bool
) -> Verdict:
    """The table, first line that fits."""
    if owner == "a stranger's":
        return Verdict.FOREIGN
    if revoked or min(ends) <= 0 or user != "welcome":
        return Verdict.DEAD
    if age == "the newest":
        return Verdict.ROTATE if rotates else Verdict.USE
    if "ahead" in age:
        return Verdict.AHEAD
    return Verdict.RETRY if age == "the one before" and in_time else Verdict.REUSE


@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize("user", USERS)
def test_every_verdict_is_what_the_table_says_rfc9700_4_14_2(owner: str, user: str) -> None:
    seen = set()
    for revoked, idle, absolute, age, rotates in product((False, True), EDGES, EDGES, AGES, (False, True)):
        for window, elapsed in product((0, 30, 300), (-7, 0, 1, 29_999_999, 30_000_000, 30_000_001, 300_000_000)):
            login = replace(
                LOGIN,
                revoked_at=NOW - 1 if revoked else None,
                idle_expires_at=NOW + idle,
                expires_at=NOW + absolute,
                rotated_at=NOW - elapsed,
            )
            in_time = max(elapsed, 0) < window * 1_000_000
            should = expected(owner, user, revoked, (idle, absolute), age, in_time, rotates)
            policy = Policy(refresh_retry_window=window, rotation=rotates)
            found = verdict(AGES[age], login, client=OWNERS[owner], user=USERS[user], policy=policy)
            assert found is should, (owner, user, revoked, idle, absolute, age, rotates, window, elapsed)
            seen.add(found)
    alive = {Verdict.ROTATE, Verdict.USE, Verdict.AHEAD, Verdict.RETRY, Verdict.REUSE, Verdict.DEAD}
    assert seen == ({Verdict.FOREIGN} if owner != "the owner's" else alive if user == "welcome" else {Verdict.DEAD})


@given(window=st.integers(0, 300), rotated_at=st.integers(0, 2 * NOW), elapsed=st.integers(0, 400 * SECOND))
@example(window=30, rotated_at=NOW - 999_999, elapsed=30 * SECOND - 1)
@example(window=30, rotated_at=NOW - 1, elapsed=30 * SECOND)
@example(window=30, rotated_at=NOW + SECOND, elapsed=30 * SECOND + 1)
@example(window=0, rotated_at=NOW, elapsed=0)
def test_the_retry_window_is_exact_to_the_microsecond_whatever_the_wall_clock_says(
    window: int, rotated_at: int, elapsed: int
) -> None:
    login = replace(LOGIN, rotated_at=rotated_at)
    found = verdict(LOGIN.generation - 1, login, policy=Policy(refresh_retry_window=window), elapsed=elapsed)
    assert found is (Verdict.RETRY if elapsed < window * 1_000_000 else Verdict.REUSE)


@given(
    generation=st.integers(0, MAX_GENERATION),
    stands=st.integers(0, MAX_GENERATION),
    rotated_at=st.integers(0, 2 * NOW),
    revoked_at=st.none() | st.integers(0, 2 * NOW),
    ends=st.tuples(st.integers(0, 2 * NOW), st.integers(0, 2 * NOW)),
    user=st.sampled_from(list(USERS.values())),
    now=st.integers(0, 2 * NOW),
    elapsed=st.integers(0, NOW),
    rotates=st.booleans(),
)
def test_a_stranger_learns_and_changes_nothing_whatever_else_is_true(
    generation: int, stands: int, rotated_at: int, revoked_at: int | None, ends: tuple[int, int], **other: Any
) -> None:
    policy = Policy(rotation=other.pop("rotates"))
    login = replace(LOGIN, generation=stands, rotated_at=rotated_at, revoked_at=revoked_at)
    login = replace(login, idle_expires_at=ends[0], expires_at=ends[1])
    assert verdict(generation, login, client=STRANGER, policy=policy, **other) is Verdict.FOREIGN


@given(behind=st.integers(2, 5), waited=st.integers(-SECOND, 300 * SECOND), window=st.integers(0, 300))
def test_only_the_generation_before_has_a_retry_window(behind: int, waited: int, window: int) -> None:
    login = replace(LOGIN, rotated_at=NOW - waited)
    assert verdict(5 - behind, login, policy=Policy(refresh_retry_window=window)) is Verdict.REUSE


@pytest.mark.parametrize("revoked_at", [0, NOW - 500 * SECOND, NOW - 1, NOW, NOW + SECOND])
@pytest.mark.parametrize("generation", [3, 4, 5, 6])
def test_what_was_revoked_stays_so_whatever_the_clock_says_rfc7009_2_1(revoked_at: int, generation: int) -> None:
    login = replace(LOGIN, revoked_at=revoked_at)
    assert verdict(generation, login) is Verdict.DEAD
    assert is_over(login, 0)


def test_it_ends_at_the_earlier_of_both_ends_and_at_that_very_microsecond() -> None:
    for idle, absolute in ((50, 60), (60, 50), (50, 50)):
        login = replace(LOGIN, idle_expires_at=NOW + idle, expires_at=NOW + absolute)
        assert [is_over(login, NOW + at) for at in (0, 49, 50, 51)] == [False, False, True, True]


@pytest.mark.parametrize("user", USERS)
def test_versions_are_compared_for_equality_never_times(user: str) -> None:
    assert is_allowed(LOGIN, USERS[user]) is (user == "welcome")


def test_the_last_generation_can_be_given_but_not_rotated() -> None:
    last = replace(LOGIN, generation=MAX_GENERATION - 1)
    assert verdict(MAX_GENERATION - 1, last) is Verdict.ROTATE
    assert verdict(MAX_GENERATION, last) is Verdict.DEAD
    assert verdict(MAX_GENERATION, replace(LOGIN, generation=MAX_GENERATION)) is Verdict.DEAD
    assert verdict(MAX_GENERATION - 1, replace(LOGIN, generation=MAX_GENERATION)) is Verdict.RETRY
