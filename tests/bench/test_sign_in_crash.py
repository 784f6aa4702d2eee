"""scripts/bench/proofs/sign_in_crash.py, small."""

import pytest

from scripts.bench.proofs import sign_in_crash
from tests.harness.server import set_up

pytestmark = pytest.mark.slow


def test_after_kill_9_between_two_steps_of_a_sign_in_a_reload_leads_on(capsys: pytest.CaptureFixture[str]) -> None:
    with set_up("sqlite", INTERACTION_LIMIT="0") as server:
        asked = sign_in_crash.parse(["--kills", "2", "--people", "1", "--minutes", "5"])
        assert sign_in_crash.measure(server, asked), capsys.readouterr().out


def test_a_server_that_answers_before_its_commit_is_seen() -> None:
    with set_up("sqlite", INTERACTION_LIMIT="0") as server:
        asked = sign_in_crash.parse(["--kills", "50", "--people", "1", "--minutes", "5"])
        assert sign_in_crash.look_for_plant(server, asked)
