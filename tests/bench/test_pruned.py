"""scripts/bench/proofs/pruned.py at a small size, and that it sees a database that grows."""

from pathlib import Path

import pytest

from scripts.bench.proofs.pruned import prove


@pytest.mark.parametrize("prunes", [True, False])
def test_signing_in_and_out_leaves_nothing_behind(tmp_path: Path, prunes: bool) -> None:
    grown = prove(tmp_path, first=12, total=36, prunes=prunes)
    assert bool(grown) is not prunes, grown
