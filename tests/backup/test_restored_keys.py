"""What becomes of the signing keys when a backup replaces a database: for every pair of them, and the cases by name."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.backup.restored_keys import is_fresh, restored, unpublished
from authserver.domain.key_schedule import DESTROYED_AT_LEAST, STALE_AFTER, KeyPolicy
from authserver.domain.models import SECOND, SigningKey

NOW = 1_800_000_000 * SECOND
DAY = 86400 * SECOND
POLICY = KeyPolicy()
STATES = ("pending", "active", "retired", "removed", "revoked")
PUBLISHED = {"pending", "active", "retired"}
ALGS = ("RS256", "ES256")


def key(kid: str, state: str, age: int = 10 * DAY, alg: str = "RS256", ttl: int = 900) -> SigningKey:
    born = NOW - age
    times = {
        "pending": {},
        "active": {"activated_at": born},
        "retired": {"activated_at": born, "retired_at": born},
        "removed": {"activated_at": born, "retired_at": born, "destroyed_at": NOW, "removed_at": NOW},
        "revoked": {"destroyed_at": NOW, "revoked_at": NOW},
    }[state]
    wrapped = f"wrapped {kid}" if state in PUBLISHED else None
    return SigningKey(kid, alg, state, {}, wrapped, ttl, born, **times)


def destroyed(key: SigningKey) -> SigningKey:
    """Its private part is gone, and its tokens live on."""
    return replace(key, wrapped=None, destroyed_at=(key.retired_at or 0) + DESTROYED_AT_LEAST * SECOND)


def state_of(keys: Any) -> dict[str, str]:
    return {key.kid: key.state for key in keys}


def usable(*kids: str) -> dict[str, str]:
    return {kid: f"rewrapped {kid}" for kid in kids}


@st.composite
def databases(draw: Any, least: int = 0) -> tuple[SigningKey, ...]:
    """As the database allows them: one active and one pending key at most for each algorithm."""
    keys, taken = [], set()
    for kid in draw(st.lists(st.sampled_from("ABCDEFG"), unique=True, min_size=least)):
        alg = "ES256" if kid in "FG" else "RS256"
        free = [state for state in STATES if (alg, state) not in taken]
        state = draw(st.sampled_from(free))
        if state in ("pending", "active"):
            taken.add((alg, state))
        row = key(kid, state, draw(st.integers(0, 40)) * DAY, alg, draw(st.sampled_from([900, 9000])))
        keys.append(destroyed(row) if state == "retired" and draw(st.booleans()) else row)
    return tuple(keys)


kids = st.sets(st.sampled_from("ABCDEFG"))


@pytest.mark.thorough
@given(databases(least=1), databases(), kids, kids)
def test_whatever_is_restored_no_key_is_lost_and_no_dead_one_returns(
    backup: Any, replaced: Any, private: Any, revoked: Any
) -> None:
    keys = restored(backup, replaced, usable(*private), revoked, ALGS, NOW)
    was, others, now = state_of(replaced), state_of(backup), state_of(keys)
    assert len(keys) == len(now) and now.keys() == was.keys() | others.keys()
    for kid, state in now.items():
        named = kid in revoked or "revoked" in (was.get(kid), others.get(kid))
        assert (state == "revoked") == named
        if not named and (was or others).get(kid) in PUBLISHED | {None} and kid in was:
            assert state in PUBLISHED, "verifiers saw it, and its tokens live"
        if was.get(kid, others.get(kid)) == "removed" and not named:
            assert state == "removed"


@given(databases(least=1), databases(), kids, kids)
def test_whatever_is_restored_the_database_takes_it_and_the_server_can_use_it(
    backup: Any, replaced: Any, private: Any, revoked: Any
) -> None:
    keys = restored(backup, replaced, usable(*private), revoked, ALGS, NOW)
    for alg in ("RS256", "ES256"):
        states = [key.state for key in keys if key.alg == alg]
        assert states.count("active") <= 1 and states.count("pending") <= 1
    for one in keys:
        if one.state in ("active", "pending"):
            assert one.wrapped == f"rewrapped {one.kid}" and one.retired_at is one.destroyed_at is None
        else:
            assert one.wrapped is None or (one.state == "retired" and one.kid in private)
        assert one.state != "active" or one.activated_at is not None
        assert one.state != "retired" or one.retired_at is not None
        assert one.max_token_ttl >= max(
            (k.max_token_ttl for k in (*backup, *replaced) if k.kid == one.kid and one.state in PUBLISHED), default=0
        )
    if any(k.alg == "RS256" and k.state in PUBLISHED and k.kid in private and k.kid not in revoked for k in replaced):
        held = {k.kid for k in keys if k.alg == "RS256" and k.state == "active"}
        assert held <= {k.kid for k in replaced}, "a key that the last JWKS has comes before one that it has not"


@given(databases(least=1))
def test_a_backup_alone_comes_back_as_it_was(backup: Any) -> None:
    again = restored(backup, (), {k.kid: k.wrapped for k in backup if k.wrapped}, (), ALGS, NOW)
    published = {k.kid for k in again if k.state == "pending"}
    if any(k.alg == "RS256" and k.state == "active" for k in backup):
        assert [k for k in again if k.kid not in published] == [k for k in backup if k.kid not in published]


def test_the_signing_key_keeps_signing() -> None:
    backup, replaced = (key("A", "active"), key("B", "pending")), (key("A", "retired"), key("B", "active"))
    keys = restored(backup, replaced, usable("A", "B"), (), ALGS, NOW)
    assert state_of(keys) == {"A": "retired", "B": "active"}
    assert unpublished(keys, replaced, POLICY, NOW) == ()


def test_a_key_that_the_replaced_database_lacks_is_published_for_its_tokens_and_does_not_sign() -> None:
    backup, replaced = (key("A", "active"), key("B", "pending")), (key("A", "retired"), key("C", "active"))
    keys = restored(backup, replaced, usable("A", "B", "C"), (), ALGS, NOW)
    assert state_of(keys) == {"A": "retired", "B": "pending", "C": "active"}
    assert keys[1].created_at == NOW, "its lead time begins now"
    known = restored(backup, (key("A", "active"), key("B", "pending")), usable("A", "B"), (), ALGS, NOW)
    assert known[1].created_at == backup[1].created_at, "its lead time began when it was published"


def test_if_the_active_key_does_not_open_the_published_one_signs_if_verifiers_have_it() -> None:
    lead_time = (POLICY.lead_time + STALE_AFTER) * SECOND
    for age, refused in ((lead_time, ()), (lead_time - 1, ("B",))):
        replaced = (key("A", "active"), key("B", "pending", age))
        keys = restored((key("A", "pending"),), replaced, usable("B"), (), ALGS, NOW)
        assert state_of(keys) == {"A": "retired", "B": "active"}
        assert tuple(k.kid for k in unpublished(keys, replaced, POLICY, NOW)) == refused


def test_a_key_that_was_removed_never_signs_again() -> None:
    backup, replaced = (key("A", "active"),), (key("A", "removed"), key("B", "active"))
    assert state_of(restored(backup, replaced, usable("A"), (), ALGS, NOW)) == {"A": "removed", "B": "retired"}


def test_a_retired_key_signs_again_only_if_nothing_better_opens() -> None:
    backup, replaced = (key("A", "active"),), (key("A", "retired"), key("B", "active"))
    assert state_of(restored(backup, replaced, usable("A", "B"), (), ALGS, NOW)) == {"A": "retired", "B": "active"}
    keys = restored(backup, replaced, usable("A"), (), ALGS, NOW)
    assert state_of(keys) == {"A": "active", "B": "retired"}
    assert unpublished(keys, replaced, POLICY, NOW) == ()


def test_of_two_retired_keys_the_newer_one_signs_again() -> None:
    replaced = (key("A", "retired", 2 * DAY), key("B", "retired", DAY), key("C", "active"))
    keys = restored((), replaced, usable("A", "B"), (), ALGS, NOW)
    assert state_of(keys) == {"A": "retired", "B": "active", "C": "retired"}


def test_no_algorithm_begins_to_sign_before_its_lead_time() -> None:
    """RFC 9068 s2.1: RS256 is there for all while another algorithm's key is only published."""
    replaced = (key("A", "active"), key("E", "pending", SECOND, "ES256"))
    assert restored(replaced, replaced, usable("A", "E"), (), ALGS, NOW)[1].state == "pending"


