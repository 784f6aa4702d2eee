"""Devices that wait: who answers and who redeems one, how polls are counted, and what goes when, on every database."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event

from authserver.domain.attempts import AttemptLimits, Counters, daily
from authserver.domain.models import Authorization, Client, User
from authserver.keyring.attempt_keys import attempt_keys
from authserver.store import (
    attempts,
    browser_state,
    clients,
    consents,
    device_codes,
    interactions,
    pruning,
    schema,
    sessions,
    sign_ins,
    users,
)
from authserver.store.browser_state import BrowserKey
from authserver.store.changes import Change
from authserver.store.database import Database
from authserver.store.group_commit import commit
from authserver.store.sign_ins import SignInAttempt
from tests.harness.clock import Clock
from tests.harness.sign_in_rows import consent, device_code, interaction, session
from tests.store.conftest import Run
from tests.store.nodes import two_nodes
from tests.store.rows import a_login, on_postgres
from tests.store.test_sign_in_rows import Write, add_sessions, all_rows

MANY = 64


def allow(number: int, clock: Clock, place: int = 1, **members: Any) -> Change:
    """ada's answer in the interaction `place`."""
    seen, by = interaction(place, clock()), session(1, clock())
    return device_codes.allow(device_code(number, clock(), **members), seen, by, consent(clock()))


def redeem(number: int, clock: Clock, ended: list[bytes] | None = None) -> Change:
    return device_codes.redeem(
        device_code(number, clock()), login_of(number, clock), limit=10, ended=[] if ended is None else ended
    )


def login_of(number: int, clock: Clock) -> Authorization:
    return a_login(number, idle_expires_at=clock() + 10**9, expires_at=clock() + 10**9)


@pytest.fixture
def waiting(store: Database, clock: Clock, write: Write) -> None:
    """The devices 1 and 2, and ada's session 1."""
    add_sessions(store, 1, clock=clock)
    assert write(device_codes.add(device_code(1, clock())), device_codes.add(device_code(2, clock()))) == [True, True]


