"""What introspection reads of an access token, and the clock that nodes share."""

import time
from collections.abc import Callable
from typing import Any

from authserver.store import authorizations, signing_keys, user_claims
from authserver.store.clock import read_many
from authserver.store.database import Database
from authserver.store.schema import denied_tokens
from authserver.store.token_state import TokenKey, load_many, load_with_claims_many
from tests.harness.clock import Clock
from tests.harness.constants import SECOND
from tests.harness.existing import existing
from tests.store.rows import begun


def test_each_key_gets_its_denial_its_login_and_its_client(store: Database, write: Callable[..., list[Any]]) -> None:
    login, _ = begun(store, 1, 2)
    write(signing_keys.deny("denied", 1), authorizations.revoke(login.id, reason="revoked"))
    mine, others = TokenKey("denied", login.id, "app"), TokenKey("jti", None, "other")
    nobodys = TokenKey(None, bytes(16), None)
    with store.begin() as connection:
        found = load_many(connection, [mine, others, nobodys])
    assert set(found) == {mine, others, nobodys}
    assert (found[mine].denied, found[others].denied, found[nobodys].denied) == (True, False, False)
    assert existing(found[mine].record).authorization.revoked_reason == "revoked"
    assert existing(found[mine].client).id == "app"
    assert (found[others].record, existing(found[others].client).id) == (None, "other")
    assert (found[nobodys].record, found[nobodys].client) == (None, None)


def test_userinfo_gets_the_users_claims_too(store: Database) -> None:
    (login,) = begun(store, 1)
    key = TokenKey("jti", login.id, "app")
    with store.begin() as connection:
        user_claims.replace(connection, "u_ada", {"email": "ada@example.com"})
        plain, with_claims = load_many(connection, [key])[key], load_with_claims_many(connection, [key])[key]
    assert existing(existing(with_claims.record).user).claims == {"email": "ada@example.com"}
    assert existing(existing(plain.record).user).claims is None
    assert (with_claims.denied, existing(with_claims.client).id) == (False, "app")


def test_postgresql_tells_its_time_in_microseconds_and_sqlite_none(store: Database, url: str) -> None:
    before = time.time_ns() // 1000
    with store.begin() as connection:
        found = read_many(connection, [None])
    assert found == {} if "sqlite" in url else before <= found[None] <= time.time_ns() // 1000


def test_denials_are_forgotten_as_fast_as_they_are_made(
    store: Database, write: Callable[..., list[Any]], clock: Clock
) -> None:
    """For the client that revokes each of its own access tokens: 20 in a second, each for 3 seconds."""
    kept = []
    for second in range(12):
        write(*(signing_keys.deny(f"{second} {number}", clock() + 3 * SECOND) for number in range(20)))
        clock.forward(1)
        with store.begin() as connection:
            kept.append(len(connection.execute(denied_tokens.select()).all()))
    assert max(kept) <= 5 * 20 and min(kept[3:]) >= 3 * 20


def test_a_backlog_of_expired_denials_goes_while_new_ones_come(
    store: Database, write: Callable[..., list[Any]], clock: Clock
) -> None:
    write(*(signing_keys.deny(f"old {number}", clock() + 1) for number in range(100)))
    clock.forward(1)
    for number in range(50):
        write(signing_keys.deny(f"new {number}", clock() + SECOND))
    with store.begin() as connection:
        kept = set(connection.execute(denied_tokens.select()).scalars())
    assert kept == {f"new {number}" for number in range(50)}


def test_more_keys_than_one_statement_takes_are_all_looked_for(
    store: Database, write: Callable[..., list[Any]]
) -> None:
    denied = {f"denied {number}" for number in range(0, 700, 70)}
    write(*(signing_keys.deny(jti, 1) for jti in sorted(denied)))
    with store.begin() as connection:
        for many in (0, 1, 3, 256, 257, 700):
            asked = [f"denied {number}" for number in range(many)]
            assert set(signing_keys.load_denied_many(connection, asked)) == denied & set(asked)
