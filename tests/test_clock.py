"""The clock follows the wall clock at once, wherever it goes, and knows how long ago a time was that it once told."""

import threading
import time
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.clock import Clock

SECOND = 1_000_000
HOUR, YEAR = 3600 * SECOND, 365 * 86400 * SECOND
START = 1_800_000_000 * SECOND


class Machine:
    """A wall clock that may be set, and a steady one that may not."""

    def __init__(self) -> None:
        self.wall, self.steady = START, 5 * HOUR
        self.clock = Clock(lambda: self.wall, lambda: self.steady)

    def run(self, microseconds: int) -> int:
        """Time passes; what the clock says then."""
        self.wall += microseconds
        self.steady += microseconds
        return self.clock()


spans, steps = st.integers(1, 2 * HOUR), st.integers(-YEAR, YEAR)


@given(st.lists(st.tuples(spans, steps), max_size=20))
def test_however_the_wall_clock_is_set_it_is_followed_at_once(history: list[tuple[int, int]]) -> None:
    machine = Machine()
    for span, step in history:
        machine.wall += step
        assert machine.clock() == machine.wall
        assert machine.run(span) == machine.wall


@given(st.lists(st.tuples(spans, steps), max_size=100))
def test_each_step_is_told_once_with_its_size(history: list[tuple[int, int]]) -> None:
    machine = Machine()
    for span, step in history:
        machine.run(span)
        machine.wall += step
        machine.clock()
        assert machine.clock.steps() == ([step] if abs(step) > 2 * SECOND else [])
        assert machine.clock.steps() == []


@pytest.mark.parametrize("step", [1, -1, SECOND, -SECOND, 2 * SECOND, -2 * SECOND])
def test_two_seconds_are_no_step(step: int) -> None:
    machine = Machine()
    machine.wall += step
    assert machine.clock() == machine.wall
    assert machine.clock.timeline().today(machine.wall) == machine.wall
    assert machine.clock.steps() == []


def test_steps_that_nobody_asks_for_take_no_memory() -> None:
    machine = Machine()
    for _ in range(1000):
        machine.wall += HOUR
        machine.run(1)
    assert len(machine.clock.steps()) == 64
    assert len(machine.clock.timeline().stretches) == 256


@pytest.mark.parametrize("asleep", [60 * SECOND, 30 * 24 * HOUR])
def test_time_in_which_the_machine_was_suspended_has_passed_and_is_no_step(asleep: int) -> None:
    machine = Machine()
    before = machine.clock()
    assert machine.run(asleep) - before == asleep
    assert machine.clock.steps() == []
    assert machine.clock.timeline().moment(before) == machine.steady - asleep


def test_an_interruption_between_two_readings_is_no_step() -> None:
    """The process is held up for a minute just when it has read one clock and not yet the other; also at its start."""
    machine, held_up = Machine(), cycle([60 * SECOND, 0, 0])

    def wall() -> int:
        for_so_long = next(held_up)
        machine.wall, machine.steady = machine.wall + for_so_long, machine.steady + for_so_long
        return machine.wall

    clock = Clock(wall, lambda: machine.steady)
    for _ in range(6):
        assert clock() == machine.wall
    assert clock.steps() == []


def test_no_two_threads_read_it_at_once() -> None:
    inside, most = 0, 0
    ticks = iter(range(10**9))

    def steady() -> int:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.0002)
        inside -= 1
        return next(ticks)

    clock = Clock(lambda: START, steady)
    said: list[list[int]] = [[] for _ in range(8)]

    def read(mine: list[int]) -> None:
        mine.extend(clock() for _ in range(10))

    threads = [threading.Thread(target=read, args=(mine,)) for mine in said]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_clock_that_is_taken_as_it_is_never_steps() -> None:
    now = [START]
    clock = Clock(lambda: now[0], lambda: now[0])
    for at in (START + YEAR, START - YEAR, START):
        now[0] = at
        assert clock() == clock.steady() == clock.timeline().moment(at) == at
    assert clock.steps() == []


class Node(Machine):
    """Keeps to the clock of a database, `ahead` of its own."""

    ahead = 0

    def look(self, there: int = 0, back: int = 0) -> None:
        """The question takes some time to get there, and the answer to come back."""
        asked_at = self.steady
        self.run(there)
        shown = self.wall + self.ahead
        self.run(back)
        self.clock.follow(asked_at, shown, self.steady)


