"""The machine's clocks, and randomness."""

import sys
import time
from collections.abc import Callable

import pytest

from authserver import system

MICRO = 1000


@pytest.mark.skipif(sys.platform != "linux", reason="CLOCK_BOOTTIME is Linux's")
def test_the_steady_clock_goes_on_while_linux_is_suspended() -> None:
    assert system._STEADY == time.CLOCK_BOOTTIME


def test_the_wall_clock_tells_the_time() -> None:
    assert time.time_ns() // MICRO <= system.now() <= time.time_ns() // MICRO


def test_the_steady_clock_is_the_same_for_all_processes_and_does_not_go_back() -> None:
    said = [system.steady() for _ in range(1000)]
    assert said == sorted(said)


@pytest.fixture(params=[system.new_id, system.new_key, system.new_secret])
def make(request: pytest.FixtureRequest) -> Callable[[], bytes | str]:
    make: Callable[[], bytes | str] = request.param
    return make


def test_randomness_is_long_enough_and_never_the_same(make: Callable[[], bytes | str]) -> None:
    lengths = {system.new_id: 16, system.new_key: 32, system.new_secret: 43}
    made = {make() for _ in range(1000)}
    assert len(made) == 1000 and {len(one) for one in made} == {lengths[make]}
