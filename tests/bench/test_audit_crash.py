"""scripts/bench/proofs/audit_crash.py, small: what it proves, and that it would see events written afterwards."""

from typing import Any

import pytest

from scripts.bench.proofs import audit_crash
from tests.harness.databases import missing
from tests.harness.server import set_up

pytestmark = pytest.mark.slow

SMALL = ["--kills", "1", "--clients", "4", "--lives", "12", "--within", "0.1", "--least", "1", "--minutes", "5"]


@pytest.mark.parametrize(
    ("kind", "prove"), [("sqlite", "measure"), ("postgresql", "measure"), ("sqlite", "look_for_plant")]
)
def test_kill_9_separates_no_event_from_its_change(kind: str, prove: Any, capsys: pytest.CaptureFixture[str]) -> None:
    if why := missing(kind):
        pytest.skip(why)
    with set_up(kind, **audit_crash.SETTINGS) as server:
        assert getattr(audit_crash, prove)(server, audit_crash.parse(SMALL)), capsys.readouterr().out
