"""The schedule and what it does, as a state machine with jumps of the clock: no verifier fails, nothing ever sticks."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from authserver.domain import key_transitions
from authserver.domain.key_schedule import KeyPolicy, Keys, Transition, in_state, promotable_at, transitions
from authserver.domain.key_timeline import apply_due, apply_step, coming_events, published
from authserver.domain.models import SigningKey
from tests.harness.constants import SECOND
from tests.harness.existing import existing

DAY = 86400
START = 1_800_000_000 * SECOND
POLICY = KeyPolicy(lead_time=DAY, rotation_period=30 * DAY, jwks_max_age=300)
TTL = 900


def maker() -> Callable[..., Any]:
    numbers = count()
    return lambda alg: SigningKey(f"k{next(numbers)}", alg, "pending", {"kty": "RSA"}, "wrapped", TTL, START)


def first_keys(make: Any) -> Keys:
    return key_transitions.all_revoked((make("RS256"),), START, make)[1:]


def run_due(
    keys: Keys, policy: KeyPolicy, now: int, make: Any, algs: Any = ("RS256",)
) -> tuple[list[Transition], Keys]:
    """As the lifecycle does it, without a database."""
    done = []
    while steps := transitions(keys, policy, now, algs):
        done.append(steps[0])
        foretold = apply_step(keys, steps[0], now)
        keys = key_transitions.merged(keys, key_transitions.apply(keys, steps[0], now, make))
        assert _states(keys) == _states(foretold)
        assert len(done) < 100, "the schedule does not converge"
    return done, keys


@dataclass
class Token:
    kid: str
    expires_at: int


class Lifecycle(RuleBasedStateMachine):
    """One algorithm's keys under the schedule, operators, and a clock that only rarely goes back."""

    @initialize(
        lead=st.integers(0, 2 * DAY),
        period=st.integers(1, 90 * DAY),
        max_age=st.integers(0, DAY),
        ttl=st.integers(1, DAY),
    )
    def begin(self, lead: Any, period: Any, max_age: Any, ttl: Any) -> None:
        self.policy = KeyPolicy(lead, period, max_age)
        self.make, self.now, self.ttl, self.algs = maker(), START + 1, ttl, {"RS256"}
        self.keys = self._with_ttl(first_keys(self.make))
        self.tokens: list[Token] = []
        self.exempt = {key.kid for key in self.keys}  # the first key is known to nobody, and signs at once
        self.seen = {key.kid for key in self.keys}

    def _with_ttl(self, keys: Keys) -> Keys:
        """What raise_max_token_ttl does before such a token may be signed."""
        signs = ("active", "pending")
        return tuple(
            SigningKey(**{**_members(key), "max_token_ttl": max(key.max_token_ttl, self.ttl)})
            if key.state in signs
            else key
            for key in keys
        )

    def _write(self, changed: Keys) -> None:
        known = {key.kid for key in self.keys}
        assert not self.seen & {key.kid for key in changed if key.kid not in known}, "a kid was used again"
        for step in range(1, len(changed) + 1):  # never two active or two pending, not even between two rows
            _assert_at_most_one(key_transitions.merged(self.keys, changed[:step]))
        self.keys = key_transitions.merged(self.keys, changed)
        self.seen |= {key.kid for key in changed}

    @rule(seconds=st.one_of(st.integers(1, 600), st.integers(1, 3 * DAY), st.integers(1, 900 * DAY)))
    def time_passes(self, seconds: Any) -> None:
        self.now += seconds * SECOND

    @rule(seconds=st.integers(1, 40 * DAY))
    def the_clock_is_set_back(self, seconds: Any) -> None:
        self.now -= seconds * SECOND
        self.tokens.clear()  # what is left of their lives cannot be told any more

    @rule()
    def one_step_of_the_schedule(self) -> None:
        """As if the process were killed after its first transaction."""
        for step in transitions(self.keys, self.policy, self.now, self.algs)[:1]:
            self._write(key_transitions.apply(self.keys, step, self.now, self.make))

    @rule()
    def the_schedule_runs(self) -> None:
        steps, foretold = apply_due(self.keys, self.policy, self.now, self.algs)
        for number in range(100):
            for step in transitions(self.keys, self.policy, self.now, self.algs)[:1]:
                assert (step.change, step.alg) == (steps[number].change, steps[number].alg)
                self._write(key_transitions.apply(self.keys, step, self.now, self.make))
        assert _states(self.keys) == _states(foretold)
        assert run_due(self.keys, self.policy, self.now, self.make, self.algs)[0] == []

    @rule(emergency=st.booleans())
    def an_operator_promotes(self, emergency: Any) -> None:
        pending = existing(in_state(self.keys, "RS256", "pending"))
        if emergency or self.now >= promotable_at(pending, self.policy):
            self.exempt |= {pending.kid} if emergency else set()
            self._write(key_transitions.promoted(self.keys, "RS256", self.now, self.make))

    @rule(which=st.integers(0, 100))
    def an_operator_revokes(self, which: Any) -> None:
        kid = self.keys[which % len(self.keys)].kid
        state = next(key for key in self.keys if key.kid == kid).state
        self.exempt |= {key.kid for key in self.keys if key.state == "pending"}
        self._write(key_transitions.revoked(self.keys, kid, self.now, self.make))
        self.tokens = [token for token in self.tokens if token.kid != kid]
        assert kid not in published(self.keys)
        assert state == "removed" or next(key for key in self.keys if key.kid == kid).wrapped is None

    @rule()
    def a_host_is_compromised(self) -> None:
        self._write(key_transitions.all_revoked(self.keys, self.now, self.make))
        self.tokens.clear()
        self.exempt |= {key.kid for key in self.keys}

    @rule()
    def a_key_is_imported(self) -> None:
        self._write(key_transitions.imported(self.keys, self.make("RS256"), self.now))

    @rule(ttl=st.integers(1, 7 * DAY))
    def a_longer_lived_policy_takes_effect(self, ttl: Any) -> None:
        self.ttl = max(self.ttl, ttl)
        self.keys = self._with_ttl(self.keys)

    @rule(algs=st.sampled_from([{"RS256", "ES256"}, {"RS256"}]), by_hand=st.booleans())
    def clients_use_another_algorithm_or_do_not_any_more(self, algs: Any, by_hand: Any) -> None:
        """By the command, which changes the keys too; or in the database, where the schedule finds it."""
        self.algs = algs
        if by_hand:
            self.the_schedule_runs()
        else:
            self._write(key_transitions.for_algorithms(self.keys, algs, self.now, self.make))

    @rule(late=st.integers(0, 30), alg=st.sampled_from(["RS256", "ES256"]))
    def a_token_is_signed(self, late: Any, alg: Any) -> None:
        """By the active key, or by a process that has not read for a while and signs with the one before."""
        retired = [
            key
            for key in self.keys
            if key.alg == alg and key.state == "retired" and 0 <= self.now - existing(key.retired_at) <= late * SECOND
        ]
        active = in_state(self.keys, alg, "active") or in_state(self.keys, "RS256", "active")
        signer = retired[0] if retired else existing(active)
        self.tokens.append(Token(signer.kid, self.now + min(self.ttl, signer.max_token_ttl) * SECOND))

    @invariant()
    def exactly_one_key_is_active_and_one_is_pending(self) -> None:
        if hasattr(self, "keys"):
            states = [(key.alg, key.state) for key in self.keys]
            assert (states.count(("RS256", "active")), states.count(("RS256", "pending"))) == (1, 1)
            assert states.count(("ES256", "pending")) == len(self.algs) - 1  # none for what nobody uses
            assert states.count(("ES256", "active")) <= len(self.algs) - 1

    @invariant()
    def every_living_token_is_verified(self) -> None:
        if hasattr(self, "keys"):
            unexpired = {token.kid for token in self.tokens if token.expires_at > self.now}
            assert unexpired <= set(published(self.keys))

    @invariant()
    def no_key_signed_before_it_was_published_for_the_lead_time(self) -> None:
        if hasattr(self, "keys"):
            for key in self.keys:
                if key.activated_at is not None and key.kid not in self.exempt:
                    assert key.activated_at >= key.created_at + self.policy.lead_time * SECOND

    @invariant()
    def what_signs_or_will_sign_has_its_private_part_and_what_is_gone_has_not(self) -> None:
        if hasattr(self, "keys"):
            for key in self.keys:
                assert (key.wrapped is None) or key.state in ("active", "pending", "retired")
                assert (key.wrapped is None) is (key.destroyed_at is not None)
                assert key.wrapped or key.state not in ("active", "pending")

    @precondition(lambda self: hasattr(self, "keys"))
    @rule()
    def the_timeline_tells_the_truth(self) -> None:
        """What it says is next happens then, and not before."""
        ahead = [event for event in coming_events(self.keys, self.policy) if event.change != "promotable"]
        at = max(ahead[0].at, self.now)
        assert not transitions(self.keys, self.policy, min(self.now, ahead[0].at - 1), self.algs)
        steps = transitions(self.keys, self.policy, at, self.algs)
        assert (ahead[0].change, ahead[0].kid) in {(step.change, step.kid) for step in steps}


