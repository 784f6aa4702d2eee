"""scripts/bench/speed/metrics.py at a small size: it measures the whole pipeline with and without an observer."""

import asyncio

import pytest

from authserver.observability.recorder import Recorder
from scripts.bench.speed import metrics


def test_it_measures_requests_that_are_counted_and_others_that_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[str] = []
    monkeypatch.setattr(Recorder, "request_ended", lambda self, endpoint, status, taken: counted.append(endpoint))
    for observed in (False, True):
        asyncio.run(metrics.cpu_of(metrics.request(observed), 3))
    assert counted == ["/token"] * 3


def test_it_prints_the_cost_and_its_share(capsys: pytest.CaptureFixture[str]) -> None:
    assert metrics.main(["--rounds", "1", "--requests", "10"]) in (0, 1)
    assert "us a request: " in capsys.readouterr().out
