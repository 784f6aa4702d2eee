"""For any history of steps, rotations and retries, on several processes that notice each step at their own time: a
retry that comes in time is no reuse, and no step makes a window longer than processes differ.

The oracle is the steady clock, which no step touches. Each process notices a step before the next one comes. One that
has not noticed a step yet may count too much time; before it calls a token reused, it looks at the clock once more, as
the server does (tests/web/test_steps.py).
"""

from dataclasses import dataclass, field

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from authserver.clock import Clock
from authserver.domain.elapsed import Elapsed
from authserver.domain.models import Policy
from authserver.domain.outages import Outages
from authserver.domain.rotation import Verdict
from authserver.domain.timeline import DRIFT, SPREAD, STEP, Stretch, Timeline
from tests.domain.test_rotation import LOGIN, verdict
from tests.harness.constants import SECOND

HOUR, DAY, YEAR = 3600 * SECOND, 86400 * SECOND, 365 * 86400 * SECOND
WINDOW = 30
LOOK = 2 * SECOND
"""Longer than any process goes without a look at the clock."""
SLACK = SPREAD + 2 * LOOK


@dataclass
class Process:
    world: "World"
    polls: bool
    """It looks at the clock now and then only, as nodes look at their database's."""
    looked_at: int = 0

    def __post_init__(self) -> None:
        self.clock = Clock(lambda: self.world.wall, lambda: self.world.steady)
        self.look()

    def look(self) -> None:
        self.looked_at = steady = self.world.steady
        if self.polls:
            self.clock.follow(steady, self.world.wall, steady)
        self.clock()

    def now(self) -> int:
        if not self.polls:
            self.looked_at = self.world.steady
        return self.clock()

    def elapsed_since(self, stamp: int) -> int:
        """By which a retry that arrives now is judged: it is reuse only after another look at the clock."""
        arrived = self.now()
        elapsed = self._elapsed(stamp, arrived)
        if elapsed < WINDOW * SECOND:
            return elapsed
        self.look()
        return self._elapsed(stamp, arrived)

    def _elapsed(self, stamp: int, arrived: int) -> int:
        return Elapsed(self.clock.timeline(), Outages()).between(stamp, arrived)


