"""scripts/bench/proofs/emergency.py, small: a key is revoked under load, and nobody but its tokens suffers."""

from collections.abc import Iterator

import pytest

from authserver.resource import keys
from scripts.bench.proofs import emergency
from tests.harness.http_client import run
from tests.harness.mutants import Mutant
from tests.harness.scaled import ScaledServer, set_up

pytestmark = pytest.mark.slow

SCALE = 6
SETTINGS = {"JWKS_MAX_AGE": "7200", "ACCESS_TOKEN_TTL": "3600"}
"""Seconds, so many that a command that takes long on a busy machine outlasts neither."""
LOGINS, RATE = 8, 40
DEAF = Mutant(
    "a process confirms the keys, and never takes over what has changed",
    "background.py",
    "self.keyring.update(state, asked_at)",
    "self.keyring._read_at = asked_at",
)


@pytest.fixture(scope="module")
def server() -> Iterator[ScaledServer]:
    with set_up(SCALE, **SETTINGS) as server:
        server.start()
        yield server


@pytest.fixture
def twin(server: ScaledServer) -> Iterator[ScaledServer]:
    twin = server.twin()
    yield twin
    twin.stop()


def test_only_the_tokens_of_a_revoked_key_are_refused(
    server: ScaledServer, twin: ScaledServer, capsys: pytest.CaptureFixture[str]
) -> None:
    twin.start()
    assert emergency.print_result(run(emergency.survive(server, twin, LOGINS, RATE))), capsys.readouterr().out


def test_a_deaf_server_and_a_guard_that_seldom_looks_are_seen(
    server: ScaledServer, twin: ScaledServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "REVALIDATE", 7200)
    twin.plant(DEAF)
    twin.start()
    faults = run(emergency.survive(server, twin, LOGINS, RATE)).faults
    assert any(fault.startswith("the key signed a token that was requested") for fault in faults), faults
    assert any(fault.startswith("the key's tokens were accepted") for fault in faults), faults
