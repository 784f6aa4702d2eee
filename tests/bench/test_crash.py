"""scripts/bench/proofs/crash.py, small: what it proves, and that it would see an answer that left before its commit."""

from typing import Any

import pytest

from scripts.bench.proofs import crash
from tests.harness import kill_at
from tests.harness.constants import LONG
from tests.harness.http_client import run
from tests.harness.refreshers import Tally
from tests.harness.server import Server

pytestmark = pytest.mark.slow

SMALL = crash.parse(
    ["--kills", "2", "--clients", "8", "--within", "0.3", "--ready", str(LONG), "--refreshes", "50", "--pause", "0.05"]
)
"""How fast it is ready again is for a quiet machine to say."""
DATABASES = pytest.mark.parametrize("server", ["sqlite", "postgresql"], indirect=True)


@DATABASES
def test_kill_9_loses_no_login(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert crash.measure(server, SMALL), capsys.readouterr().out


def test_crash_sees_an_answer_before_its_commit(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert crash.look_for_plant(server, SMALL), capsys.readouterr().out


@pytest.mark.parametrize(("workers", "points"), [(1, list(kill_at.POINTS)), (2, ["after-commit"])])
def test_each_point_is_still_in_the_code_and_reached(server: Server, workers: int, points: Any) -> None:
    tally, server.workers = Tally(), workers
    bench = crash.Bench(server, crash.clients_of(server, SMALL, tally), tally, within=0)
    for point in points:
        run(bench.live(point))
    assert bench.deaths.kills == dict.fromkeys(points, 1) and not tally.faults, tally.faults


def test_workers_do_not_outlive_the_first_process(server: Server) -> None:
    server.workers = 2
    server.start()
    node = server.nodes[0]
    assert len(node.worker_pids()) == 2
    assert node.kill_first_process()
    node.start()  # so the port is free
    node.stop()