@given(steps, st.lists(st.tuples(spans, steps, steps), max_size=10))
def test_the_databases_clock_is_followed_at_each_look_instead_of_the_machines_own(
    ahead: int, history: list[tuple[int, int, int]]
) -> None:
    node = Node()
    node.ahead = ahead
    node.look()
    assert node.clock.steps() == []  # where it began is no step
    for span, step, own in history:
        node.ahead += step
        node.run(span)
        node.look()
        node.wall, node.ahead = node.wall + own, node.ahead - own  # somebody sets this machine's clock
        assert node.clock() == node.wall + node.ahead
        assert node.clock.steps() == ([step] if abs(step) > 2 * SECOND else [])


@given(steps, steps, st.integers(0, 20 * SECOND), st.integers(0, 20 * SECOND))
def test_a_look_that_takes_long_moves_it_only_as_far_as_it_certainly_is_off(
    first: int, step: int, there: int, back: int
) -> None:
    node = Node()
    node.ahead = first
    node.look()
    node.ahead += step
    node.look(there, back)
    off = node.clock() - (node.wall + node.ahead)
    assert -back <= off <= there
    assert abs(off) <= abs(step)


@given(st.integers(3, YEAR // SECOND), *[st.integers(0, 20 * SECOND)] * 4)
def test_what_another_node_wrote_after_a_step_back_is_not_from_before_it_however_long_the_look_takes(
    size: int, until_step: int, since_step: int, there: int, back: int
) -> None:
    node = Node()
    node.look()
    node.run(until_step)
    node.ahead -= size * SECOND
    written, moment = node.wall + node.ahead, node.steady
    node.run(since_step)
    node.look(there, back)
    timeline = node.clock.timeline()
    assert timeline.moment(written) >= moment - there - back


@pytest.mark.parametrize("size", [3, 3600, 365 * 86400])
@pytest.mark.parametrize("direction", [1, -1])
def test_how_long_ago_a_time_was_is_known_across_a_step(size: int, direction: int) -> None:
    machine = Machine()
    before, moment = machine.clock(), machine.steady
    machine.run(10 * SECOND)
    machine.wall += direction * size * SECOND
    after = machine.run(10 * SECOND)
    timeline = machine.clock.timeline()
    assert timeline.moment(before) == moment
    assert timeline.moment(after) == machine.steady


@given(steps)
def test_what_an_earlier_process_knew_is_known_to_the_next_one_and_a_step_between_them_too(step: int) -> None:
    machine = Machine()
    before, moment = machine.clock(), machine.steady
    known = machine.clock.timeline().stretches
    machine.run(10 * SECOND)
    machine.wall += step
    machine.clock = Clock(lambda: machine.wall, lambda: machine.steady)
    machine.clock.resume(known)
    assert machine.clock.steps() == ([step] if abs(step) > 2 * SECOND else [])
    machine.run(10 * SECOND)
    if abs(step) > 30 * SECOND:
        assert machine.clock.timeline().moment(before) == moment
    assert machine.clock() == machine.wall


def test_a_step_between_two_processes_reaches_back_no_further_than_the_step_before_it() -> None:
    machine = Machine()
    before, moment = machine.clock(), machine.steady
    machine.run(60 * SECOND)
    machine.wall += HOUR
    machine.run(60 * SECOND)
    known = machine.clock.timeline().stretches
    machine.wall -= HOUR + 20 * SECOND
    machine.clock = Clock(lambda: machine.wall, lambda: machine.steady)
    machine.clock.resume(known)
    assert machine.clock.timeline().moment(before) == moment


def test_the_first_process_after_a_start_of_the_machine_knows_nothing_and_says_nothing() -> None:
    machine = Machine()
    before = machine.clock.timeline()
    machine.clock.resume(())
    assert machine.clock.timeline() == before
    assert machine.clock.steps() == []


def test_after_a_step_forward_it_is_known_for_a_while_what_the_clock_would_have_said() -> None:
    machine, day = Machine(), 24 * HOUR
    machine.wall += YEAR
    assert machine.clock.timeline().earliest(day) == machine.wall - YEAR
    machine.run(HOUR)
    assert machine.clock.timeline().earliest(day) == machine.wall - YEAR
    machine.run(day + 10 * SECOND)
    assert machine.clock.timeline().earliest(day) == machine.wall
    machine.wall -= YEAR
    machine.run(1)
    assert machine.clock.timeline().earliest(day) == machine.wall
