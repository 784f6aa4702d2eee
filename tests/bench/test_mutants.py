"""Planted faults fit the code. The tests that plant them take minutes: whoever changes the code may not run them."""

from pathlib import Path

import pytest

import authserver
from scripts.bench.proofs.fault_injection import FAULTS
from tests.harness import mutants
from tests.harness.mutants import Mutant

PACKAGE = Path(authserver.__file__).parent
PLANTS = {
    each.what: each
    for each in [*vars(mutants).values(), *(fault.plant for fault in FAULTS.values())]
    if isinstance(each, Mutant)
}


@pytest.mark.parametrize("what", PLANTS)
def test_what_a_planted_fault_replaces_is_in_the_code_once(what: str) -> None:
    assert (PACKAGE / PLANTS[what].file).read_text().count(PLANTS[what].old) == 1
