"""Sessions, interactions, codes and consents: who wins a race, and what ends with what, on every database."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event, text
from starlette.testclient import TestClient

from authserver.domain import links as rules
from authserver.domain.models import Authorization, Client, LinkKind, User
from authserver.store import (
    authorizations,
    browser_state,
    clients,
    codes,
    consents,
    interactions,
    links,
    pruning,
    schema,
    session_ends,
    sessions,
    users,
)
from authserver.store.browser_state import BrowserKey
from authserver.store.changes import Change
from authserver.store.database import Database
from authserver.store.group_commit import commit
from authserver.store.sessions import BeginSession
from tests.harness.browser import CALLBACK, VERIFIER, Browser, answer_of
from tests.harness.clock import Clock
from tests.harness.existing import existing
from tests.harness.sign_in_rows import code, consent, interaction, session
from tests.store.conftest import Run
from tests.store.nodes import two_nodes
from tests.store.rows import a_login, on_postgres

Write = Callable[..., list[Any]]
MANY = 64


def all_rows(store: Database, table: Any) -> list[Any]:
    with store.begin() as connection:
        return list(connection.execute(table.select()))


def add_sessions(store: Database, *numbers: int, clock: Clock, **members: Any) -> None:
    with store.begin() as connection:
        for number in numbers:
            begin = BeginSession(session(number, clock(), **members), None, bytes(16), None)
            sessions.begin_many(connection, [begin], clock())


def issue(number: int, clock: Clock, **members: Any) -> Change:
    return codes.issue(code(number, clock(), **members), idle_expires_at=clock() + 7, interaction=None)


def redeem(number: int, clock: Clock, ended: list[bytes] | None = None, **members: Any) -> Change:
    login = authorization_of(number, clock, **members)
    return codes.redeem(code(number, clock()), login, limit=10, ended=[] if ended is None else ended)


def authorization_of(number: int, clock: Clock, **members: Any) -> Authorization:
    online = {"session_id": number.to_bytes(16), "ends_with_session": True, "amr": ("pwd",)}
    later = {"idle_expires_at": clock() + 10**9, "expires_at": clock() + 10**9}
    return a_login(number, **online | later | members)


def test_of_64_redemptions_on_two_nodes_one_wins(
    store: Database, run: Run, url: str, clock: Clock, write: Write
) -> None:
    add_sessions(store, 1, 2, clock=clock)
    assert write(issue(1, clock), issue(2, clock)) == [True, True]
    both = [[redeem(number, clock) for number in (1, 2) for _ in range(MANY // 2)]] * 2
    (outcomes,) = two_nodes(run, url, clock, [both])
    held = [outcome for answers in outcomes for outcome in answers]
    assert held.count(True) == 2 and set(held) == {True, False}
    assert len(all_rows(store, schema.authorizations)) == 2
    assert {row.used_at for row in all_rows(store, schema.codes)} == {clock()}


def test_a_redemption_that_loses_in_its_group_writes_nothing(store: Database, clock: Clock, write: Write) -> None:
    add_sessions(store, 1, clock=clock)
    write(issue(1, clock))
    assert write(redeem(1, clock), redeem(1, clock), redeem(9, clock)) == [True, False, False]
    assert len(all_rows(store, schema.authorizations)) == 1
    assert write(redeem(1, clock)) == [False]
    with store.begin() as connection:
        connection.execute(schema.authorizations.delete())  # its primary key is the second guard
    assert write(redeem(1, clock)) == [False]


def test_the_end_of_a_session_takes_its_codes_and_online_logins_along_in_one_change(
    store: Database, clock: Clock, write: Write
) -> None:
    add_sessions(store, 1, 2, clock=clock)
    write(issue(1, clock), issue(2, clock), redeem(1, clock))
    write(issue(3, clock, session_id=(1).to_bytes(16)), issue(4, clock, session_id=(1).to_bytes(16)))
    write(redeem(3, clock, session_id=(1).to_bytes(16), ends_with_session=False))
    assert write(sessions.end((1).to_bytes(16))) == [True]
    assert write(sessions.end((1).to_bytes(16))) == [False]
    revoked = {int.from_bytes(row.id): row.revoked_reason for row in all_rows(store, schema.authorizations)}
    assert revoked == {1: "session_ended", 3: None}
    left = {int.from_bytes(row.hash) for row in all_rows(store, schema.codes)}
    assert left == {1, 2, 3}  # the used ones, and the other session's
    assert write(issue(5, clock, session_id=(1).to_bytes(16)), redeem(4, clock)) == [False, False]


def test_with_offline_every_login_of_the_session_ends_and_nobody_elses(
    store: Database, clock: Clock, write: Write
) -> None:
    add_sessions(store, 1, 2, clock=clock)
    write(issue(1, clock), issue(2, clock), redeem(1, clock, ends_with_session=False), redeem(2, clock))
    assert write(sessions.end((1).to_bytes(16), reason="signed_out", offline=True)) == [True]
    revoked = {int.from_bytes(row.id): row.revoked_reason for row in all_rows(store, schema.authorizations)}
    assert revoked == {1: "signed_out", 2: None}


def test_all_other_sessions_of_a_user_end_and_the_one_to_keep_stays(
    store: Database, clock: Clock, write: Write
) -> None:
    add_sessions(store, 1, 2, 3, clock=clock)
    add_sessions(store, 4, clock=clock, user_id="u_bob")
    write(*(issue(number, clock) for number in (1, 2, 3)), sessions.end((3).to_bytes(16)))
    ended: list[bytes] = []
    assert write(sessions.end_others("u_ada", keep=(1).to_bytes(16), ended=ended)) == [True]
    assert ended == [(2).to_bytes(16)]
    assert {int.from_bytes(row.session_id) for row in all_rows(store, schema.codes)} == {1}
    with store.begin() as connection:
        assert session_ends.count_active(connection, "u_ada", clock()) == 1
        assert session_ends.count_active(connection, "u_ada", clock() + 10**12) == 0
        assert session_ends.end_of_user(connection, "u_ada", now=clock()) == [(1).to_bytes(16)]
    left = {int.from_bytes(row.id) for row in all_rows(store, schema.sessions) if row.ended_at is None}
    assert left == {4}


def test_ends_with_offline_logins_and_refreshes_on_two_nodes_leave_no_login(
    store: Database, run: Run, url: str, clock: Clock, write: Write
) -> None:
    numbers = range(1, 11)
    add_sessions(store, *numbers, clock=clock)
    write(*(issue(number, clock) for number in numbers))
    write(*(redeem(number, clock, ends_with_session=False) for number in numbers))
    logins = [authorization_of(number, clock, ends_with_session=False) for number in numbers]
    rotations = [authorizations.rotate(login, next=login.generation + 1, network="", idle_ttl=9) for login in logins]
    ends = [sessions.end(number.to_bytes(16), offline=True) for number in numbers]
    ((_, ended),) = two_nodes(run, url, clock, [[rotations, ends]])
    assert ended == [True] * len(ends)
    assert all(row.revoked_at for row in all_rows(store, schema.authorizations))


def test_of_an_end_and_a_redemption_on_two_nodes_the_client_gets_no_login_or_hears_of_the_end(
    store: Database, run: Run, url: str, clock: Clock, write: Write
) -> None:
    numbers = range(1, 21)
    add_sessions(store, *numbers, clock=clock)
    with store.begin() as connection:
        app = existing(clients.load(connection, "app"))
        clients.put(connection, replace(app, backchannel_logout_uri="https://app.example/"))
    write(*(issue(number, clock) for number in numbers))
    redeems = [
        codes.redeem(code(number, clock()), authorization_of(number, clock), limit=100, ended=[], signs_in=True)
        for number in numbers
    ]
    rounds = [[[redeem], [sessions.end(number.to_bytes(16))]] for number, redeem in zip(numbers, redeems, strict=True)]
    outcomes = two_nodes(run, url, clock, rounds)
    assert all(ended == [True] for _, ended in outcomes)
    redeemed = {number.to_bytes(16) for number, ([has], _) in zip(numbers, outcomes, strict=True) if has}
    assert {row.session_id for row in all_rows(store, schema.outbox)} == redeemed
    assert {row.id for row in all_rows(store, schema.authorizations)} == redeemed


def test_a_client_that_signed_the_user_in_is_noted_once_and_forgotten_with_the_session(
    store: Database, clock: Clock, write: Write
) -> None:
    add_sessions(store, 1, clock=clock)
    first, second, third = (code(number, clock(), session_id=(1).to_bytes(16)) for number in (1, 2, 3))
    write(*(codes.issue(each, idle_expires_at=clock() + 7, interaction=None) for each in (first, second, third)))
    for number, each in enumerate((first, second, third), 1):
        login = authorization_of(number, clock)
        write(codes.redeem(each, login, limit=10, ended=[], signs_in=number < 3))
    assert [tuple(row) for row in all_rows(store, schema.session_clients)] == [((1).to_bytes(16), "app")]
    with store.begin() as connection:
        connection.execute(schema.sessions.delete())
    assert all_rows(store, schema.session_clients) == []


def test_a_login_whose_row_was_locked_when_its_session_ended_has_ended_too(
    store: Database, clock: Clock, write: Write
) -> None:
    add_sessions(store, 1, clock=clock)
    write(issue(1, clock), redeem(1, clock))
    with store.begin() as connection:
        connection.execute(text("UPDATE sessions SET ended_at = 5"))  # as if its login had been skipped
        record = authorizations.load_many(connection, [(1).to_bytes(16)])[(1).to_bytes(16)]
    assert record.authorization.revoked_at is None
    assert record.authorization.session_ends_at == 5


def test_an_end_and_a_code_of_one_session_on_two_nodes_leave_no_code(
    store: Database, run: Run, url: str, clock: Clock
) -> None:
    add_sessions(store, *range(1, 21), clock=clock)
    rounds = [[[issue(number, clock)], [sessions.end(number.to_bytes(16))]] for number in range(1, 21)]
    outcomes = two_nodes(run, url, clock, rounds)
    assert all(ended == [True] for _, ended in outcomes)
    assert all_rows(store, schema.codes) == []


def test_the_same_user_renews_the_session_and_another_one_ends_it(store: Database, clock: Clock) -> None:
    first = session(1, clock())
    second = session(2, clock() + 5, secret_hash=bytes([2]) * 32, kept=True)
    third = session(3, clock(), user_id="u_bob", secret_hash=bytes([3]) * 32)
    with store.begin() as connection:
        for begin in (BeginSession(first, None, b"", None), BeginSession(second, first, b"", None)):
            sessions.begin_many(connection, [begin], clock())
        loaded = sessions.load_many(connection, [first.secret_hash, second.secret_hash])
        renewed = loaded[second.secret_hash].session
        assert loaded.keys() == {second.secret_hash}
        assert renewed == replace(second, id=first.id, created_at=first.created_at)
        sessions.begin_many(connection, [BeginSession(third, renewed, b"", None)], clock())
        both = sessions.load_many(connection, [second.secret_hash, third.secret_hash])
        assert both[second.secret_hash].session.ended_at == clock()
        assert both[third.secret_hash].session == third


def test_beyond_the_limit_of_a_users_sessions_the_one_idle_longest_ends(store: Database, clock: Clock) -> None:
    ends: list[Any] = []
    with store.begin() as connection:
        for number, idle in enumerate((30, 10, 20, 40), 1):
            ended: list[bytes] = []
            new = session(number, clock(), idle_expires_at=clock() + idle)
            sessions.begin_many(connection, [BeginSession(new, None, b"", None, limit=2, ended=ended)], clock())
            ends.append([int.from_bytes(id) for id in ended])
        bobs = session(9, clock(), user_id="u_bob")
        sessions.begin_many(connection, [BeginSession(bobs, None, b"", None, limit=2)], clock())
    assert ends == [[], [], [2], [3]]
    left = {int.from_bytes(row.id) for row in all_rows(store, schema.sessions) if row.ended_at is None}
    assert left == {1, 4, 9}


def test_an_offline_login_outlives_a_session_that_another_user_or_the_limit_ends(
    store: Database, clock: Clock, write: Write
) -> None:
    add_sessions(store, 1, 2, clock=clock)
    write(*(issue(number, clock) for number in (1, 2)))
    write(*(redeem(number, clock, ends_with_session=False) for number in (1, 2)))
    bobs = session(3, clock(), user_id="u_bob")
    last = BeginSession(session(4, clock()), None, None, None, limit=1)
    with store.begin() as connection:
        sessions.begin_many(connection, [BeginSession(bobs, session(1, clock()), None, None), last], clock())
    left = {int.from_bytes(row.id) for row in all_rows(store, schema.sessions) if row.ended_at is None}
    assert left == {3, 4}
    assert not any(row.revoked_at for row in all_rows(store, schema.authorizations))


def test_a_session_that_has_ended_is_not_renewed(store: Database, clock: Clock) -> None:
    first, second = session(1, clock()), session(2, clock(), secret_hash=bytes([2]) * 32)
    add_sessions(store, 1, clock=clock)
    with store.begin() as connection:
        connection.execute(text("UPDATE sessions SET ended_at = 5"))
        sessions.begin_many(connection, [BeginSession(second, first, b"", None)], clock())
    assert {int.from_bytes(row.id): row.ended_at for row in all_rows(store, schema.sessions)} == {1: 5, 2: None}


def test_an_interaction_is_advanced_by_one_of_all_who_saw_the_same_revision(
    store: Database, run: Run, url: str, clock: Clock, write: Write
) -> None:
    waiting = interaction(1, clock())
    assert write(interactions.begin(waiting)) == [True]
    agreed = replace(waiting, session_id=bytes(16), agreed=True)
    both = [[interactions.advance(agreed), consents.agree(consent(clock()), agreed)]] * 2
    (outcomes,) = two_nodes(run, url, clock, [both])
    assert [outcome for answers in outcomes for outcome in answers].count(True) == 1
    (row,) = all_rows(store, schema.interactions)
    assert (row.revision, row.agreed, row.signed_in) == (1, True, False)
    assert len(all_rows(store, schema.consents)) <= 1


def test_consents_are_replaced(store: Database, clock: Clock, write: Write) -> None:
    waiting = interaction(1, clock())
    write(interactions.begin(waiting))
    wider = consent(clock(), scope=("openid", "read"), claims=("email",), resources=("https://api.example",))
    for number, given in enumerate((consent(clock()), wider)):
        assert write(consents.agree(given, replace(waiting, revision=number, agreed=True))) == [True]
    with store.begin() as connection:
        assert consents.load_many(connection, [("u_ada", "app"), ("u_bob", "app")]) == {("u_ada", "app"): wider}


def test_a_code_replaces_the_one_of_its_interaction_until_that_was_redeemed(
    store: Database, clock: Clock, write: Write
) -> None:
    add_sessions(store, 1, clock=clock)
    waiting = interaction(1, clock())
    write(interactions.begin(waiting))

    def answer(number: int, seen: Any) -> Change:
        new = code(number, clock(), session_id=(1).to_bytes(16))
        return codes.issue(new, idle_expires_at=1, interaction=seen)

    def seen(number: int, revision: int) -> Any:
        return replace(waiting, revision=revision, code_hash=number.to_bytes(32))

    assert write(answer(1, waiting), answer(2, waiting)) == [True, False]
    assert write(answer(3, seen(1, 1))) == [True]
    assert [int.from_bytes(row.hash) for row in all_rows(store, schema.codes)] == [3]
    assert write(redeem(3, clock)) == [True]
    assert write(answer(4, seen(3, 2))) == [False]
    assert [int.from_bytes(row.hash) for row in all_rows(store, schema.codes)] == [3]


def test_everything_that_a_step_is_decided_from_is_loaded_at_once(store: Database, clock: Clock, write: Write) -> None:
    add_sessions(store, 1, clock=clock)
    waiting = interaction(1, clock())
    write(interactions.begin(waiting))
    write(consents.agree(consent(clock()), replace(waiting, agreed=True)))
    keys = [
        BrowserKey((1).to_bytes(32), waiting.id),
        BrowserKey((1).to_bytes(32), client_id="app"),
        BrowserKey(None, waiting.id),
        BrowserKey(bytes(32), bytes(16), "nobody"),
    ]
    with store.begin() as connection:
        states = browser_state.load_many(connection, keys)
    first, second, third, nothing = (states[key] for key in keys)
    assert first.signed_in and first.signed_in.user.id == "u_ada"
    assert first.waiting and first.waiting.interaction.revision == 1 and not first.waiting.is_redeemed
    assert first.client and first.client.id == "app"
    assert first.consent == second.consent == consent(clock())
    assert third.signed_in is None and third.consent is None and third.waiting == first.waiting
    assert (nothing.signed_in, nothing.waiting, nothing.client, nothing.consent) == (None, None, None, None)


def test_the_loader_of_authorization_requests_loads_what_the_one_for_all_pages_does(
    store: Database, clock: Clock, write: Write
) -> None:
    add_sessions(store, 1, 2, clock=clock)
    waiting = interaction(1, clock())
    write(interactions.begin(waiting))
    write(consents.agree(consent(clock()), replace(waiting, agreed=True)))
    hashes = [(1).to_bytes(32), (2).to_bytes(32), bytes(32), None]
    keys = [BrowserKey(hash, client_id=client_id) for hash in hashes for client_id in ("app", "nobody", None)]
    with store.begin() as connection:
        states = browser_state.load_for_client_many(connection, keys)
        assert states == browser_state.load_many(connection, keys)
        assert browser_state.load_for_client_many(connection, keys[-1:])[keys[-1]].signed_in is None
    assert states[keys[0]].consent == consent(clock())
    assert states[keys[1]].consent is None and states[keys[1]].signed_in == states[keys[0]].signed_in is not None


@pytest.mark.parametrize("delete", ["user", "client"])
def test_what_belongs_to_a_deleted_user_or_client_goes_with_it(
    store: Database, clock: Clock, write: Write, delete: str
) -> None:
    with store.begin() as connection:
        users.add(connection, User("u_eve", "eve", "$argon2id$"))
        clients.add(connection, Client("eves", "Eve's", "none", frozenset(), ()))
    owner = {"user_id": "u_eve"} if delete == "user" else {"client_id": "eves"}
    user = {name: value for name, value in owner.items() if name == "user_id"}
    add_sessions(store, 1, clock=clock, **user)
    waiting = interaction(1, clock(), client_id="eves")
    write(interactions.begin(waiting), issue(1, clock, **owner))
    assert write(consents.agree(consent(clock(), **owner), replace(waiting, agreed=True))) == [True]
    with store.begin() as connection:
        assert users.remove(connection, "eve") if delete == "user" else clients.remove(connection, "eves")
    assert all_rows(store, schema.codes) == all_rows(store, schema.consents) == []
    assert len(all_rows(store, schema.sessions)) == (0 if delete == "user" else 1)
    assert len(all_rows(store, schema.interactions)) == (1 if delete == "user" else 0)
    assert write(issue(2, clock, **owner | {"session_id": (1).to_bytes(16)})) == [False]


def test_interactions_and_unused_codes_go_when_they_expire_and_used_codes_links_and_sessions_a_day_later(
    store: Database, clock: Clock, write: Write
) -> None:
    """A link is kept for as long as its mail may be sent again: without it, a used one would work once more."""
    add_sessions(store, 1, clock=clock)
    link = rules.new(LinkKind.SIGN_UP, bytes(16), refresh_key_id="refresh-1", now=clock(), address="new@example.com")
    write(links.make(link))
    write(interactions.begin(interaction(1, clock())), issue(1, clock), issue(2, clock, session_id=(1).to_bytes(16)))
    write(redeem(1, clock))

    def left(seconds: int) -> list[int]:
        clock.forward(seconds)
        with store.begin() as connection:
            batch = pruning.next_batch_many(connection, [None])[None]
        assert commit(store._engine, [pruning.prune(batch)], clock) == [True]
        tables = (schema.interactions, schema.codes, schema.links, schema.sessions)
        return [len(all_rows(store, table)) for table in tables]

    assert left(60) == [1, 2, 1, 1]
    assert left(10) == [1, 1, 1, 1]
    assert left(1729) == [1, 1, 1, 1]
    assert left(61) == [0, 1, 1, 1]
    assert left(86340) == [0, 0, 1, 1]
    assert left(60) == [0, 0, 0, 1]
    assert left(7200) == [0, 0, 0, 0]


@on_postgres
def test_two_nodes_that_do_everything_at_once_never_deadlock(
    store: Database, run: Run, url: str, clock: Clock, write: Write
) -> None:
    many, failures = range(1, 9), list[str]()
    add_sessions(store, *many, clock=clock)
    waiting = [interaction(number, clock()) for number in many]
    write(*map(interactions.begin, waiting), *(issue(number, clock) for number in many))

    def watch(node: Any) -> None:
        event.listen(node._engine, "handle_error", lambda c: failures.append(c.original_exception.sqlstate))

    def everything(turn: int) -> list[list[Change]]:
        changes: list[Change] = []
        for number, each in zip(many, waiting, strict=True):
            seen, id = replace(each, revision=turn), number.to_bytes(16)
            new = code(100 * turn + number + 1000, clock(), session_id=id)
            changes += [consents.agree(consent(clock()), seen), interactions.advance(seen), redeem(number, clock)]
            changes += [codes.issue(new, idle_expires_at=clock() + turn, interaction=seen)]
            changes += [sessions.end(id)] if turn == 9 and number % 2 else []
        return [changes, changes[::-1]]

    outcomes = two_nodes(run, url, clock, map(everything, range(10)), watch)
    assert failures == []
    assert {type(outcome) for answers in outcomes for both in answers for outcome in both} == {bool}
    assert len(all_rows(store, schema.authorizations)) == len(many)


def test_the_whole_flow_works_on_every_database(http: TestClient, database: Database) -> None:
    sso = Client("sso", "SSO", "none", frozenset({"authorization_code", "refresh_token"}), ("openid", "read"))
    with database.begin() as connection:
        clients.add(connection, replace(sso, redirect_uris=(CALLBACK,)))
    browser = Browser(http)
    form = {"grant_type": "authorization_code", "client_id": "sso", "code": browser.code(), "redirect_uri": CALLBACK}
    body = http.post("/token", data=form | {"code_verifier": VERIFIER}).json()
    renewed = {"grant_type": "refresh_token", "client_id": "sso", "refresh_token": body["refresh_token"]}
    assert "id_token" in http.post("/token", data=renewed).json()
    assert "code" in answer_of(browser.authorize(prompt="none"))
    with database.begin() as connection:
        (session,) = sessions.newest(connection, user_id="u_ada", active_at=None, limit=9)
        end = sessions.end(session.session.id)
        assert end.apply(connection, [end.params], 1) == [True]
    assert answer_of(browser.authorize(prompt="none"))["error"] == "login_required"
    assert http.post("/token", data=renewed).json()["error"] == "invalid_grant"
