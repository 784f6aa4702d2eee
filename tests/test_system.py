"""The clock: it never jumps, never goes back, and follows the wall clock by one per cent at most."""

import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver import system
from authserver.system import Clock

START = 1_800_000_000 * 10**9
SECOND, HOUR = 10**9, 3600 * 10**9  # the machine's clocks count nanoseconds
MICRO = 1000


class Machine:
    """A wall clock that may be set, and a steady one that may not."""

    def __init__(self) -> None:
        self.wall, self.steady = START, 5 * HOUR
        self.clock = Clock(lambda: self.wall, lambda: self.steady)

    def run(self, nanoseconds: int) -> int:
        """Time passes; what the clock says then."""
        self.wall += nanoseconds
        self.steady += nanoseconds
        return self.clock()


spans = st.integers(1, 2 * HOUR)
steps = st.integers(-HOUR, HOUR)


@given(st.lists(st.tuples(spans, steps), min_size=1, max_size=20))
def test_however_the_wall_clock_is_set_time_goes_on_within_one_per_cent(history: list[tuple[int, int]]) -> None:
    machine = Machine()
    for span, step in history:
        before = machine.clock()
        machine.wall += step
        passed = machine.run(span) - before
        assert span * 99 // 100 // MICRO - 1 <= passed <= span * 101 // 100 // MICRO + 1


@given(st.lists(spans, min_size=1, max_size=20))
def test_without_steps_it_is_the_wall_clock(history: list[int]) -> None:
    machine = Machine()
    for span in history:
        assert machine.run(span) == machine.wall // MICRO


@pytest.mark.parametrize("step", [HOUR, -HOUR, SECOND, -SECOND])
@pytest.mark.parametrize("every", [MICRO, 7 * SECOND, HOUR])
def test_a_step_is_caught_up_with_at_one_per_cent_and_then_kept_to(step: int, every: int) -> None:
    machine = Machine()
    machine.wall += step
    before = machine.clock()
    assert before == START // MICRO  # no jump
    for readings in range(1, 200):
        passed = every * readings
        caught_up = min(abs(step), passed // 100) * (1 if step > 0 else -1)
        assert machine.run(every) - before == pytest.approx((passed + caught_up) / MICRO, abs=2)
    machine.run(abs(step) * 101)
    assert machine.clock() == machine.run(0) == machine.wall // MICRO


@given(st.integers(1, 1000), st.lists(steps, max_size=5))
def test_reading_it_often_changes_nothing_about_how_fast_it_goes(reads: int, history: list[int]) -> None:
    """Rounding must not add up: a thousand readings in a second are worth a second."""
    machine = Machine()
    before = machine.clock()
    for step in history or [0]:
        machine.wall += step
    for _ in range(reads):
        machine.run(SECOND // reads)
    passed = machine.clock() - before
    assert 0.99 * 10**6 - reads * 2 <= passed <= 1.01 * 10**6 + reads * 2


@pytest.mark.parametrize("asleep", [60 * SECOND, 30 * 24 * HOUR])
def test_time_in_which_the_machine_was_suspended_has_passed(asleep: int) -> None:
    machine = Machine()
    before = machine.clock()
    assert machine.run(asleep) - before == asleep // MICRO


@pytest.mark.skipif(sys.platform != "linux", reason="CLOCK_BOOTTIME is Linux's")
def test_the_steady_clock_goes_on_while_linux_is_suspended() -> None:
    assert system._STEADY == time.CLOCK_BOOTTIME


def test_it_never_goes_back_though_the_wall_clock_does() -> None:
    machine = Machine()
    said = [machine.clock()]
    for _ in range(1000):
        machine.wall -= HOUR
        said.append(machine.run(1))
    assert said == sorted(said)


def test_no_two_threads_read_it_at_once() -> None:
    """Who gets in between the reading of the steady clock and the end of the sum counts time twice."""
    inside, most = 0, 0
    ticks = iter(range(10**9))

    def steady() -> int:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.0002)
        inside -= 1
        return next(ticks) * MICRO

    clock = Clock(lambda: START, steady)
    said: list[list[int]] = [[] for _ in range(8)]

    def read(mine: list[int]) -> None:
        mine.extend(clock() for _ in range(20))

    threads = [threading.Thread(target=read, args=(mine,)) for mine in said]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert all(mine == sorted(mine) for mine in said)


def test_the_process_has_one_clock_and_it_tells_the_time() -> None:
    assert abs(system.now() - time.time_ns() // MICRO) < 5 * 10**6


def test_a_shared_clock_is_moved_by_the_middle_of_the_question() -> None:
    machine = Machine()
    shared = system.SharedClock(machine.clock)
    assert shared() == machine.clock()
    asked = shared()
    answered = machine.run(SECOND // 10)
    shared.keep_to(asked + 3_600_000_000, asked, answered)
    assert shared() - machine.clock() == 3_600_000_000 - 50_000
    shared.keep_to(shared(), shared(), shared())
    assert shared() - machine.clock() == 3_600_000_000 - 50_000


def test_a_step_of_the_shared_clock_is_followed_by_1_percent_of_the_time() -> None:
    machine = Machine()
    shared = system.SharedClock(machine.clock)
    shared.keep_to(shared(), shared(), shared())
    machine.run(2 * SECOND)
    shared.keep_to(shared() + 3_600_000_000, shared(), shared())
    assert shared() - machine.clock() == 20_000
    machine.run(2 * SECOND)
    shared.keep_to(machine.clock(), shared(), shared())
    assert shared() - machine.clock() == 0


def test_a_reading_of_the_shared_clock_that_took_long_says_nothing() -> None:
    machine = Machine()
    shared = system.SharedClock(machine.clock)
    asked = shared()
    shared.keep_to(asked + 3_600_000_000, asked, machine.run(SECOND))
    assert shared() == machine.clock()


@pytest.fixture(params=[system.new_id, system.new_key, system.new_secret])
def make(request: pytest.FixtureRequest) -> Iterator[Callable[[], bytes | str]]:
    yield request.param


def test_randomness_is_long_enough_and_never_the_same(make: Callable[[], bytes | str]) -> None:
    lengths = {system.new_id: 16, system.new_key: 32, system.new_secret: 43}
    made = {make() for _ in range(1000)}
    assert len(made) == 1000 and {len(one) for one in made} == {lengths[make]}  # type: ignore[index]
