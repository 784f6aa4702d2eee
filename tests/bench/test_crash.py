"""scripts/bench/crash.py, small: what it proves, and that it would see an answer that left before its commit."""

import pytest

from scripts.bench import crash

pytestmark = pytest.mark.slow

SMALL = crash.parse(["--kills", "5", "--clients", "8", "--within", "0.3", "--ready", "30"])
"""How fast it is ready again is for a quiet machine to say."""


def test_kill_9_loses_no_login(server, capsys):
    assert crash.measure(server, SMALL), capsys.readouterr().out


def test_crash_sees_an_answer_before_its_commit(server, capsys):
    assert crash.look_for_plant(server, SMALL), capsys.readouterr().out


def test_workers_do_not_outlive_the_first_process(server):
    server.workers = 2
    server.start()
    assert len(server.worker_pids()) == 2
    assert server.kill_first_process()
    server.start()  # so the port is free
    server.stop()