def _members(key: SigningKey) -> dict[str, Any]:
    return {name: getattr(key, name) for name in key.__dataclass_fields__}


def _states(keys: Keys) -> list[Any]:
    """What can be foretold of keys, some of which are still to be made."""
    return [(key.alg, key.state, key.created_at, key.activated_at, key.retired_at, key.removed_at) for key in keys]


def _assert_at_most_one(keys: Keys) -> None:
    states = [(key.alg, key.state) for key in keys if key.state in ("active", "pending")]
    assert len(states) == len(set(states))


TestLifecycle = Lifecycle.TestCase
TestLifecycle.settings = settings(max_examples=150, stateful_step_count=40)


def test_a_machine_that_was_off_for_a_year_is_right_after_one_run() -> None:
    make = maker()
    keys = first_keys(make)
    done, keys = run_due(keys, POLICY, START + 365 * DAY * SECOND, make)
    assert [step.change for step in done] == ["promote"]
    done, keys = run_due(keys, POLICY, START + 2 * 365 * DAY * SECOND, make)
    assert [step.change for step in done] == ["promote", "destroy", "remove"]
    assert sorted(key.state for key in keys) == ["active", "pending", "removed", "retired"]


def test_a_year_of_routine_promotes_every_period_and_keeps_nothing_too_long() -> None:
    make = maker()
    keys, now, promotions = first_keys(make), START, []
    while now < START + 365 * DAY * SECOND:
        done, keys = run_due(keys, POLICY, now, make)
        promotions += [now for step in done if step.change == "promote"]
        now += 600 * SECOND
    assert len(promotions) == 12
    assert {later - sooner for sooner, later in zip(promotions, promotions[1:], strict=False)} == {30 * DAY * SECOND}
    assert [key.state for key in keys].count("retired") <= 1
    assert all(
        key.removed_at - existing(key.retired_at) <= (TTL + 330 + 300 + 600) * SECOND for key in keys if key.removed_at
    )


