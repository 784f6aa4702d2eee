"""Groups that run sorted cannot deadlock each other; what deadlocks or cannot be serialized nevertheless runs again."""

from collections.abc import Callable
from contextlib import nullcontext
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import event, text

from authserver.cli.common import transact
from authserver.domain.errors import ChangedMeanwhile, Unavailable
from authserver.store import authorizations, signing_keys
from authserver.store.database import Database
from tests.harness.builders import IDLE
from tests.harness.clock import Clock
from tests.harness.postgres import Postgres
from tests.store.conftest import Run
from tests.store.nodes import two_nodes
from tests.store.rows import (
    a_login,
    begun,
    change_of,
    generations,
    on_postgres,
    rotation,
)

pytestmark = on_postgres
ROUNDS = 40


@pytest.fixture
def run_again() -> Any:
    """`watch` is for two_nodes; `failures` are the SQL states of what the database refused meanwhile."""

    class RunAgain:
        failures: list[str] = []

        def watch(self, node: Any) -> None:
            event.listen(node._engine, "handle_error", lambda c: self.failures.append(c.original_exception.sqlstate))

    RunAgain.failures = []
    return RunAgain()


def test_two_nodes_with_opposite_orders_of_arrival_never_deadlock(
    store: Database, run: Run, url: str, clock: Clock, run_again: Any
) -> None:
    begun(store, *range(8))

    def opposite(number: Any) -> Any:
        changes = [rotation(a_login(row, generation=number)) for row in range(8)]
        denials = [signing_keys.deny(f"{number}-{row}", 1) for row in range(8)]
        return [*changes, *denials], [*denials[::-1], *changes[::-1]]

    outcomes = two_nodes(run, url, clock, map(opposite, range(ROUNDS)), run_again.watch)
    assert run_again.failures == []
    for one, other in outcomes:
        assert [sum(pair) for pair in zip(one[:8], other[:7:-1], strict=True)] == [1] * 8
    assert generations(store) == dict.fromkeys(range(8), ROUNDS)


def test_two_nodes_that_confirm_and_write_one_row_never_deadlock(
    store: Database, run: Run, url: str, clock: Clock, run_again: Any
) -> None:
    """If a confirmation took a weaker lock than the write after it, each node would wait for the other's."""
    begun(store, *range(4))

    def confirm_and_write(number: Any) -> Any:
        logins = [a_login(row) for row in range(4)]
        confirmed = [authorizations.confirm(login) for login in logins]
        used = [authorizations.use(login, idle_ttl=IDLE + number) for login in logins]
        return [[*confirmed, *used]] * 2

    outcomes = two_nodes(run, url, clock, map(confirm_and_write, range(ROUNDS)), run_again.watch)
    assert run_again.failures == []
    assert outcomes == [[[True] * 8] * 2] * ROUNDS


def test_two_nodes_that_end_the_idlest_logins_of_one_user_never_deadlock(
    store: Database, run: Run, url: str, clock: Clock, run_again: Any
) -> None:
    """Each refreshes some of the logins and then ends all: it wants rows that the other one holds."""

    def exceed_the_limit(number: Any) -> Any:
        rows = range(10 * number + 1, 10 * number + 9)
        begun(store, *rows)
        refreshed = [[rotation(a_login(row)) for row in rows[start::2]] for start in (0, 1)]
        new = [authorizations.begin(a_login(rows[-1] + place), limit=1) for place in (1, 2)]
        return [*refreshed[0], new[0]], [*refreshed[1], new[1]]

    outcomes = two_nodes(run, url, clock, map(exceed_the_limit, range(100)), run_again.watch)
    assert run_again.failures == []
    assert [(one[-1], other[-1]) for one, other in outcomes] == [(True, True)] * 100
    assert True in {refreshed for one, _ in outcomes for refreshed in one[:-1]}
    run(store.write(authorizations.begin(a_login(10_000), limit=1)))
    with store.begin() as connection:
        active = connection.execute(text("SELECT id FROM authorizations WHERE revoked_at IS NULL")).scalars()
        assert [int.from_bytes(id) for id in active] == [10_000]


