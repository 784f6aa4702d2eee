"""The checker of histories: what one operation after the other could have done is accepted, and nothing else."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, permutations
from typing import Literal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scripts.bench.proofs.linearizable import FOREVER, Login, Operation, is_linearizable, steps
from tests.harness.existing import existing

FIRST = Login()
_moments = st.integers(0, 8).map(float)


@st.composite
def possible(draw: st.DrawFn) -> list[Operation]:
    """A sequential run, an operation a second, whose operations are then asked for earlier and answered later."""
    history, login = [], FIRST
    for second in range(draw(st.integers(0, 12))):
        presented = draw(st.integers(max(0, login.generation - 2), login.generation))
        asked = Operation(draw(st.sampled_from(["refresh"] * 6 + ["end"])), second, second, presented)
        result, login = draw(st.sampled_from(steps(login, asked)))
        early, late = draw(_moments), draw(_moments)
        history.append(replace(asked, invoked=second - early, returned=second + late, result=result))
    return [draw(st.sampled_from([operation, _unknown(operation)])) for operation in history]


@st.composite
def arbitrary(draw: st.DrawFn) -> Operation:
    invoked = draw(_moments)
    returned = draw(st.integers(1, 4).map(lambda seconds: invoked + seconds) | st.just(FOREVER))
    result = draw(st.none() | st.integers(1, 3)) if returned != FOREVER else None
    kinds: list[Literal["refresh", "end"]] = ["refresh"] if result is not None else ["refresh", "end"]
    kind = draw(st.sampled_from(kinds))
    return Operation(kind, invoked, returned, draw(st.integers(0, 2)), result)


def _unknown(operation: Operation) -> Operation:
    return replace(operation, returned=FOREVER, result=None)


def _by_trying_everything(history: Sequence[Operation], window: float) -> bool:
    known = [operation for operation in history if operation.is_known]
    rest = [operation for operation in history if not operation.is_known]
    chosen = (known + list(some) for many in range(len(rest) + 1) for some in combinations(rest, many))
    return any(_explains(order, window) for operations in chosen for order in permutations(operations))


def _explains(order: Sequence[Operation], window: float) -> bool:
    if any(later.returned < earlier.invoked for earlier, later in combinations(order, 2)):
        return False
    states = {FIRST}
    for operation in order:
        ways = [way for login in states for way in steps(login, operation, window)]
        states = {way.after for way in ways if not operation.is_known or way.result == operation.result}
    return bool(states)


@given(possible())
def test_whatever_one_after_the_other_could_have_done_is_accepted(history: list[Operation]) -> None:
    assert is_linearizable(history, FIRST)


@given(st.lists(arbitrary(), max_size=5), st.sampled_from([2.0, 30.0]))
def test_it_says_what_trying_every_order_says(history: list[Operation], window: float) -> None:
    assert is_linearizable(history, FIRST, window) == _by_trying_everything(history, window)


@given(possible())
def test_success_after_the_end_is_refused(history: list[Operation]) -> None:
    last = max((operation.returned for operation in history if operation.is_known), default=0)
    newest = max((operation.result or 0 for operation in history), default=0)
    end = Operation("end", last + 1, last + 2)
    after = Operation("refresh", last + 3, last + 4, newest, newest + 1)
    assert not is_linearizable([*history, end, after], FIRST)


@given(possible(), st.data())
def test_a_second_successor_is_refused(history: list[Operation], data: st.DataObject) -> None:
    won = [operation for operation in history if operation.is_known and operation.result is not None]
    assume(won)
    fork = data.draw(st.sampled_from(won))
    assert not is_linearizable([*history, replace(fork, result=existing(fork.result) + 1)], FIRST)


@given(possible())
def test_a_login_that_is_lost_is_refused(history: list[Operation]) -> None:
    """Nothing ended it, no old token was presented, and yet the newest token is refused."""
    good = [operation for operation in history if operation.is_known and operation.result is not None]
    assume(is_linearizable(good, FIRST))
    newest = max((existing(operation.result) for operation in good), default=0)
    last = max((operation.returned for operation in good), default=0)
    assert not is_linearizable([*good, Operation("refresh", last + 1, last + 2, newest)], FIRST)


def test_a_token_is_given_again_within_the_window_alone() -> None:
    rotation = Operation("refresh", 0, 1, 0, 1)
    retry, reuse = Operation("refresh", 20, 21, 0, 1), Operation("refresh", 40, 41, 0)
    assert is_linearizable([rotation, retry, reuse], FIRST)
    assert not is_linearizable([rotation, replace(retry, invoked=32, returned=33)], FIRST)
    assert not is_linearizable([rotation, replace(reuse, invoked=20, returned=21)], FIRST)


def test_what_was_never_given_is_refused() -> None:
    assert not is_linearizable([Operation("refresh", 0, 1, presented=1, result=2)], FIRST)


@pytest.mark.parametrize("returned", [3.0, FOREVER])
def test_an_operation_may_take_effect_as_long_as_nobody_knows(returned: float) -> None:
    end = Operation("end", 0, returned)
    refused = Operation("refresh", 1, 2, 0)
    good = Operation("refresh", 4, 5, 0, 1)
    assert is_linearizable([end, refused], FIRST)
    assert is_linearizable([end, good], FIRST) == (returned == FOREVER)


@pytest.mark.parametrize("fault", [0, 1])
def test_many_at_once_are_judged_soon(fault: int) -> None:
    """Among 200 that overlap there are more orders than anybody can try."""
    parallel = [Operation("refresh", place / 1000, 1, 0, 1) for place in range(200)]
    assert is_linearizable([*parallel, Operation("refresh", 0.1, 1, 1, 2 + fault)], FIRST) == (not fault)