def test_the_first_key_of_an_algorithm_waits_for_the_lead_time_and_the_default_algorithm_for_nothing() -> None:
    make = maker()
    keys = key_transitions.for_algorithms(first_keys(make), {"RS256", "EdDSA"}, START, make)
    new = keys[0]
    keys = (*first_keys(make), *keys)
    assert (new.alg, new.state, len(keys)) == ("EdDSA", "pending", 3)
    _, keys = run_due(keys, POLICY, promotable_at(new, POLICY) - 1, make, ["EdDSA"])
    assert in_state(keys, "EdDSA", "active") is None
    done, keys = run_due(keys, POLICY, promotable_at(new, POLICY), make, ["EdDSA"])
    assert [(step.change, step.alg) for step in done] == [("promote", "EdDSA")]
    assert existing(in_state(keys, "EdDSA", "active")).kid == new.kid
    events = {event.kid: event.change for event in coming_events(keys, POLICY) if event.change == "promote"}
    assert len(events) == 2  # of both algorithms


def test_when_no_client_uses_an_algorithm_its_tokens_are_verified_to_their_end() -> None:
    make = maker()
    later = (replace(key, alg="ES256", created_at=START + 1, activated_at=None) for key in first_keys(make))
    keys = (
        *first_keys(make),
        *(replace(key, activated_at=START + 1) if key.state == "active" else key for key in later),
    )
    signed, waits = (existing(in_state(keys, "ES256", state)).kid for state in ("active", "pending"))
    done, keys = run_due(keys, POLICY, START + 1, make)
    assert [(step.change, step.kid) for step in done] == [("retire", signed), ("withdraw", waits)]
    removed_at = START + (TTL + 330 + 300) * SECOND + 1
    _, keys = run_due(keys, POLICY, removed_at - 1, make)
    assert signed in published(keys)
    done, keys = run_due(keys, POLICY, removed_at, make)
    assert [(step.change, step.kid) for step in done] == [("remove", signed)]


def test_the_first_keys_of_an_algorithm_wait_for_its_clients_until_they_are_rotated() -> None:
    make = maker()
    keys = (*first_keys(make), *(replace(key, alg="ES256") for key in first_keys(make)))
    assert run_due(keys, POLICY, START, make) == ([], keys)
    promoted = key_transitions.apply(
        keys, Transition("promote", "ES256", existing(_pending(keys)).kid), START + 1, make
    )
    kids = {key.kid: key for key in (*keys, *promoted)}
    done, keys = run_due(tuple(kids.values()), POLICY, START + 1, make)
    assert {step.change for step in done} == {"retire", "withdraw"} and {step.alg for step in done} == {"ES256"}


def _pending(keys: Keys) -> SigningKey | None:
    return in_state(keys, "ES256", "pending")


@pytest.mark.parametrize("missing", ["active", "pending"])
def test_a_missing_key_is_made_up_for(missing: str) -> None:
    make = maker()
    keys = tuple(key for key in first_keys(make) if key.state != missing)
    _, keys = run_due(keys, POLICY, START + 1, make)
    assert {key.state for key in keys} == {"active", "pending"}


