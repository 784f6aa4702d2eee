"""Every function of store/authorizations.py, one change at a time."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from authserver.domain.models import SECOND
from authserver.domain.rotation import is_over
from authserver.store import authorizations, users
from authserver.store.database import Database
from tests.harness.builders import IDLE
from tests.harness.clock import Clock
from tests.store.rows import NOW, a_login, begun, generations, rotation, row_of

OVER = a_login(revoked_at=NOW, revoked_reason="revoked")


def test_a_login_is_loaded_member_for_member_with_its_user(store: Database, write: Callable[..., list[Any]]) -> None:
    login = a_login(scope=(), resources=(), salt=bytes(range(32)))
    assert write(authorizations.begin(login, limit=100)) == [True]
    with store.begin() as connection:
        loaded = authorizations.load_many(connection, [login.id, bytes(16)])
        ada = users.load(connection, "ada")
    assert loaded == {login.id: authorizations.AuthorizationRecord(login, ada)}


def test_a_rotation_writes_generation_time_network_and_idle_end(
    store: Database, write: Callable[..., list[Any]], clock: Clock
) -> None:
    (login,) = begun(store, 1)
    clock.forward(5)
    assert write(rotation(login)) == [True]
    rotated: dict[str, Any] = {"generation": 1, "rotated_at": clock(), "rotated_from": "198.51.100.0/24"}
    assert row_of(store) == replace(login, **rotated, idle_expires_at=clock() + IDLE * SECOND)


def test_a_use_moves_the_idle_end_alone(store: Database, write: Callable[..., list[Any]], clock: Clock) -> None:
    (login,) = begun(store, 1)
    clock.forward(5)
    assert write(authorizations.use(login, idle_ttl=60)) == [True]
    assert row_of(store) == replace(login, idle_expires_at=clock() + 60 * SECOND)


@pytest.mark.parametrize(
    "change", [rotation, lambda login: authorizations.use(login, idle_ttl=IDLE)], ids=["rotate", "use"]
)
def test_the_idle_end_never_passes_the_absolute_end(
    store: Database, write: Callable[..., list[Any]], change: Any
) -> None:
    (login,) = begun(store, 1, expires_at=NOW + 7)
    assert write(change(login)) == [True]
    assert row_of(store).idle_expires_at == NOW + 7


def test_a_confirmation_holds_and_writes_nothing(store: Database, write: Callable[..., list[Any]]) -> None:
    (login,) = begun(store, 1)
    assert write(authorizations.confirm(login)) == [True]
    assert row_of(store) == login


@pytest.mark.parametrize(
    "change",
    [rotation, lambda login: authorizations.use(login, idle_ttl=60), authorizations.confirm],
    ids=["rotate", "use", "confirm"],
)
@pytest.mark.parametrize("members", [{"generation": 1}, {"revoked_at": NOW, "revoked_reason": "reuse"}, None], ids=str)
def test_no_guard_holds_for_a_row_that_moved_on_was_revoked_or_is_gone(
    store: Database, write: Callable[..., list[Any]], change: Any, members: Any
) -> None:
    if members is not None:
        begun(store, 1, **members)
    assert write(change(a_login())) == [False]
    assert generations(store) == ({} if members is None else {1: members.get("generation", 0)})
    assert members is None or row_of(store) == a_login(**members)


def test_a_revocation_names_its_reason_and_the_first_one_stands(
    store: Database, write: Callable[..., list[Any]], clock: Clock
) -> None:
    (login,) = begun(store, 1)
    assert write(authorizations.revoke(login.id, reason="reuse")) == [True]
    clock.forward(1)
    assert write(authorizations.revoke(login.id, reason="revoked")) == [False]
    assert row_of(store) == replace(login, revoked_at=NOW, revoked_reason="reuse")


def test_of_revocations_in_one_group_only_the_first_of_each_row_changes_it(
    store: Database, write: Callable[..., list[Any]]
) -> None:
    one, two = begun(store, 1, 2)
    changes = [authorizations.revoke(id, reason="revoked") for id in (one.id, two.id, one.id, bytes(16))]
    assert write(*changes) == [True, True, False, False]


def test_revoking_what_is_not_there_changes_nothing(store: Database, write: Callable[..., list[Any]]) -> None:
    begun(store, 1)
    assert write(authorizations.revoke(bytes(16), reason="revoked")) == [False]
    assert row_of(store) == a_login()


def test_more_active_logins_than_the_limit_end_the_one_idle_longest(
    store: Database, write: Callable[..., list[Any]]
) -> None:
    begun(store, 1, idle_expires_at=NOW + 20)
    begun(store, 2, idle_expires_at=NOW + 10)
    begun(store, 3, idle_expires_at=NOW + 30)
    begun(store, 4, client_id="other", idle_expires_at=NOW + 1)
    begun(store, 5, subject="u_bob", idle_expires_at=NOW + 1)
    assert write(authorizations.begin(a_login(6), limit=3)) == [True]
    over = {number: row_of(store, number).revoked_reason for number in range(1, 7)}
    assert over == {2: "too_many"} | dict.fromkeys((1, 3, 4, 5, 6))


def test_logins_that_are_over_do_not_count_towards_the_most(store: Database, write: Callable[..., list[Any]]) -> None:
    begun(store, 1, idle_expires_at=NOW)
    begun(store, 2, revoked_at=NOW - 1, revoked_reason="revoked")
    begun(store, 3)
    assert write(authorizations.begin(a_login(4), limit=2)) == [True]
    assert [is_over(row_of(store, number), NOW) for number in (3, 4)] == [False, False]
    assert [row_of(store, number).revoked_reason for number in (1, 2)] == [None, "revoked"], "they ended before"


@pytest.mark.parametrize(("limit", "ended"), [(2, []), (1, [1, 2, 3])])
def test_owners_that_log_in_in_one_group_are_counted_apart(
    store: Database, write: Callable[..., list[Any]], limit: int, ended: list[int]
) -> None:
    owners: list[dict[str, Any]] = [{}, {"client_id": "other"}, {"subject": "u_bob"}]
    for number, owner in enumerate(owners, start=1):
        begun(store, number, **owner)
    logins = [a_login(number, **owner) for number, owner in enumerate(owners, start=4)]
    assert write(*(authorizations.begin(login, limit=limit) for login in logins)) == [True] * 3
    assert [number for number in range(1, 7) if row_of(store, number).revoked_reason] == ended


def test_many_logins_of_one_user_in_one_group_keep_the_most(store: Database, write: Callable[..., list[Any]]) -> None:
    logins = [a_login(number, idle_expires_at=NOW + number) for number in range(1, 8)]
    assert write(*(authorizations.begin(login, limit=3) for login in logins)) == [True] * 7
    active = [number for number in range(1, 8) if not is_over(row_of(store, number), NOW)]
    assert active == [5, 6, 7]


@pytest.mark.parametrize(("changed", "kept"), [(False, "stronger"), (True, "new")], ids=["verified", "raced"])
def test_a_rehash_is_written_only_over_the_password_that_was_verified(
    store: Database, write: Callable[..., list[Any]], changed: bool, kept: str
) -> None:
    if changed:
        with store.begin() as connection:
            users.set_password(connection, "ada", "new")
    assert write(authorizations.begin(a_login(), limit=100, rehashed="stronger")) == [True]
    with store.begin() as connection:
        hashes = connection.execute(text("SELECT password_hash FROM users ORDER BY username")).scalars().all()
    assert hashes == [kept, "$argon2id$"]


def test_a_new_login_is_never_the_one_that_ends_however_soon_it_does(
    store: Database, write: Callable[..., list[Any]]
) -> None:
    old = [a_login(number, idle_expires_at=NOW + 100 + number) for number in range(1, 4)]
    assert write(*(authorizations.begin(login, limit=3) for login in old)) == [True] * 3
    assert write(authorizations.begin(a_login(4, idle_expires_at=NOW + 1), limit=3)) == [True]
    active = [number for number in range(1, 5) if not is_over(row_of(store, number), NOW)]
    assert active == [2, 3, 4]
