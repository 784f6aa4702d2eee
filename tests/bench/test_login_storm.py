"""scripts/bench/speed/login_storm.py: its figures, and that its fault can be planted. How fast a server is, no test
asserts: tests/test_passwords.py shows that a network which fills the queue keeps no other from being next."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from scripts.bench.speed.login_storm import SAME_PRIORITY, Phase, Round, forwarded, report
from tests.harness.http_client import get


def test_the_fault_fits_the_code(tmp_path: Path) -> None:
    SAME_PRIORITY.put_into(tmp_path)
    assert "if False:" in (tmp_path / "authserver" / "cpu.py").read_text()


def test_a_guess_comes_from_its_network_through_a_proxy() -> None:
    line, header, *rest = forwarded(get("/"), "10.0.7.1").split(b"\r\n")
    assert (line, header) == (b"GET / HTTP/1.1", b"X-Forwarded-For: 10.0.7.1")
    assert rest == get("/").split(b"\r\n")[1:]


def rounds(times: float = 1.5, checked: int = 60) -> list[Round]:
    """A machine that is ten times as slow in the last round changes nothing."""
    storms = [Phase([times * pace, times * pace], guesses=Counter({400: checked})) for pace in (0.01, 0.01, 0.1)]
    quiet = [Phase([pace, pace]) for pace in (0.01, 0.01, 0.1)]
    return [Round(*each, Phase(guesses=Counter({400: 100}))) for each in zip(quiet, storms, strict=True)]


def test_each_storm_is_compared_with_the_phases_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    found = rounds()
    found[0].storm.owner.append(0.5)
    found[0].storm.refused[503] += 1
    assert report(found)
    shown = capsys.readouterr().out
    assert "1.50 times" in shown and "without" in shown and "0.60 of those" in shown
    assert "the owner: 1 logins, the slowest 0.50 s, refused: {503: 1}" in shown


@pytest.mark.parametrize("worse", [{"times": 2.5}, {"checked": 40}], ids=str)
def test_refreshes_that_suffer_and_logins_that_starve_are_seen(worse: dict[str, Any]) -> None:
    assert not report(rounds(**worse))
