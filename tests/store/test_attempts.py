"""Attempts are counted one by one, however many come at once and on however many nodes, and given back exactly."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event, text

from authserver.domain.attempts import FREE, KNOWN_FOR, MAX_KNOWN, AttemptLimits, daily
from authserver.keyring.attempt_keys import attempt_keys
from authserver.store import attempts, pruning, sign_ins
from authserver.store.changes import Change
from authserver.store.database import Database
from authserver.store.group_commit import commit
from authserver.store.sign_ins import SignInAttempt, SignInKey, SignInRecord
from tests.harness.clock import Clock
from tests.harness.constants import SECOND
from tests.store.conftest import Run
from tests.store.nodes import two_nodes
from tests.store.rows import a_login, begun, on_postgres, on_sqlite, rotation

LIMITS = AttemptLimits(daily(1000), daily(3000))
HOME, ELSEWHERE = "192.0.2.0/24", "198.51.100.0/24"
KEY = bytes(32)
ROUNDS = 20
Write = Callable[..., list[Any]]


def attempt(account: str = "ada", network: str = ELSEWHERE, *, is_known: bool = False) -> SignInAttempt:
    return SignInAttempt(attempt_keys(KEY, account, network), is_known, LIMITS)


def signed_in(attempt: SignInAttempt, number: int, network: str = "", **members: Any) -> Change:
    return sign_ins.begin(a_login(number, **members), attempt, limit=1000, rehashed=None, ended=[], network=network)


def record(store: Database, account: str = "ada", network: str = ELSEWHERE) -> SignInRecord:
    key = SignInKey(account, network, attempt_keys(KEY, account, network))
    with store.begin() as connection:
        return sign_ins.load_many(connection, [key])[key]


def counted(store: Database, account: str = "ada", network: str = ELSEWHERE) -> int:
    """How many attempts at the account from networks that are new to it are remembered."""
    keys, budget = attempt_keys(KEY, account, network), LIMITS.account
    assert budget is not None
    row = record(store, account, network).rows.get(keys.account, attempts.Counter())
    return budget.remembered(row.clears_at, Clock()())


def allowed(tries: list[SignInAttempt]) -> int:
    return sum(not each.judged[0].full for each in tries)


def test_64_parallel_guesses_are_counted_one_by_one(store: Database, write: Write) -> None:
    guesses = [attempt() for _ in range(64)]
    assert write(*map(sign_ins.count, guesses)) == [True] * 64
    assert (allowed(guesses), counted(store)) == (FREE, FREE)
    assert {each.judged[0].wait for each in guesses[FREE:]} == {SECOND}


def test_64_parallel_guesses_on_two_nodes_are_counted_one_by_one(
    store: Database, run: Run, url: str, clock: Clock
) -> None:
    guesses = [attempt() for _ in range(64)]
    two_nodes(run, url, clock, [[[*map(sign_ins.count, guesses[::2])], [*map(sign_ins.count, guesses[1::2])]]])
    assert (allowed(guesses), counted(store)) == (FREE, FREE)


def test_64_parallel_guesses_at_64_accounts_count_64_for_their_network(store: Database, write: Write) -> None:
    guesses = [attempt(f"user{number}") for number in range(64)]
    write(*map(sign_ins.count, guesses))
    budget, network = LIMITS.network, attempt_keys(KEY, "", ELSEWHERE).network
    assert budget is not None
    assert budget.remembered(record(store).rows[network].clears_at, Clock()()) == 64
    assert allowed(guesses) == 64


@pytest.mark.thorough
@on_sqlite
def test_on_a_day_of_guesses_from_ten_obedient_networks_200_reach_the_hash(
    store: Database, write: Write, clock: Clock
) -> None:
    limits, began, hashed = AttemptLimits(daily(200), daily(3000)), clock(), 0
    due = {f"10.0.{number}.0/24": began for number in range(10)}
    while clock() < began + 86400 * SECOND:
        network = min(due, key=due.__getitem__)
        clock.now = max(clock.now, due[network])
        guess = SignInAttempt(attempt_keys(KEY, "ada", network), False, limits)
        write(sign_ins.count(guess))
        hashed += not guess.judged[0].full
        due[network] = clock() + max(guess.judged[0].wait, SECOND)
    assert 190 <= hashed <= 200


def test_a_known_network_has_a_counter_of_its_own(store: Database, write: Write) -> None:
    write(*(sign_ins.count(attempt()) for _ in range(64)))
    at_home = [attempt(network=HOME, is_known=True) for _ in range(FREE + 1)]
    write(*map(sign_ins.count, at_home))
    assert allowed(at_home) == FREE
    assert counted(store) == FREE


def test_success_gives_the_attempt_back_remembers_the_network_and_begins_the_authorization(
    store: Database, write: Write
) -> None:
    tries = [attempt() for _ in range(3)]
    write(*map(sign_ins.count, tries))
    assert write(signed_in(tries[0], 1, ELSEWHERE)) == [True]
    after = record(store)
    assert (counted(store), after.seen_at) == (2, Clock()())
    assert after.is_known(Clock()()) and not after.is_known(Clock()() + KNOWN_FOR)
    assert not record(store, network=HOME).is_known(Clock()())
    assert not record(store, account="bob").is_known(Clock()())


def test_parallel_sign_ins_of_two_users_on_two_nodes_leave_nothing_counted_and_never_deadlock(
    store: Database, run: Run, url: str, clock: Clock
) -> None:
    """In each round both nodes count, give the attempts of the last round back, and refresh, in opposite orders."""
    begun(store, *range(100, 108))
    failures: list[object] = []
    tries = [[attempt("ada" if number % 2 else "bob") for number in range(8)] for _ in range(ROUNDS)]

    def watch(node: Any) -> None:
        event.listen(node._engine, "handle_error", lambda context: failures.append(context.original_exception))

    def busy(round: int) -> list[list[Change]]:
        counts = [sign_ins.count(each) for each in tries[round]] if round < ROUNDS else []
        last = tries[round - 1] if round else []
        done = [signed_in(each, 1000 + 8 * round + place, ELSEWHERE) for place, each in enumerate(last)]
        refreshes = [rotation(a_login(number, generation=round)) for number in range(100, 108)]
        return [[*counts[:4], *refreshes, *done[:4]], [*done[4:], *refreshes[::-1], *counts[:3:-1]]]

    two_nodes(run, url, clock, map(busy, range(ROUNDS + 1)), watch)
    assert failures == []
    assert {allowed(each) for each in tries} == {8}
    assert (counted(store), counted(store, "bob")) == (0, 0)


def test_sign_ins_one_after_the_other_cost_nothing(store: Database, write: Write) -> None:
    for number in range(2 * FREE):
        once = attempt()
        write(sign_ins.count(once))
        assert write(signed_in(once, number)) == [True]
    assert counted(store) == 0


@on_postgres
def test_where_transactions_are_serializable_guesses_on_two_nodes_are_counted_too(
    store: Database, run: Run, serializable_url: str, clock: Clock
) -> None:
    guesses = [attempt() for _ in range(8)]
    rounds = [[[sign_ins.count(guesses[number])], [sign_ins.count(guesses[number + 1])]] for number in range(0, 8, 2)]
    two_nodes(run, serializable_url, clock, rounds)
    assert (allowed(guesses), counted(store)) == (8, 8)


def test_known_networks_are_bounded_the_oldest_is_forgotten(store: Database, write: Write, clock: Clock) -> None:
    networks = [f"10.0.{number}.0/24" for number in range(MAX_KNOWN + 2)]
    for number, network in enumerate(networks):
        clock.forward(1)
        once, bobs = attempt(network=network), attempt("bob", network)
        write(sign_ins.count(once), sign_ins.count(bobs))
        write(signed_in(once, number, network))
        write(signed_in(bobs, 100 + number, network, subject="u_bob"))
    known = [network for network in networks if record(store, network=network).seen_at]
    assert known == networks[2:]


def test_a_user_that_does_not_exist_is_counted_alike(store: Database, write: Write) -> None:
    guesses = [attempt(name) for name in ("ada", "nobody") for _ in range(FREE + 5)]
    write(*map(sign_ins.count, guesses))
    judged = [replace(each.judged[0], counters=None) for each in guesses]
    assert judged[: FREE + 5] == judged[FREE + 5 :]
    assert record(store, "nobody").user is None


def test_a_copy_of_the_table_names_nobody(store: Database, write: Write) -> None:
    write(sign_ins.count(attempt()))
    with store.begin() as connection:
        stored = str(connection.execute(text("SELECT * FROM attempts")).all())
    assert "ada" not in stored and "198.51" not in stored
    assert attempt_keys(KEY, "ada", HOME) != attempt_keys(bytes(31) + b"1", "ada", HOME)


def test_an_operator_sees_and_forgets_what_is_counted_for_one_account(store: Database, write: Write) -> None:
    write(*(sign_ins.count(attempt(name, network)) for name in ("ada", "bob") for network in (HOME, ELSEWHERE)))
    account = attempt_keys(KEY, "ada", HOME).account
    with store.begin() as connection:
        assert len(attempts.of_account(connection, account)) == 3
        assert attempts.forget_account(connection, account) == 3
    assert (counted(store), counted(store, "bob")) == (0, 2)


def test_counters_go_when_everything_they_counted_is_forgotten(store: Database, write: Write, clock: Clock) -> None:
    write(*(sign_ins.count(attempt()) for _ in range(64)))
    once = attempt(network=HOME)
    write(sign_ins.count(once), signed_in(once, 1, HOME))

    def rows_after(seconds: int) -> list[int]:
        clock.forward(seconds)
        with store.begin() as connection:
            batch = pruning.next_batch_many(connection, [None])[None]
        assert commit(store._engine, [pruning.prune(batch)], clock) == [True]
        with store.begin() as connection:
            counts = ("attempts", "known_networks")
            return [connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in counts]

    assert rows_after(0) == [5, 1]
    assert rows_after(86400 - 60)[1] == 1
    assert rows_after(2 * 3600) == [0, 1]
    assert rows_after(90 * 86400) == [0, 0]


@on_postgres
def test_a_row_that_is_pruned_while_it_is_being_counted_is_counted_all_the_same(
    store: Database, write: Write, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    pruned: list[Any] = []
    rows = attempts._rows

    def prune_once(result: Any) -> Any:
        found = rows(result)
        if not pruned:
            pruned.append(found.popitem())
        return found

    monkeypatch.setattr(attempts, "_rows", prune_once)
    guess = attempt()
    assert write(sign_ins.count(guess)) == [True]
    assert pruned and counted(store) == 1
