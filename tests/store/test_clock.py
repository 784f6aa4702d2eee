"""What a machine knows of how its clock was set is written down for the processes that start later in the same boot."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest
from structlog.testing import capture_logs

from authserver import system
from authserver.clock import Clock
from authserver.domain.timeline import Stretch
from authserver.store import clock as database_clock
from authserver.store.database import Database
from authserver.timekeeper import Timekeeper
from tests.harness.constants import LONG, SECOND
from tests.store.conftest import Run, together

HOUR = 3600 * SECOND
KNOWN = (Stretch(5, None, 100), Stretch(-HOUR, 90, None))


def test_what_was_written_is_read_by_the_same_boot_alone(
    store: Database, write: Callable[..., list[Any]], clock: Any
) -> None:
    assert write(database_clock.remember("this one", KNOWN)) == [True]
    assert write(database_clock.remember("another", KNOWN[:1])) == [True]
    with store.begin() as connection:
        assert database_clock.load(connection, "this one") == KNOWN
        assert database_clock.load(connection, "another") == KNOWN[:1]
        assert database_clock.load(connection, "nobody") == ()
    assert write(database_clock.remember("this one", KNOWN[1:])) == [True]
    clock.forward(401 * 86400)
    assert write(database_clock.remember("much later", KNOWN)) == [True]
    with store.begin() as connection:
        assert database_clock.load(connection, "this one") == ()


def test_two_processes_that_start_at_once_both_write(store: Database, clock: Any) -> None:
    def write_too() -> None:
        with store.begin() as connection:
            database_clock.write(connection, "this one", KNOWN[1:], clock())

    with ThreadPoolExecutor(1) as thread:
        with store.begin() as connection:
            database_clock.write(connection, "this one", KNOWN, clock())
            other = thread.submit(write_too)
            wait([other], 1)  # it waits for this transaction, which is what fails where a row is replaced in two steps
        other.result(LONG)
    with store.begin() as connection:
        assert database_clock.load(connection, "this one") == KNOWN[1:]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The clocks of this machine, in the test's hand: `machine["wall"] += ...`."""
    machine = {"wall": 1_800_000_000 * SECOND, "steady": 7 * HOUR}
    monkeypatch.setattr(system, "now", lambda: machine["wall"])
    monkeypatch.setattr(system, "steady", lambda: machine["steady"])
    monkeypatch.setattr(system, "boot", lambda: "this one")
    return machine


def passes(machine: Any, seconds: Any) -> None:
    for name in machine:
        machine[name] += seconds * SECOND


@pytest.fixture
def started(store: Database, machine: Any) -> Callable[..., Any]:
    """`started()` is another process's clock and its keeper."""

    def started() -> Any:
        clock = Clock()
        keeper = Timekeeper(store, clock)
        with store.begin() as connection:  # as if the database had no clock: its own would be this machine's true one
            known = database_clock.load(connection, "this one")
        keeper._written = clock.timeline().stretches[-1].offset
        clock.resume(known)
        with store.begin() as connection:
            database_clock.write(connection, "this one", clock.timeline().stretches, clock())
        return clock, keeper

    return started


@pytest.mark.parametrize("step", [HOUR, -HOUR, 365 * 24 * HOUR, SECOND, SECOND // 2])
@pytest.mark.parametrize("seen_by_the_first", [True, False])
def test_a_process_that_starts_after_a_step_knows_how_long_ago_it_was(
    started: Any, machine: Any, store: Database, run: Run, step: Any, seen_by_the_first: bool
) -> None:
    first, keeper = started()
    before, moment = first(), machine["steady"]
    passes(machine, 10)
    machine["wall"] += step
    if seen_by_the_first:
        run(keeper.look())
        with store.begin() as connection:
            assert len(database_clock.load(connection, "this one")) == 2
    passes(machine, 10)
    second, _ = started()
    assert second.timeline().moment(before) == moment
    assert second() == machine["wall"]


def test_a_step_is_logged_once_with_size_and_direction_and_written_once(
    started: Any, machine: Any, store: Database, run: Run
) -> None:
    clock, keeper = started()
    with capture_logs() as told:
        for number, step in enumerate((HOUR, -3 * HOUR), 1):
            machine["wall"] += step
            for _ in range(3):
                passes(machine, 1)
                run(keeper.look())
                assert len(told) == number
    assert [(entry["event"], entry["log_level"], entry["direction"], entry["seconds"]) for entry in told] == [
        ("clock_stepped", "warning", "forward", 3600.0),
        ("clock_stepped", "warning", "back", 10800.0),
    ]
    with store.begin() as connection:
        assert database_clock.load(connection, "this one") == clock.timeline().stretches


def test_a_machine_that_cannot_tell_one_boot_from_another_writes_nothing(
    store: Database, machine: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "boot", lambda: "")
    keeper = Timekeeper(store, Clock())
    keeper.begin()
    machine["wall"] += HOUR
    run(keeper.look())
    with store.begin() as connection:
        assert database_clock.load(connection, "") == ()


def test_the_databases_clock_is_followed_from_the_start_and_at_each_poll(
    store: Database, machine: Any, run: Run
) -> None:
    """On PostgreSQL it is this machine's true one, however wrong this machine's wall clock is said to be."""
    clock = Clock()
    keeper = Timekeeper(store, clock)
    keeper.begin()
    (shown,) = run(together([store.load(database_clock.read_many, None)]))
    if shown is None:
        assert clock() == machine["wall"]
    else:
        assert abs(clock() - shown) < 60 * SECOND
        machine["wall"] += HOUR
        assert abs(clock() - shown) < 60 * SECOND
    run(keeper.follow())
    assert clock.steps() == []


def test_a_clock_that_is_followed_is_read_again_at_each_poll(
    store: Database, machine: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = [HOUR]
    monkeypatch.setattr(database_clock, "follow", lambda connection, clock: True)
    monkeypatch.setattr(
        database_clock, "read_many", lambda connection, keys: dict.fromkeys(keys, machine["wall"] + ahead[0])
    )
    clock = Clock()
    keeper = Timekeeper(store, clock)
    keeper.begin()
    for hours in (1, 3, -1):
        ahead[0] = hours * HOUR
        passes(machine, 2)
        run(keeper.follow())
        assert clock() == machine["wall"] + ahead[0]