@dataclass
class World:
    polls: bool
    wall: int = 1_800_000_000 * SECOND
    steady: int = 7 * HOUR
    stepped_at: int = 0
    rotations: list[tuple[int, int]] = field(default_factory=list)
    """What was written into the row, and when that truly was."""

    def __post_init__(self) -> None:
        self.processes = [Process(self, self.polls) for _ in range(3)]

    def run(self, microseconds: int) -> None:
        while microseconds > 0:
            some = min(microseconds, SECOND // 2)
            self.wall, self.steady, microseconds = self.wall + some, self.steady + some, microseconds - some
            for process in self.processes:
                if self.steady - process.looked_at >= LOOK - SECOND // 2:
                    process.look()

    def step(self, by: int) -> None:
        for process in self.processes:
            if process.looked_at <= self.stepped_at:
                process.look()
        self.stepped_at = self.steady
        self.wall += by

    def rotate(self, number: int) -> None:
        self.rotations.append((self.processes[number].now(), self.steady))


numbers = st.integers(0, 2)
sizes = st.one_of(st.integers(DRIFT + 1, STEP), st.integers(STEP + 1, HOUR), st.integers(HOUR, YEAR))
runs = st.tuples(st.just("run"), st.integers(1, 40 * SECOND))
looks, rotations, retries = (st.tuples(st.just(name), numbers) for name in ("look", "rotate", "retry"))


def steps(directions: tuple[int, ...]) -> st.SearchStrategy[tuple[str, int]]:
    by = st.builds(lambda size, direction: size * direction, sizes, st.sampled_from(directions))
    return st.tuples(st.just("step"), by)


def histories(*directions: int) -> st.SearchStrategy[list[tuple[str, int]]]:
    return st.lists(st.one_of(runs, looks, steps(directions), rotations, retries), max_size=30)


def retried(world: World, history: list[tuple[str, int]]) -> list[tuple[int, int]]:
    """For each retry of the newest rotation: how much time counted, and how much truly passed."""
    found = []
    for what, value in [("rotate", 0), *history, ("retry", 1)]:
        if what == "run":
            world.run(value)
        elif what == "step":
            world.step(value)
        elif what == "look":
            world.processes[value].look()
        elif what == "rotate":
            world.rotate(value)
        else:
            stamp, moment = world.rotations[-1]
            found.append((world.processes[value].elapsed_since(stamp), world.steady - moment))
    return found


def unnoticed(*steps: int) -> list[tuple[str, int]]:
    """Process 2 has read the clock after each of the steps, and rotates; process 1, which gets the retry, has not."""
    return [each for step in steps for each in (("step", step), ("look", 2))] + [("rotate", 2)]


@pytest.mark.parametrize("polls", [False, True], ids=["own clock", "database's clock"])
@given(history=histories(1, -1))
@example(history=unnoticed(-STEP - 1))
@example(history=[("run", SECOND), ("step", STEP)] * 15)
@example(history=unnoticed(-WINDOW * SECOND))
@example(history=unnoticed(-HOUR))
@example(history=unnoticed(-YEAR))
@example(history=unnoticed(HOUR, -HOUR - STEP - 1))
@example(history=unnoticed(-HOUR, -STEP - 1, -HOUR))
@example(history=[("step", -HOUR), ("look", 2), ("run", SECOND), ("rotate", 2), ("run", SECOND // 2)])
def test_a_retry_in_time_is_never_reuse(polls: bool, history: list[tuple[str, int]]) -> None:
    world = World(polls)
    for elapsed, truly in retried(world, history):
        counts_too_much = polls and truly < elapsed < WINDOW * SECOND
        assert 0 <= elapsed <= truly or counts_too_much
        if truly < WINDOW * SECOND:
            policy = Policy(refresh_retry_window=WINDOW)
            assert verdict(LOGIN.generation - 1, LOGIN, policy=policy, elapsed=elapsed) is Verdict.RETRY
    for process in world.processes:
        process.look()
        assert process.clock() == world.wall


@pytest.mark.parametrize("polls", [False, True], ids=["own clock", "database's clock"])
@given(by=st.lists(st.integers(-DRIFT, DRIFT), max_size=100), pause=st.integers(1, SECOND // 4))
@example(by=[DRIFT] * 100, pause=SECOND // 4)
def test_changes_too_small_for_a_stretch_of_their_own_do_not_add_up(polls: bool, by: list[int], pause: int) -> None:
    history = [event for size in by for event in (("run", pause), ("step", size), ("look", 1))]
    for elapsed, truly in retried(World(polls), history):
        assert 0 <= elapsed <= truly + 2 * DRIFT


@pytest.mark.parametrize("polls", [False, True], ids=["own clock", "database's clock"])
@pytest.mark.parametrize("by", [SECOND // 10, -SECOND // 10])
def test_a_clock_that_is_slewed_makes_a_window_neither_longer_nor_shorter(polls: bool, by: int) -> None:
    """As chrony slews at most, 8 % faster or slower than time passes."""
    slewed = [("run", SECOND), ("step", by)]
    history = [*slewed * 900, ("rotate", 0), *slewed * 300]
    world = World(polls)
    (elapsed, truly), *_ = retried(world, history)
    assert truly - SLACK <= elapsed <= truly + 2 * DRIFT
    assert len(world.processes[0].clock.timeline().stretches) < 256


@pytest.mark.thorough
@pytest.mark.parametrize("polls", [False, True], ids=["own clock", "database's clock"])
@given(history=histories(1))
def test_steps_forward_lengthen_no_window_by_more_than_processes_differ(
    polls: bool, history: list[tuple[str, int]]
) -> None:
    for elapsed, truly in retried(World(polls), history):
        assert elapsed >= truly - SLACK


@pytest.mark.parametrize("polls", [False, True], ids=["own clock", "database's clock"])
@given(size=st.integers(HOUR, YEAR), before=st.integers(0, 20 * SECOND), after=st.integers(0, HOUR // 2))
def test_a_step_back_lengthens_no_window_by_more_than_processes_differ(
    polls: bool, size: int, before: int, after: int
) -> None:
    """Nor while the wall clock says an earlier time than the row."""
    (elapsed, truly), *_ = retried(World(polls), [("run", before), ("step", -size), ("run", after)])
    assert truly - SLACK <= elapsed <= truly


@given(size=st.integers(STEP + 1, YEAR), asleep=st.integers(LOOK, HOUR), when=st.integers(0, HOUR))
def test_a_process_that_did_not_look_for_long_knows_what_was_before_the_step(size: int, asleep: int, when: int) -> None:
    """Another one rotated meanwhile, before the clock was set or after it."""
    world = World(polls=False)
    sleeper, awake = world.processes[:2]
    sleeper.look()
    world.processes = [awake]
    when = min(when, asleep)
    world.run(when)
    stamps = [(awake.now(), world.steady)]
    world.wall += size
    stamps.append((awake.now(), world.steady))
    world.run(asleep - when)
    for stamp, moment in stamps:
        assert 0 <= sleeper.elapsed_since(stamp) <= world.steady - moment


def test_a_time_that_a_step_forward_skipped_counts_as_the_moment_of_the_step() -> None:
    timeline = Timeline((Stretch(YEAR),), 100 * SECOND)
    for number, at in enumerate((100 * SECOND, 200 * SECOND), start=1):
        timeline = timeline.stepped(YEAR + number * HOUR, at, at + SECOND)
    timeline = timeline.at(300 * SECOND, YEAR + 2 * HOUR)
    for number, at in enumerate((100 * SECOND, 200 * SECOND)):
        skipped = YEAR + number * HOUR + 1800 * SECOND
        assert timeline.moment(skipped) == at + SECOND + SPREAD


def test_a_time_that_no_clock_here_has_told_yet_counts_as_now() -> None:
    """It was written before this process began, by a clock that was ahead: elapsed time is never negative."""
    timeline = Timeline((Stretch(0),), 100 * SECOND)
    assert timeline.moment(YEAR) == 100 * SECOND
    assert Elapsed(timeline, Outages()).between(YEAR, 100 * SECOND) == 0


def test_a_request_that_had_arrived_before_the_rotation_comes_no_time_after_it() -> None:
    timeline = Timeline((Stretch(0),), 100 * SECOND)
    assert Elapsed(timeline, Outages()).between(50 * SECOND, 49 * SECOND) == 0


def test_neither_steps_nor_outages_count_and_what_is_both_counts_once() -> None:
    timeline = Timeline((Stretch(0),), 100 * SECOND).stepped(HOUR, 110 * SECOND, 110 * SECOND).at(130 * SECOND, HOUR)
    outages = Outages().failed(105 * SECOND).worked(120 * SECOND)
    assert Elapsed(timeline, outages).between(100 * SECOND, 130 * SECOND + HOUR) == 15 * SECOND


def test_what_is_kept_is_bounded_and_what_was_before_it_is_old() -> None:
    timeline = Timeline((Stretch(0),), 0)
    for number in range(1, 1000):
        timeline = timeline.stepped(number * HOUR, number * SECOND, number * SECOND)
    assert len(timeline.stretches) == 256
    assert timeline.moment(0) < 0
    assert Elapsed(timeline, Outages()).between(0, timeline.now + 999 * HOUR) > HOUR


def test_small_changes_of_long_ago_take_no_room_from_steps() -> None:
    timeline = Timeline((Stretch(0),), 0).stepped(HOUR, SECOND, SECOND)
    for number in range(1, 1000):
        timeline = timeline.stepped(HOUR + number * STEP // 2, number * 10 * SECOND, number * 10 * SECOND)
    assert timeline.stretches[0] == Stretch(0, None, SECOND + SPREAD)
    assert len(timeline.stretches) < 70


@pytest.mark.parametrize("step", [HOUR, -HOUR], ids=["forward", "back"])
def test_small_changes_of_long_ago_move_no_time(step: int) -> None:
    """Keys have such times."""
    offsets = [0, step, step + SECOND, step + STEP]
    timeline = Timeline((Stretch(0),), 0)
    for number, offset in enumerate(offsets[1:], start=1):
        timeline = timeline.stepped(offset, number * DAY, number * DAY)
    timeline = timeline.stepped(step + STEP + SECOND, 9 * DAY, 9 * DAY)
    assert len(timeline.stretches) == 4, "two that differ little were joined"
    for number, offset in enumerate(offsets):
        moment = number * DAY + DAY // 2
        assert abs(timeline.moment(moment + offset) - moment) <= STEP
