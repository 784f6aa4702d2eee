"""What people change of their own account, on every database: who wins a race, and what ends with it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from authserver.domain import links
from authserver.domain.models import Client, LinkKind, User
from authserver.store import account_data, clients, codes, consents, interactions, schema, session_ends, sessions, users
from authserver.store import links as stored_links
from authserver.store.account_changes import (
    ReplacePassword,
    RequestDeletion,
    delete_due,
    load_due_many,
    replace_password,
    request_deletion,
)
from authserver.store.account_data import AccountKey, Part
from authserver.store.authorizations import begin
from authserver.store.changes import Change
from authserver.store.database import Database
from authserver.store.password_resets import reset
from authserver.store.sessions import BeginSession
from tests.harness.clock import Clock
from tests.harness.existing import existing
from tests.harness.sign_in_rows import code, consent, interaction, session
from tests.store.rows import a_login, row_of
from tests.store.test_sign_in_rows import Write, add_sessions, all_rows


def add_online(clock: Clock, number: int, **members: Any) -> Any:
    later = {"idle_expires_at": clock() + 10**9, "expires_at": clock() + 10**9}
    return begin(a_login(number, **later | members), limit=10)


def test_a_new_password_ends_the_other_sessions_and_only_the_first_of_two_wins(
    store: Database, clock: Clock, write: Write
) -> None:
    add_sessions(store, 1, 2, clock=clock)
    add_sessions(store, 3, clock=clock, user_id="u_bob")
    write(add_online(clock, 1, session_id=(2).to_bytes(16), ends_with_session=True))
    keep = replace(session(1, clock()), secret_hash=b"new" * 8)
    first, second = (ReplacePassword("u_ada", 0, hash, keep) for hash in ("first", "second"))
    assert write(replace_password(first), replace_password(second)) == [True, False]
    assert (first.ended, second.ended) == ([(2).to_bytes(16)], [])
    passwords = {row.id: (row.password_hash, row.credential_version) for row in all_rows(store, schema.users)}
    assert passwords["u_ada"] == ("first", 1) and passwords["u_bob"][1] == 0
    rows = {int.from_bytes(row.id): row for row in all_rows(store, schema.sessions)}
    assert {number: row.ended_at is None for number, row in rows.items()} == {1: True, 2: False, 3: True}
    assert (rows[1].credential_version, rows[1].secret_hash) == (1, b"new" * 8)
    assert row_of(store).revoked_reason == "password_changed"


def by_a_reset(store: Database, clock: Clock) -> Change:
    user = User("u_ada", "ada", "")
    link = links.new(LinkKind.RESET, bytes(16), refresh_key_id="refresh-1", now=clock(), user=user)
    with store.begin() as connection:
        stored_links.put(connection, link)
    return reset(link, user, "hash", ended=[])


WAYS: dict[str, Callable[[Database, Clock], Change]] = {
    "password": lambda _, clock: replace_password(ReplacePassword("u_ada", 0, "hash", session(1, clock()))),
    "deletion": lambda _, clock: request_deletion(RequestDeletion("u_ada", 0, clock() + 1)),
    "reset": by_a_reset,
    "others": lambda _, clock: sessions.end_others("u_ada", keep=(1).to_bytes(16), ended=[]),
}


@pytest.mark.parametrize("way", WAYS)
def test_whatever_a_person_ends_sessions_with_uses_up_their_codes_and_tells_their_clients(
    store: Database, clock: Clock, write: Write, way: str
) -> None:
    add_sessions(store, 1, 2, clock=clock)
    there = (2).to_bytes(16)
    write(codes.issue(code(1, clock(), session_id=there), idle_expires_at=1, interaction=None))
    with store.begin() as connection:
        session_ends.note_clients(connection, [(there, "app")])
        uri = '{"backchannel_logout_uri": "https://app.example/"}'
        connection.execute(schema.clients.update().values(client_metadata=uri))
    assert write(WAYS[way](store, clock)) == [True]
    (message,) = all_rows(store, schema.outbox)
    assert (message.queue, message.session_id, message.user_id) == ("logout app", there, "u_ada")
    assert all_rows(store, schema.codes) == []


def test_withdrawing_a_consent_ends_all_that_the_client_may_do_for_this_user(
    store: Database, clock: Clock, write: Write
) -> None:
    add_sessions(store, 1, clock=clock)
    with store.begin() as connection:
        clients.add(connection, Client("other", "Other", "none", frozenset({"password"}), ("openid",)))
    write(interactions.begin(interaction(1, clock())))
    assert write(consents.agree(consent(clock()), interaction(1, clock()))) == [True]
    write(add_online(clock, 1), add_online(clock, 2, subject="u_bob"), add_online(clock, 3, client_id="other"))
    add_sessions(store, 2, clock=clock, user_id="u_bob")
    others = (code(2, clock(), user_id="u_bob"), code(3, clock(), client_id="other", session_id=(1).to_bytes(16)))
    write(*(codes.issue(each, idle_expires_at=1, interaction=None) for each in (code(1, clock()), *others)))
    assert write(consents.withdraw("u_ada", "app"), consents.withdraw("u_ada", "app")) == [True, True]
    revoked = {int.from_bytes(row.id): row.revoked_reason for row in all_rows(store, schema.authorizations)}
    assert revoked == {1: "consent_withdrawn", 2: None, 3: None}
    left = {int.from_bytes(row.hash) for row in all_rows(store, schema.codes)}
    assert left == {2, 3} and all_rows(store, schema.consents) == []


def test_the_parts_of_an_account_are_those_of_its_user_and_active(store: Database, clock: Clock, write: Write) -> None:
    add_sessions(store, 1, 2, clock=clock)
    add_sessions(store, 3, clock=clock, user_id="u_bob")
    write(add_online(clock, 1), add_online(clock, 2, subject="u_bob"))
    with store.begin() as connection:
        at = AccountKey(tuple(Part), clock())
        found = account_data.load(connection, at, "u_ada")
        later = account_data.load(connection, AccountKey(tuple(Part), clock() + 10**12), "u_ada")
    assert {int.from_bytes(each.id) for each in found.sessions} == {1, 2}
    assert [(each.client.id, len(each.authorizations)) for each in found.applications] == [("app", 1)]
    assert (list(later.sessions), list(later.applications)) == ([], [])


def test_a_user_who_asked_to_be_deleted_is_deleted_when_it_is_due_unless_they_came_back(
    store: Database, clock: Clock, write: Write
) -> None:
    add_sessions(store, 1, 2, clock=clock)
    request = RequestDeletion("u_ada", 0, clock() + 10)
    assert write(request_deletion(request), request_deletion(RequestDeletion("u_ada", 0, 1))) == [True, False]
    assert sorted(request.ended) == [(1).to_bytes(16), (2).to_bytes(16)]
    assert {row.ended_at for row in all_rows(store, schema.sessions)} == {clock()}
    assert write(request_deletion(RequestDeletion("u_bob", 0, clock() + 99))) == [True]
    with store.begin() as connection:
        found = load_due_many(connection, [clock() + 9, clock() + 10])
    (due,) = found[clock() + 10]
    assert found[clock() + 9] == [] and (due.id, due.disabled, due.credential_version) == ("u_ada", True, 1)
    back = BeginSession(session(3, clock(), credential_version=1), None, None, None, restores=True)
    with store.begin() as connection:
        sessions.begin_many(connection, [back], clock())
    assert write(delete_due(due)) == [False]
    states = {row.id: (row.disabled, row.delete_at) for row in all_rows(store, schema.users)}
    assert states == {"u_ada": (False, None), "u_bob": (True, clock() + 99)}
    write(request_deletion(RequestDeletion("u_ada", 1, clock() + 99)))
    with store.begin() as connection:
        due, bobs = load_due_many(connection, [clock() + 99])[clock() + 99]
    assert (due.id, bobs.id) == ("u_ada", "u_bob")
    assert write(delete_due(due)) == [True]
    assert [row.id for row in all_rows(store, schema.users)] == ["u_bob"]


def test_a_user_whom_an_operator_disabled_neither_asks_to_be_deleted_nor_comes_back(
    store: Database, clock: Clock, write: Write
) -> None:
    """As when both happen in the same moment: what the user does was decided before."""
    write(request_deletion(RequestDeletion("u_ada", 0, clock() + 10)))
    with store.begin() as connection:
        users.set_disabled(connection, "ada", True)
        ada = existing(users.load(connection, "ada"))
        back = session(1, clock(), credential_version=ada.credential_version)
        sessions.begin_many(connection, [BeginSession(back, None, None, None, restores=True)], clock())
        assert users.load(connection, "ada") == ada and ada.disabled and ada.delete_at is None
    assert write(request_deletion(RequestDeletion("u_ada", ada.credential_version, 1))) == [False]
