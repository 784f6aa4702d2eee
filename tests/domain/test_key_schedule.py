"""When a signing key may and will change its state: times that others rely on, to the microsecond."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain import key_schedule
from authserver.domain.key_schedule import (
    KeyPolicy,
    as_of_today,
    destroyable_at,
    due,
    misdated,
    promotable_at,
    promotion_due_at,
    removable_at,
    transitions,
)
from authserver.domain.models import SigningKey
from authserver.domain.timeline import Stretch, Timeline
from tests.harness.constants import SECOND

DAY, STALE = 86400, 30
NOW = 1_800_000_000 * SECOND + 7
POLICY = KeyPolicy(lead_time=DAY, rotation_period=90 * DAY, jwks_max_age=300)
ACTIVE = SigningKey("active", "RS256", "active", {}, "wrapped", 900, NOW - 200 * DAY * SECOND, activated_at=NOW)
PENDING = SigningKey("pending", "RS256", "pending", {}, "wrapped", 900, NOW)
RETIRED = replace(ACTIVE, kid="retired", state="retired", retired_at=NOW)


@given(
    created=st.integers(0, NOW),
    activated=st.integers(0, NOW),
    policy=st.builds(KeyPolicy, st.integers(0, 365 * DAY), st.integers(1, 3650 * DAY), st.integers(0, DAY)),
    ttl=st.integers(1, DAY),
)
def test_each_time_is_the_sum_that_its_name_says(created: int, activated: int, policy: KeyPolicy, ttl: int) -> None:
    pending = replace(PENDING, created_at=created)
    seen_by_all = created + (policy.lead_time + 30) * 1_000_000
    assert promotable_at(pending, policy) == seen_by_all
    worn_out = activated + policy.rotation_period * 1_000_000
    due_at = promotion_due_at(pending, replace(ACTIVE, activated_at=activated), policy)
    assert due_at in (seen_by_all, worn_out) and due_at >= seen_by_all and due_at >= worn_out
    retired = replace(RETIRED, retired_at=activated, max_token_ttl=ttl)
    last_token_expired_everywhere = activated + (30 + ttl + 5 * 60) * 1_000_000
    assert removable_at(retired, policy) == last_token_expired_everywhere + policy.jwks_max_age * 1_000_000
    assert destroyable_at(retired) == activated + (30 + 60) * 1_000_000


def test_every_time_that_others_rely_on_includes_the_30_s_of_a_process_that_cannot_read_the_keys() -> None:
    assert key_schedule.STALE_AFTER == STALE
    nothing_else = KeyPolicy(lead_time=0, rotation_period=1, jwks_max_age=0)
    assert promotable_at(PENDING, nothing_else) - NOW == STALE * SECOND
    assert promotion_due_at(PENDING, ACTIVE, nothing_else) - NOW >= STALE * SECOND
    assert destroyable_at(RETIRED) - NOW == (STALE + 60) * SECOND
    assert removable_at(replace(RETIRED, max_token_ttl=0), nothing_else) - NOW == (STALE + 300) * SECOND


def test_a_private_part_is_destroyed_a_minute_after_the_last_signature_at_the_earliest() -> None:
    assert destroyable_at(RETIRED) - (NOW + STALE * SECOND) >= 60 * SECOND


def test_without_an_active_key_only_the_lead_time_is_waited_for() -> None:
    assert promotion_due_at(PENDING, None, POLICY) == promotable_at(PENDING, POLICY)


def test_a_key_tells_what_is_due_in_each_state() -> None:
    keys = (ACTIVE, PENDING, RETIRED)
    worn_out = NOW + 90 * DAY * SECOND
    assert due(PENDING, keys, POLICY) == {"promotable_at": promotable_at(PENDING, POLICY), "activated_at": worn_out}
    assert due(ACTIVE, keys, POLICY) == {"retired_at": worn_out}
    removed = {"removed_at": removable_at(RETIRED, POLICY)}
    assert due(RETIRED, keys, POLICY) == {"destroyed_at": destroyable_at(RETIRED)} | removed
    assert due(replace(RETIRED, destroyed_at=NOW), keys, POLICY) == removed


def test_a_key_that_only_verifies_has_no_private_part_to_destroy() -> None:
    verifies = replace(RETIRED, activated_at=None)
    removable = removable_at(verifies, POLICY)
    assert due(verifies, (verifies,), POLICY) == {"removed_at": removable}
    steps = transitions((ACTIVE, PENDING, verifies), POLICY, removable, ["RS256"])
    assert [(step.change, step.kid) for step in steps] == [("remove", "retired")]


@pytest.mark.parametrize("state", ["removed", "revoked"])
def test_nothing_lies_ahead_of_what_is_over(state: str) -> None:
    assert due(replace(RETIRED, state=state), (ACTIVE, PENDING), POLICY) == {}


def test_keys_of_another_algorithm_are_not_looked_at() -> None:
    other = replace(PENDING, alg="ES256")
    assert due(ACTIVE, (ACTIVE, other), POLICY) == {}
    assert due(other, (ACTIVE, other), POLICY)["activated_at"] == promotable_at(other, POLICY)


def test_the_default_algorithm_comes_first_and_what_only_a_later_version_knows_is_left_to_that() -> None:
    keys = (replace(ACTIVE, alg="later"), replace(PENDING, alg="unused"))
    steps = transitions(keys, POLICY, NOW, ["ES256", "later"])
    assert [(step.change, step.alg) for step in steps] == [("publish", "RS256"), ("publish", "ES256")]


@pytest.mark.parametrize("nudge", [-1, 0])
def test_the_schedule_acts_on_that_very_microsecond_and_not_before(nudge: int) -> None:
    """What `due` says lies ahead is what `transitions` does then."""
    keys = (ACTIVE, PENDING, RETIRED)
    changes = {"activated_at": "promote", "destroyed_at": "destroy", "removed_at": "remove"}
    for key in keys:
        for name, at in due(key, keys, POLICY).items():
            if name in changes:
                done = {(step.change, step.kid) for step in transitions(keys, POLICY, at + nudge, ["RS256"])}
                assert ((changes[name], key.kid) in done) is (nudge == 0), (key.kid, name)


@given(size=st.integers(3 * SECOND, 1000 * DAY * SECOND), back=st.booleans(), passed=st.integers(0, 200 * DAY * SECOND))
def test_no_step_of_the_clock_makes_a_key_old_or_young(size: int, back: bool, passed: int) -> None:
    """A pending key is promoted when it truly was published for the lead time; a retired one stays for at least as long
    as it truly has to, and no less than its row says."""
    step = -size if back else size
    at = NOW + 10 * SECOND
    timeline = Timeline((Stretch(0),), at).stepped(step, at, at).at(at + passed, step)
    now = at + passed + step
    pending, retired = as_of_today((PENDING, RETIRED), timeline)
    assert now - pending.created_at == 10 * SECOND + passed or (back and size <= 20 * SECOND + passed)
    assert pending.created_at >= now - (10 * SECOND + passed)
    assert retired.retired_at == max(NOW, retired.retired_at or 0)
    assert now - (retired.retired_at or 0) <= 10 * SECOND + passed


def test_without_a_step_keys_are_what_their_rows_say() -> None:
    keys = (ACTIVE, PENDING, RETIRED)
    timeline = Timeline((Stretch(5),), NOW)
    assert as_of_today(keys, timeline) == keys
    assert misdated(keys, timeline, NOW + 5) == ()
    assert misdated(keys, Timeline((Stretch(0),), NOW), NOW) == (), "what was done just now is not still to come"


def test_a_key_from_a_clock_that_was_ahead_is_as_old_as_the_moment_when_that_is_seen() -> None:
    """Else its algorithm's keys would not rotate before that time comes."""
    later = NOW + 365 * DAY * SECOND
    keys = (replace(ACTIVE, activated_at=later), replace(PENDING, created_at=later), replace(RETIRED, retired_at=later))
    active, pending = misdated(keys, Timeline((Stretch(0),), NOW), NOW)
    assert (active.activated_at, pending.created_at) == (NOW, NOW)