def test_what_verifiers_have_is_unknown_once_the_backup_is_older_than_the_jwks() -> None:
    backup = (key("A", "active"), key("B", "pending"))
    keys = restored(backup, (), usable("A", "B"), (), ALGS, NOW)
    assert unpublished(keys, backup, POLICY, NOW) == ()
    assert [k.kid for k in unpublished(keys, (), POLICY, NOW)] == ["A"]
    assert is_fresh(NOW - 300 * SECOND, POLICY, NOW) and not is_fresh(NOW - 301 * SECOND, POLICY, NOW)


def test_a_private_part_that_was_destroyed_is_not_brought_back_beside_a_key_that_signs() -> None:
    replaced = (destroyed(key("A", "retired")), key("B", "active"))
    keys = restored((key("A", "active"),), replaced, usable("A", "B"), (), ALGS, NOW)
    assert [k.wrapped for k in keys] == [None, "rewrapped B"]


def test_an_algorithm_keeps_signing_as_in_the_replaced_database() -> None:
    for before, now, after in (("pending", "active", "active"), ("active", "retired", "retired")):
        backup, replaced = ((key("A", "active"), key("F", state, alg="ES256")) for state in (before, now))
        keys = restored(backup, replaced, usable("A", "F"), (), ALGS, NOW)
        assert state_of(keys) == {"A": "active", "F": after}


