"""scripts/bench/proofs/rolling.py, small: replacing nodes and workers fails no request, and a failure is seen."""

from typing import Any

import pytest

from scripts.bench.proofs import rolling
from scripts.bench.proofs.rolling import UNDRAINED, WAYS
from tests.harness.server import Server

pytestmark = pytest.mark.slow
RATE = 40  # refreshes a second
SMALL = [name for name in WAYS if name != "nodes"]
"""Nodes of several workers are stopped and started as those of one are, and have more to lose."""


@pytest.mark.parametrize(("server", "way"), [(WAYS[name].database, name) for name in SMALL], indirect=["server"])
def test_no_request_fails_while_all_are_replaced(
    server: Server, way: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rolling, "_SKIPPED", 10)  # whether the rate is kept is for a quiet machine to say
    small = WAYS[way]._replace(workers=min(2, WAYS[way].workers))
    assert rolling.print_result(way, rolling.measure(server, small, 1, RATE)), capsys.readouterr().out


def test_connections_that_are_closed_under_the_clients_are_seen(server: Server) -> None:
    assert rolling.measure(server, WAYS["process"], 10, 5 * RATE, UNDRAINED).failures  # after the first of ten turns