def test_a_change_of_a_table_without_a_place_in_the_order_is_a_fault(
    store: Database, write: Callable[..., list[Any]]
) -> None:
    (unordered,) = write(change_of(lambda *_: True, ("nowhere", 1)))
    assert isinstance(unordered, ValueError)


def test_the_victim_of_a_deadlock_runs_again_and_its_neighbours_stay_whole(
    store: Database, write: Callable[..., list[Any]], postgres: Postgres, url: str
) -> None:
    """For real: another connection holds row 2 and waits for row 1, which the group holds while it waits for row 2."""
    logins = begun(store, 1, 2, 3)
    rival = postgres.connect(url.split("/")[3].split("?")[0], autocommit=False)
    rival.execute("SET deadlock_timeout = '10s'")  # so that the group is the victim
    rival.execute("SET idle_in_transaction_session_timeout = '5s'")  # so that nothing hangs
    rival.execute("UPDATE authorizations SET scope = '' WHERE id = %s", [logins[1].id])
    ran = []

    def rival_waits(connection: Any, params: Any, now: Any) -> Any:
        ran.append(params)
        if len(ran) == 1:
            waiting.start()
        connection.execute(text("SELECT 1"))
        return True

    def wait_for_row_1() -> None:
        rival.execute("UPDATE authorizations SET scope = '' WHERE id = %s", [logins[0].id])
        rival.commit()
        rival.close()

    waiting = Thread(target=wait_for_row_1)
    after_row_1 = change_of(rival_waits, ("authorizations", logins[0].id + b"\0"))
    assert write(*map(rotation, logins), after_row_1) == [True] * 4
    waiting.join()
    assert len(ran) == 2, "there was no deadlock"
    assert generations(store) == {1: 1, 2: 1, 3: 1}


def raising(sqlstate: Any, times: Any, number: Any) -> Any:
    """A change of that row which the database refuses so often; how often it ran is in the list."""
    ran = []

    def refuse(connection: Any, params: Any, now: Any) -> Any:
        ran.append(now)
        if len(ran) <= times:
            connection.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '{sqlstate}'; END $$"))
        connection.execute(text("UPDATE authorizations SET generation = 7 WHERE id = :id"), {"id": number.to_bytes(16)})
        return True

    return change_of(refuse, ("authorizations", number.to_bytes(16))), ran


@pytest.mark.parametrize(("times", "runs"), [(0, 1), (2, 3), (1000, 3)])
def test_a_command_that_deadlocks_with_a_server_runs_again(
    store: Database, url: str, monkeypatch: pytest.MonkeyPatch, times: int, runs: int
) -> None:
    monkeypatch.setenv("AUTHSERVER_DATABASE_URL", url)
    begun(store, 1)
    change, ran = raising("40P01", times, number=1)
    outcome = nullcontext() if times < runs else pytest.raises(ChangedMeanwhile, match="Run the command again")
    with outcome:
        assert transact(lambda connection: change.apply(connection, [None], 0)) == [True]
    assert len(ran) == runs
    assert generations(store) == {1: 7 if times < runs else 0}


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
def test_serialization_failures_and_deadlocks_are_known_outcomes_and_run_again(
    store: Database, write: Callable[..., list[Any]], sqlstate: str
) -> None:
    first, _, third = begun(store, 1, 2, 3)
    change, ran = raising(sqlstate, 3, number=2)
    assert write(rotation(first), change, rotation(third)) == [True] * 3
    assert len(ran) == 4
    assert generations(store) == {1: 1, 2: 7, 3: 1}


def test_what_never_can_be_serialized_is_unavailable_in_the_end(
    store: Database, write: Callable[..., list[Any]]
) -> None:
    first, _, third = begun(store, 1, 2, 3)
    change, ran = raising("40001", 1000, number=2)
    one, refused, three = write(rotation(first), change, rotation(third))
    assert (one, three) == (True, True)
    assert isinstance(refused, Unavailable)
    assert len(ran) == 4
    assert generations(store) == {1: 1, 2: 0, 3: 1}


def test_another_error_of_the_database_does_not_run_again(store: Database, write: Callable[..., list[Any]]) -> None:
    begun(store, 2)
    change, ran = raising("22012", 1000, number=2)
    assert [type(outcome) for outcome in write(change)] == [Unavailable]
    assert len(ran) == 2, "once in the group, once alone"