def test_what_verifiers_still_hold_signs_before_what_only_the_backup_published() -> None:
    backup, replaced = (key("A", "active"), key("B", "pending")), (key("A", "retired"), key("C", "active"))
    keys = restored(backup, replaced, usable("A", "B"), (), ALGS, NOW)
    assert state_of(keys) == {"A": "active", "B": "pending", "C": "retired"}


def test_what_nobody_uses_stops_signing_and_stays_for_its_tokens() -> None:
    keys = (key("A", "active"), key("F", "active", alg="ES256"), key("G", "pending", alg="ES256"))
    again = restored(keys, keys, usable("A", "F", "G"), (), ("RS256",), NOW)
    assert state_of(again) == {"A": "active", "F": "retired", "G": "retired"}


def test_a_key_is_revoked_now_unless_its_row_says_when_it_was_revoked_and_destroyed() -> None:
    retired, revoked = destroyed(key("A", "retired", DAY)), key("A", "revoked")
    for row, destroyed_at, revoked_at in (
        (key("A", "active"), NOW, NOW),
        (retired, retired.destroyed_at, NOW),
        (replace(revoked, destroyed_at=NOW - 2, revoked_at=NOW - 1), NOW - 2, NOW - 1),
    ):
        (again,) = restored((row,), (), usable("A"), ("A",), ALGS, NOW)
        assert (again.wrapped, again.destroyed_at, again.revoked_at) == (None, destroyed_at, revoked_at)


def test_of_a_key_that_is_over_the_replaced_database_knows_better() -> None:
    for before, now in (("revoked", "revoked"), ("active", "removed")):
        backup, replaced = key("A", before, 2 * DAY, ttl=9000), key("A", now, DAY)
        (again,) = restored((backup,), (replaced,), {}, (), ALGS, NOW)
        assert again == replace(replaced, max_token_ttl=9000 if now == "revoked" else 900)


def test_a_revoked_key_keeps_the_longest_lifetime_that_either_knows() -> None:
    for pair in (("revoked", "active"), ("active", "revoked"), ("revoked", "revoked")):
        for lifetimes in ((900, 9000), (9000, 900)):
            backup, replaced = (key("A", state, ttl=ttl) for state, ttl in zip(pair, lifetimes, strict=True))
            assert restored((backup,), (replaced,), {}, (), ALGS, NOW)[0].max_token_ttl == 9000