def test_a_new_key_inherits_the_longest_lifetime_of_a_token() -> None:
    make = maker()
    keys = tuple(SigningKey(**_members(key) | {"max_token_ttl": 7200}) for key in first_keys(make))
    changed = key_transitions.promoted(keys, "RS256", START, make)
    changed += key_transitions.for_algorithms(
        keys, {"RS256", "ES256"}, START, make
    )  # which was another's tokens until now
    assert [key.max_token_ttl for key in changed] == [7200] * 4


@pytest.mark.parametrize(("ttl", "inherited"), [(900, 7200), (9000, 9000)], ids=["shorter", "longer"])
def test_a_new_keys_own_lifetime_counts_and_that_of_keys_which_never_sign_here_does_not(
    ttl: int, inherited: int
) -> None:
    active, pending = (replace(key, max_token_ttl=7200) for key in first_keys(maker()))
    verifies = replace(active, kid="theirs", state="retired", activated_at=None, retired_at=START, max_token_ttl=86400)
    over = [replace(active, kid=state, state=state, max_token_ttl=86400) for state in ("removed", "revoked")]
    new = replace(pending, kid="new", max_token_ttl=ttl)
    made = key_transitions.new_pending((active, pending, verifies, *over), "RS256", START, lambda alg: new)
    assert made.max_token_ttl == inherited


def test_what_is_over_keeps_the_times_that_its_row_has() -> None:
    make = maker()
    active, pending = first_keys(make)
    retired = replace(active, kid="retired", state="retired", retired_at=START, wrapped=None, destroyed_at=START + 1)
    over = [replace(retired, kid=state, state=state) for state in ("removed", "revoked")]
    keys, now = (active, pending, retired, *over), START + 9
    (removed,) = key_transitions.apply(keys, Transition("remove", "RS256", "retired"), now, make)
    assert (removed.state, removed.destroyed_at, removed.removed_at) == ("removed", START + 1, now)
    gone = [key for key in key_transitions.all_revoked(keys, now, make) if key.state == "revoked"]
    assert [(key.kid, key.wrapped, key.destroyed_at, key.revoked_at) for key in gone] == [
        (active.kid, None, now, now),
        (pending.kid, None, now, now),
        ("retired", None, START + 1, now),
    ]


def test_the_timeline_goes_through_the_next_promotion_to_the_end_of_what_it_retires() -> None:
    keys = first_keys(maker())
    old, new = (existing(in_state(keys, "RS256", state)).kid for state in ("active", "pending"))
    events, later = coming_events(keys, POLICY), "new key 1"
    assert [(event.change, event.kid) for event in events] == [
        ("promotable", new),
        ("promote", new),
        ("destroy", old),
        ("remove", old),
        ("promotable", "new key 1"),
    ]
    assert [(event.at - START) // SECOND for event in events] == [
        DAY + 30,
        30 * DAY,
        30 * DAY + 90,
        30 * DAY + TTL + 330 + 300,
        31 * DAY + 30,
    ]
    assert [event.published for event in events] == [
        (old, new),
        (new, later, old),
        (new, later, old),
        (new, later),
        (new, later),
    ]
    assert [event.replaced for event in events] == [None, old, None, None, None]


def test_the_timeline_begins_with_the_end_of_a_key_that_has_just_retired() -> None:
    make = maker()
    keys, now = first_keys(make), START + 30 * DAY * SECOND
    keys = key_transitions.merged(keys, key_transitions.promoted(keys, "RS256", now, make))
    changes = [event.change for event in coming_events(keys, POLICY)]
    assert changes == ["destroy", "remove", "promotable", "promote", "destroy", "remove", "promotable"]


def test_keys_that_are_still_to_be_made_are_numbered_on_from_those_that_were_foretold() -> None:
    keys = first_keys(maker())
    for _ in range(2):
        keys = apply_step(keys, Transition("promote", "RS256"), START)
    assert published(keys)[:2] == ("new key 1", "new key 2")


def test_keys_that_replaced_revoked_ones_are_not_the_first_though_the_clock_was_set_back_before() -> None:
    make = maker()
    keys = first_keys(make)
    keys = key_transitions.merged(keys, key_transitions.for_algorithms(keys, {"RS256", "ES256"}, START, make))
    earlier = START - SECOND
    keys = key_transitions.merged(keys, key_transitions.all_revoked(keys, earlier, make))
    keys = key_transitions.merged(keys, key_transitions.for_algorithms(keys, {"RS256"}, earlier, make))
    assert {key.alg for key in keys if key.state in ("active", "pending")} == {"RS256"}