@pytest.mark.usefixtures("waiting")
def test_of_64_redemptions_on_two_nodes_one_wins(
    store: Database, run: Run, url: str, clock: Clock, write: Write
) -> None:
    assert write(allow(1, clock), allow(2, clock)) == [True, True]
    both = [[redeem(number, clock) for number in (1, 2) for _ in range(MANY // 2)]] * 2
    (outcomes,) = two_nodes(run, url, clock, [both])
    held = [outcome for answers in outcomes for outcome in answers]
    assert held.count(True) == 2 and set(held) == {True, False}
    assert len(all_rows(store, schema.authorizations)) == 2
    assert {row.used_at for row in all_rows(store, schema.device_codes)} == {clock()}


@pytest.mark.usefixtures("waiting")
def test_of_all_answers_on_two_nodes_one_wins(store: Database, run: Run, url: str, clock: Clock) -> None:
    def denial(place: int) -> Change:
        return device_codes.deny(device_code(1, clock()), interaction(place, clock()), session(1, clock()))

    (outcomes,) = two_nodes(run, url, clock, [[[allow(1, clock), denial(2), allow(1, clock, 3)], [denial(4)]]])
    assert [outcome for answers in outcomes for outcome in answers].count(True) == 1
    answered, _ = sorted(all_rows(store, schema.device_codes), key=lambda row: row.hash)
    assert answered.answered_at == clock() and (answered.user_id is None) == (answered.answered_in[-1] in (2, 4))
    assert len(all_rows(store, schema.consents)) == (answered.user_id is not None)


@pytest.mark.usefixtures("waiting")
def test_what_cannot_be_answered_is_left_as_it_is(store: Database, clock: Clock, write: Write) -> None:
    before = all_rows(store, schema.device_codes)
    assert write(sessions.end((1).to_bytes(16))) == [True]
    assert write(allow(1, clock)) == [False], "by a session that has ended"
    assert write(allow(9, clock)) == [False], "there is no such device"
    add_sessions(store, 2, clock=clock)
    clock.forward(600)
    answer = device_codes.allow(device_code(1, 0), interaction(1, 0), session(2, clock()), consent(clock()))
    assert write(answer) == [False], "it has expired"
    assert all_rows(store, schema.device_codes) == before and all_rows(store, schema.consents) == []


@pytest.mark.usefixtures("waiting")
def test_a_device_is_loaded_with_the_user_who_allowed_it(store: Database, clock: Clock, write: Write) -> None:
    hashes = [number.to_bytes(32) for number in (1, 2, 3)]
    write(allow(1, clock))
    with store.begin() as connection:
        records = device_codes.load_many(connection, hashes)
    assert records.keys() == set(hashes[:2])
    allowed, waits = (records[hash] for hash in hashes[:2])
    answer: dict[str, Any] = {"answered_at": clock(), "answered_in": (1).to_bytes(16), "user_id": "u_ada"}
    answer |= {"authenticated_at": clock(), "amr": ("pwd",)}
    assert allowed.code == replace(device_code(1, clock()), **answer)
    assert allowed.user and (allowed.user.username, allowed.user.claims) == ("ada", {})
    assert (waits.code, waits.user, waits.has_active_authorization) == (device_code(2, clock()), None, False)
    write(redeem(1, clock))
    with store.begin() as connection:
        assert device_codes.load_many(connection, hashes)[hashes[0]].has_active_authorization


@pytest.mark.usefixtures("waiting")
def test_polls_at_two_nodes_are_counted_as_one_after_the_other(
    store: Database, run: Run, url: str, clock: Clock, write: Write
) -> None:
    """RFC 8628 s3.5: the interval MUST be increased by 5 seconds for this and all subsequent requests."""
    noted: list[list[bool]] = [[] for _ in range(4)]
    polls = [device_codes.poll(device_code(1, clock()), each) for each in noted]
    (outcomes,) = two_nodes(run, url, clock, [[polls[:2], polls[2:]]])
    assert outcomes == [[True, True], [True, True]]
    assert sorted(noted) == [[False], [True], [True], [True]]
    polled, other = sorted(all_rows(store, schema.device_codes), key=lambda row: row.hash)
    assert (polled.poll_interval, polled.polled_at) == (20, clock())
    assert (other.poll_interval, other.polled_at) == (5, None)
    clock.forward(20)
    late, gone = list[bool](), list[bool]()
    assert write(device_codes.poll(device_code(1, 0), late), device_codes.poll(device_code(9, 0), gone)) == [True, True]
    assert (late, gone) == ([False], [False])
    polled, _ = sorted(all_rows(store, schema.device_codes), key=lambda row: row.hash)
    assert (polled.poll_interval, polled.polled_at) == (20, clock())


@pytest.mark.usefixtures("waiting")
def test_no_two_devices_have_the_same_user_code(store: Database, clock: Clock, write: Write) -> None:
    twin = device_code(3, clock(), user_code_mac=(1).to_bytes(32))
    assert write(device_codes.add(twin)) == [False]
    assert write(device_codes.add(device_code(3, clock()))) == [True]


@pytest.mark.usefixtures("waiting")
def test_a_page_finds_its_device_by_its_interaction_or_by_the_code_that_was_typed(
    store: Database, clock: Clock, write: Write
) -> None:
    write(interactions.begin(interaction(1, clock(), device_code_hash=(1).to_bytes(32))))
    write(interactions.begin(interaction(2, clock())))
    macs = ((7).to_bytes(32), (2).to_bytes(32))
    keys = [BrowserKey(None, number.to_bytes(16)) for number in (1, 2)] + [BrowserKey(None, user_code_macs=macs)]
    with store.begin() as connection:
        states = browser_state.load_many(connection, keys)
    found = [states[key].device for key in keys]
    assert [each and each.hash[-1] for each in found] == [1, None, 2]


@pytest.mark.usefixtures("waiting")
def test_taking_back_an_applications_access_forgets_the_devices_that_were_not_redeemed(
    store: Database, clock: Clock, write: Write
) -> None:
    write(allow(1, clock), allow(2, clock), redeem(2, clock))
    assert write(consents.withdraw("u_bob", "app"), consents.withdraw("u_ada", "other")) == [True, True]
    assert len(all_rows(store, schema.device_codes)) == 2
    assert write(consents.withdraw("u_ada", "app")) == [True]
    assert [row.hash[-1] for row in all_rows(store, schema.device_codes)] == [2]


@pytest.mark.parametrize("delete", ["user", "client"])
def test_what_belongs_to_a_deleted_user_or_client_goes_with_it(
    store: Database, clock: Clock, write: Write, delete: str
) -> None:
    with store.begin() as connection:
        users.add(connection, User("u_eve", "eve", "$argon2id$"))
        clients.add(connection, Client("eves", "Eve's", "none", frozenset(), ()))
    add_sessions(store, 1, clock=clock, user_id="u_eve")
    code, seen, by = device_code(1, clock(), client_id="eves"), interaction(1, clock()), session(1, clock())
    owner = {"user_id": "u_eve", "client_id": "eves"}
    write(device_codes.add(code))
    write(device_codes.allow(code, seen, replace(by, user_id="u_eve"), consent(clock(), **owner)))
    with store.begin() as connection:
        assert users.remove(connection, "eve") if delete == "user" else clients.remove(connection, "eves")
    assert all_rows(store, schema.device_codes) == []
    assert write(device_codes.add(code)) == [delete == "user"]


@pytest.mark.usefixtures("waiting")
def test_devices_go_ten_minutes_after_they_expire_and_used_ones_a_day_after_their_use(
    store: Database, clock: Clock, write: Write
) -> None:
    write(allow(1, clock), redeem(1, clock))

    def left(seconds: int) -> list[int]:
        clock.forward(seconds)
        with store.begin() as connection:
            batch = pruning.next_batch_many(connection, [None])[None]
        assert commit(store._engine, [pruning.prune(batch)], clock) == [True]
        return sorted(row.hash[-1] for row in all_rows(store, schema.device_codes))

    assert left(1199) == [1, 2]
    assert left(11) == [1]
    assert left(86400 - 1210) == [1]
    assert left(11) == []


def test_a_right_code_gives_its_attempt_back_in_the_change_that_begins_the_interaction(
    store: Database, clock: Clock, write: Write
) -> None:
    keys = attempt_keys(bytes(32), "user code", "192.0.2.0/24")
    attempt = SignInAttempt(keys, is_known=False, limits=AttemptLimits(daily(200), daily(3000)))
    write(sign_ins.count(attempt), sign_ins.count(attempt))
    assert write(sign_ins.begin_interaction(interaction(1, clock()), attempt)) == [True]
    with store.begin() as connection:
        rows = attempts.load(connection, [keys.account, keys.network])
    once = attempt.judge({}, clock()).counters or Counters()
    assert rows[keys.account].clears_at == once.account and rows[keys.network].clears_at == once.network
    assert len(all_rows(store, schema.interactions)) == 1


@on_postgres
def test_two_nodes_that_do_everything_at_once_never_deadlock(
    store: Database, run: Run, url: str, clock: Clock, write: Write
) -> None:
    many, failures = range(1, 9), list[str]()
    add_sessions(store, 1, clock=clock)
    write(*(device_codes.add(device_code(number, clock())) for number in many))

    def watch(node: Any) -> None:
        event.listen(node._engine, "handle_error", lambda c: failures.append(c.original_exception.sqlstate))

    def everything(turn: int) -> list[list[Change]]:
        changes: list[Change] = []
        for number in many:
            changes += [device_codes.poll(device_code(number, clock()), []), allow(number, clock, turn + 1)]
            changes += [redeem(number, clock)] if turn > 5 else []
        new = [device_codes.add(device_code(100 * turn + number + 1000, clock())) for number in many]
        return [[*changes, *new], changes[::-1]]

    outcomes = two_nodes(run, url, clock, map(everything, range(10)), watch)
    assert failures == []
    assert {type(outcome) for answers in outcomes for both in answers for outcome in both} == {bool}
    assert len(all_rows(store, schema.authorizations)) == len(many)
