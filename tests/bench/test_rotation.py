"""scripts/bench/proofs/rotation.py, small: no verifier fails while keys rotate; without the lead time it is seen."""

from collections.abc import Iterator
from typing import Any

import pytest

from scripts.bench.proofs import jose_install, rotation, verifier_race
from tests.harness.scaled import ScaledServer, set_up

pytestmark = pytest.mark.slow

RATE = 80  # tokens a second
SCALE = 360  # keys rotate every 3.3 s


@pytest.fixture(scope="module")
def server() -> Iterator[ScaledServer]:
    with set_up(SCALE, **rotation.SETTINGS) as server:
        yield server


def test_nobody_notices_two_rotations(server: ScaledServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert rotation.measure(server, 2, RATE), capsys.readouterr().out


def test_a_key_that_signs_unpublished_is_seen(capsys: pytest.CaptureFixture[str]) -> None:
    with set_up(1, **rotation.SETTINGS) as server:
        assert rotation.see_zero_lead(server), capsys.readouterr().out


@pytest.mark.parametrize(("there", "missing"), [([], "Node"), (["node"], "npm")])
def test_without_node_the_other_three_continue_and_it_is_said(
    there: Any, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jose_install, "which", lambda name: name if name in there else None)
    found, skipped = verifier_race.commands("http://127.0.0.1/jwks")
    assert list(found) == ["guard", "PyJWT", "joserfc"]
    assert skipped == f"jose is skipped: {missing} is not installed"
