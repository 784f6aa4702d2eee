"""The clock is set: no key is rotated too early or too late for it."""

from typing import Any

import pytest

from authserver import provisioning
from authserver.clock import Clock as SystemClock
from authserver.keyring.lifecycle import Lifecycle, TooEarly
from authserver.keyring.lifecycle.refresh_keys import RefreshKeyWaits
from authserver.settings import Settings
from authserver.store.database import Database
from tests.harness.clock import Clock
from tests.harness.constants import SECOND

YEAR = 365 * 86400


@pytest.fixture
def stepping(settings: Settings, database: Database, clock: Clock) -> Any:
    """A machine whose wall clock is `clock`, and its lifecycle: `step(seconds)` sets the clock, and no time passes."""
    steady = [0]
    own = SystemClock(clock, lambda: steady[0])

    def passes(seconds: Any, step: Any = 0) -> None:
        steady[0] += round(seconds * SECOND)
        clock.forward(seconds + step)
        own()

    return provisioning.lifecycle(settings, database, own), passes


@pytest.mark.parametrize("step", [YEAR, -YEAR])
def test_a_step_of_the_clock_promotes_and_removes_no_key(stepping: Any, step: int) -> None:
    lifecycle, passes = stepping
    passes(10, step)
    assert lifecycle.run_due() == []
    assert not lifecycle.is_due(lifecycle.read_state())
    with pytest.raises(TooEarly):
        lifecycle.promote("RS256")


def test_keys_rotate_when_they_should_though_the_clock_was_a_year_ahead_for_a_while(stepping: Any) -> None:
    lifecycle, passes = stepping
    passes(10, YEAR)
    lifecycle.promote("RS256", emergency=True)
    passes(10, -YEAR)
    passes(lifecycle.policy.rotation_period - 11)
    assert lifecycle.run_due() == []
    passes(10)
    assert [step.change for step in lifecycle.run_due()][:1] == ["promote"]


def test_keys_that_a_clock_ahead_has_dated_before_this_machine_started_rotate_all_the_same(
    settings: Settings, database: Database, clock: Clock
) -> None:
    clock.forward(YEAR)
    provisioning.lifecycle(settings, database, clock).promote("RS256", emergency=True)
    clock.forward(-YEAR)
    lifecycle = provisioning.lifecycle(settings, database, SystemClock(clock, clock))
    assert lifecycle.is_due(lifecycle.read_state())
    lifecycle.run_due()
    assert not lifecycle.is_due(lifecycle.read_state())
    assert max(key.created_at for key in lifecycle.read() if key.state == "pending") <= clock()
    clock.forward(lifecycle.policy.rotation_period + lifecycle.policy.lead_time + 60)
    assert "promote" in [step.change for step in lifecycle.run_due()]


def test_a_refresh_key_that_a_clock_ahead_has_published_holds_nobody_up(lifecycle: Lifecycle, clock: Clock) -> None:
    clock.forward(YEAR)
    lifecycle.rotate_refresh_keys()
    clock.forward(-YEAR)
    lifecycle.rotate_refresh_keys()
    with pytest.raises(RefreshKeyWaits):
        lifecycle.rotate_refresh_keys()
