"""scripts/bench/proofs/timing.py: its statistics, and that it tells responses apart. How long a login takes, no test
asserts: tests/web/test_failed_logins.py counts the work instead."""

import random
from pathlib import Path

import pytest

from scripts.bench.proofs.timing import EARLY, Answers, Kind, mann_whitney, report

SAME = {(b"head", b"body")}


@pytest.mark.parametrize(
    ("one", "other", "p"),
    [
        (range(1, 21), range(21, 41), 6.80e-8),
        (range(0, 40, 2), range(1, 41, 2), 0.7972),
        ([1, 2, 2, 3] * 10, [2, 3, 3, 4] * 10, 3.531e-7),
        ([1.0] * 20, [1.0] * 20, 1.0),
    ],
)
def test_the_p_of_known_samples(one: list[float], other: list[float], p: float) -> None:
    """By scipy.stats.mannwhitneyu(one, other, method="asymptotic")."""
    assert mann_whitney(one, other) == pytest.approx(p, rel=0.01)
    assert mann_whitney(other, one) == pytest.approx(p, rel=0.01)


def test_the_fault_fits_the_code(tmp_path: Path) -> None:
    EARLY.put_into(tmp_path)
    assert "return _NO_MATCH\n        hashed" in (tmp_path / "authserver" / "passwords.py").read_text()


def kinds(one: Answers, other: Answers) -> dict[Kind, Answers]:
    return {Kind("/token", "known"): one, Kind("/token", "unknown"): other}


def noise(seed: int, more: float = 0.0) -> list[float]:
    source = random.Random(seed)
    return [source.gauss(0.04 + more, 0.001) for _ in range(500)]


def test_what_differs_by_a_fraction_of_the_noise_is_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(kinds(Answers(noise(1), SAME), Answers(noise(2), SAME)))
    assert not report(kinds(Answers(noise(1), SAME), Answers(noise(2, 0.0003), SAME)))
    assert "DIFFERENT TIME" in capsys.readouterr().out


@pytest.mark.parametrize("different", [{(b"head", b"other")}, SAME | {(b"other", b"body")}])
def test_other_bytes_are_told_apart(different: set[tuple[bytes, bytes]], capsys: pytest.CaptureFixture[str]) -> None:
    assert not report(kinds(Answers(noise(1), SAME), Answers(noise(2), different)))
    assert "DIFFERENT BYTES" in capsys.readouterr().out
