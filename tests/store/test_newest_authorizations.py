"""store/authorizations.newest: bounded, in order, and what the database takes for active is active."""

from dataclasses import replace
from typing import Any

import pytest

from authserver.domain.authorization_state import state_of
from authserver.domain.models import SECOND, Policy
from authserver.store import authorizations, clients, users
from authserver.store.database import Database
from tests.harness.existing import existing
from tests.store.rows import NOW, begun

AT = NOW + 1000 * SECOND
VARIANTS: list[dict[str, Any]] = [
    {},
    {"revoked_at": NOW, "revoked_reason": "reuse"},
    {"idle_expires_at": AT},
    {"idle_expires_at": AT + 1},
    {"idle_expires_at": AT + 9, "expires_at": AT},
    {"credential_version": 1},
    {"client_id": "other"},
    {"subject": "u_bob"},
]


def newest(store: Any, **wishes: Any) -> Any:
    with store.begin() as connection:
        everything = {"subject": None, "client_id": None, "active_at": None, "limit": 100} | wishes
        return authorizations.newest(connection, **everything)


def numbers(found: Any) -> Any:
    return [int.from_bytes(loaded.authorization.id) for loaded in found]


def test_the_newest_come_first_and_no_more_than_wanted(store: Database) -> None:
    for number, created_at in ((1, 5), (2, 7), (3, 6), (4, 7)):
        begun(store, number, created_at=created_at)
    assert numbers(newest(store)) == [2, 4, 3, 1]
    assert numbers(newest(store, limit=2)) == [2, 4]


def test_those_of_one_user_or_of_one_client_can_be_asked_for(store: Database) -> None:
    begun(store, 1)
    begun(store, 2, client_id="other")
    begun(store, 3, subject="u_bob", client_id="other")
    assert numbers(newest(store, subject="u_ada")) == [1, 2]
    assert numbers(newest(store, client_id="other")) == [2, 3]
    assert numbers(newest(store, subject="u_ada", client_id="other")) == [2]
    assert [loaded.user.username for loaded in newest(store, client_id="other")] == ["ada", "bob"]


@pytest.mark.parametrize("disabled", ["nobody", "client", "user"])
def test_what_is_active_for_the_database_is_so_for_everybody(store: Database, disabled: str) -> None:
    for number, members in enumerate(VARIANTS):
        begun(store, number, **members)
    with store.begin() as connection:
        if disabled == "client":
            clients.put(connection, replace(existing(clients.load(connection, "other")), disabled=True))
        if disabled == "user":
            users.set_disabled(connection, "bob", True)
        owners = {client.id: client for client in clients.load_all(connection)}
    active = [
        loaded
        for loaded in newest(store)
        if state_of(
            loaded.authorization,
            client=owners[loaded.authorization.client_id],
            user=loaded.user,
            policy=Policy(),
            now=AT,
        ).word
        == "active"
    ]
    assert numbers(newest(store, active_at=AT)) == numbers(active)
    assert len(active) == {"nobody": 4, "client": 3, "user": 3}[disabled]


def test_every_active_login_of_a_user_ends_and_no_other_row_changes(store: Database) -> None:
    for number, members in enumerate(VARIANTS):
        begun(store, number, **members)
    before = {loaded.authorization.id: loaded.authorization for loaded in newest(store)}
    with store.begin() as connection:
        assert authorizations.count_active(connection, "u_ada", AT) == 4
        assert authorizations.end_of_user(connection, "u_ada", reason="operator", now=AT) == 4
        assert authorizations.end_of_user(connection, "u_ada", reason="operator", now=AT) == 0
    ended = [loaded for loaded in newest(store) if loaded.authorization != before[loaded.authorization.id]]
    assert numbers(ended) == [0, 3, 4, 6]
    assert {loaded.authorization.revoked_reason for loaded in ended} == {"operator"}


def test_a_deleted_user_takes_the_authorizations_along(store: Database) -> None:
    begun(store, 1)
    begun(store, 2, revoked_at=NOW, revoked_reason="reuse")
    begun(store, 3, subject="u_bob")
    with store.begin() as connection:
        assert users.remove(connection, "ada") and not users.remove(connection, "ada")
    assert numbers(newest(store)) == [3]
