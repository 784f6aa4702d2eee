"""scripts/bench/speed/soak.py, small: kills and rotations lose nothing, and what grows is told."""

from typing import Any

import pytest

from scripts.bench.speed import soak
from scripts.bench.speed.soak import Sample
from tests.harness.server import Server
from tests.harness.steady import Steady

pytestmark = pytest.mark.slow
SMALL = soak.parse(["--minutes", "0.1", "--every", "3", "--logins", "16", "--measure", "1", "--share", "0.2"])
EVEN = Sample(refreshes=1000, p50=5, p99=20, memory=90, early=90, size=400, lost=9, ready=1)


def test_nothing_is_lost(server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """How flat all is, so few seconds do not tell; and on a busy machine the rate is not kept."""
    monkeypatch.setattr(soak, "FLAT", {"p99": 1000, "memory": 1.5, "size": 2})
    monkeypatch.setattr(soak, "_GROWTH", 2)
    monkeypatch.setattr(soak, "_SKIPPED", 1000)
    server.workers = 1
    assert soak.measure(server, SMALL), capsys.readouterr().out
    assert capsys.readouterr().out.count("\n") >= 5


def measured(samples: list[Sample]) -> soak.Soak:
    missing: Any = None
    return soak.Soak(missing, Steady("app", [], missing, 1), samples)


@pytest.mark.parametrize("name", soak.FLAT)
def test_a_last_third_that_is_worse_is_told(name: Any, capsys: pytest.CaptureFixture[str]) -> None:
    found = measured([EVEN] * 9)
    assert soak.print_result(found)
    found.samples[6:] = [EVEN._replace(**{name: 2 * getattr(EVEN, name)})] * 3
    assert not soak.print_result(found)
    assert f"{name} grew" in capsys.readouterr().out


def test_memory_that_grows_in_every_interval_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    found = measured([EVEN._replace(early=70)] * 9)
    assert not soak.print_result(found)
    assert "grows until it is killed" in capsys.readouterr().out


def test_a_rate_that_was_not_kept_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    found = measured([EVEN] * 9)
    found.steady.tally.refreshes, found.steady.skipped = 100, 11
    assert not soak.print_result(found)
    assert "11 refreshes were skipped" in capsys.readouterr().out
