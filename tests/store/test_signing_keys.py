"""Every function of store/signing_keys.py, and what the database itself refuses."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from authserver.domain.errors import Unavailable
from authserver.domain.models import RefreshTokenKey
from authserver.store import signing_keys
from authserver.store.database import Database
from tests.harness.constants import SECOND
from tests.store.rows import NOW, a_key


def test_what_is_added_is_loaded_member_for_member_oldest_first(store: Database) -> None:
    times = {"activated_at": 1, "retired_at": 2, "destroyed_at": 3, "removed_at": 4, "revoked_at": 5}
    keys = [a_key("b", "revoked", wrapped=None, **times), a_key("a", "active", created_at=NOW + 1)]
    refresh_keys = [RefreshTokenKey("refresh-2", "wrapped", 2, 20), RefreshTokenKey("refresh-1", "wrapped", 3, 10)]
    with store.begin() as connection:
        for key in reversed(keys):
            signing_keys.add(connection, key)
        for refresh_key in reversed(refresh_keys):
            signing_keys.add_refresh_key(connection, refresh_key)
    with store.begin() as connection:
        state = signing_keys.load(connection)
        assert signing_keys.load_many(connection, [None]) == {None: state}
    assert state == signing_keys.KeyState(tuple(keys), tuple(refresh_keys))


def test_a_kid_from_a_key_service_fits(store: Database) -> None:
    key = a_key("k" * 255, "retired", retired_at=NOW)
    with store.begin() as connection:
        signing_keys.add(connection, key)
    with store.begin() as connection:
        assert key in signing_keys.load(connection).signing_keys


def test_the_row_itself_says_until_when_a_retired_key_is_kept(store: Database) -> None:
    """Its `max_token_ttl` was raised after this process had loaded the key."""
    seen = a_key("retired", "retired", retired_at=NOW, max_token_ttl=900)
    destroyed_at, removed_at = NOW + 90 * SECOND, NOW + (3600 + 330) * SECOND
    with store.begin() as connection:
        signing_keys.add(connection, seen)
        signing_keys.raise_max_token_ttl(connection, 3600, NOW)

        def changed(**members: Any) -> bool:
            return signing_keys.change(connection, seen, replace(seen, wrapped=None, **members))

        assert not changed(state="removed", destroyed_at=removed_at - 1, removed_at=removed_at - 1)
        assert not changed(destroyed_at=destroyed_at - 1)
        assert changed(destroyed_at=destroyed_at)
        seen = replace(seen, wrapped=None, destroyed_at=destroyed_at)
        assert changed(state="removed", removed_at=removed_at)


@pytest.mark.parametrize("state", ["active", "pending"])
def test_the_database_refuses_a_second_active_or_pending_key_of_one_algorithm(store: Database, state: str) -> None:
    with store.begin() as connection:
        signing_keys.add(connection, a_key("first", state))
        signing_keys.add(connection, replace(a_key("es", state), alg="ES256"))
    with pytest.raises(Unavailable, match="(?i)unique"), store.begin() as connection:
        signing_keys.add(connection, a_key("second", state))
    with store.begin() as connection:
        assert {key.kid for key in signing_keys.load(connection).signing_keys} == {"first", "es"}


def test_any_number_of_keys_may_be_retired_or_revoked(store: Database) -> None:
    with store.begin() as connection:
        for number, state in enumerate(["retired", "retired", "revoked", "revoked", "removed", "removed"]):
            signing_keys.add(connection, a_key(str(number), state))
        assert len(signing_keys.load(connection).signing_keys) == 6


def test_a_longer_lived_token_raises_what_signs_or_may_still_sign_and_nothing_else(store: Database) -> None:
    """A process that has not read the keys for 30 s may sign with the one that was retired meanwhile."""
    with store.begin() as connection:
        for state, ttl in (("active", 900), ("pending", 7200)):
            signing_keys.add(connection, a_key(state, state, max_token_ttl=ttl))
        for kid, ago in (("stale", 29), ("retired", 30)):
            signing_keys.add(connection, a_key(kid, "retired", max_token_ttl=900, retired_at=NOW - ago * SECOND))
        signing_keys.raise_max_token_ttl(connection, 3600, NOW)
        kept = {key.kid: key.max_token_ttl for key in signing_keys.load(connection).signing_keys}
    assert kept == {"active": 3600, "pending": 7200, "stale": 3600, "retired": 900}


def test_denials_in_one_group_are_loaded_and_may_be_repeated(store: Database, write: Callable[..., list[Any]]) -> None:
    assert write(*(signing_keys.deny(jti, NOW) for jti in ("b", "a", "a"))) == [True] * 3
    assert write(signing_keys.deny("a", NOW)) == [True]
    with store.begin() as connection:
        assert signing_keys.load_denied_many(connection, ["a", "b", "c"]) == {"a": True, "b": True}
