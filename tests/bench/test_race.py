"""scripts/bench/proofs/race.py, small: what it proves, and that it would see each fault of its kind."""

from typing import Any

import pytest

from scripts.bench.proofs import race
from scripts.bench.proofs.race import BLINDFOLDS, PLACES
from tests.harness.server import Server

pytestmark = pytest.mark.slow
SMALL = race.parse(["--logins", "3", "--ends", "12"])


@pytest.mark.parametrize(
    ("server", "place"), [(place.database, place) for place in PLACES], indirect=["server"], ids=str
)
def test_nothing_forks_and_nothing_outlives_its_end(
    server: Server, place: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert race.measure(server, place, SMALL), capsys.readouterr().out


@pytest.mark.parametrize("blindfold", BLINDFOLDS, ids=lambda each: f"{each.round.__name__}: {each.plant.what}")
def test_race_sees_each_planted_fault(server: Server, blindfold: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert race.is_seen(server, PLACES[0], blindfold, SMALL), capsys.readouterr().out


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
@pytest.mark.parametrize("blindfold", BLINDFOLDS[1:2], ids=lambda each: each.round.__name__)
def test_race_sees_the_naive_variant_on_two_nodes(
    server: Server, blindfold: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert race.is_seen(server, PLACES[2], blindfold, SMALL), capsys.readouterr().out
