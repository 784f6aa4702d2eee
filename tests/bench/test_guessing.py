"""scripts/bench/proofs/guessing.py, small: how fast anything is, is for a quiet machine to say."""

import pytest

from scripts.bench.proofs import guessing
from scripts.bench.proofs.guessing import Case
from tests.harness.server import set_up

pytestmark = pytest.mark.slow
CASE, SECONDS = Case(50, 200), 3


def test_guesses_are_slowed_the_owner_is_not_and_a_killed_server_forgets_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with set_up("sqlite", 1, **guessing.settings(naive=False)) as server:
        found = guessing.measure(server, CASE, SECONDS, is_timed=False)
    assert guessing.print_result(CASE, found), capsys.readouterr().out


def test_guesses_that_all_reach_the_hash_would_be_seen(capsys: pytest.CaptureFixture[str]) -> None:
    found = guessing.Found(home=[0.1], before=[0.1], during=[0.1])
    found.statuses.update({400: 201, 429: 1})
    guessing.check(found, is_timed=False)
    assert not guessing.print_result(CASE, found)
    assert "only 200 may be hashed" in capsys.readouterr().out
