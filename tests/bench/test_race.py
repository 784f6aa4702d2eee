"""scripts/bench/race.py, small: what it proves, and that it would see a fork."""

import pytest

from scripts.bench import race

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("workers", "rounds"), [("1", "10"), ("4", "5")])
def test_parallel_refreshes_and_revocations_neither_fork_nor_outlive(server, workers, rounds, capsys):
    asked = race.parse(["--workers", workers, "--logins", rounds, "--revocations", rounds])
    assert race.measure(server, asked), capsys.readouterr().out


def test_race_sees_each_planted_fault(server, capsys):
    asked = race.parse(["--workers", "1", "--logins", "5", "--revocations", "30"])
    assert race.look_for_plants(server, asked), capsys.readouterr().out
