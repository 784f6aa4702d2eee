"""scripts/bench/speed/login_storm.py: its figures, and that its fault can be planted. How fast a server is, no test
asserts: tests/test_passwords.py shows that a network which fills the queue keeps no other from being next."""

from pathlib import Path

import pytest

from scripts.bench.speed.login_storm import SAME_PRIORITY, Phase, forwarded, report
from tests.harness.http_client import get


def test_the_fault_fits_the_code(tmp_path: Path) -> None:
    SAME_PRIORITY.put_into(tmp_path)
    assert "if False:" in (tmp_path / "authserver" / "cpu.py").read_text()


def test_a_guess_comes_from_its_network_through_a_proxy() -> None:
    line, header, *rest = forwarded(get("/"), "10.0.7.1").split(b"\r\n")
    assert (line, header) == (b"GET / HTTP/1.1", b"X-Forwarded-For: 10.0.7.1")
    assert rest == get("/").split(b"\r\n")[1:]


def test_each_storm_is_compared_with_the_quiet_phase_before_it(capsys: pytest.CaptureFixture[str]) -> None:
    """A machine that is ten times as slow in the last round changes nothing."""
    rounds = [(Phase([pace, 2 * pace]), Phase([3 * pace, 6 * pace], owner=[0.5])) for pace in (0.01, 0.01, 0.1)]
    rounds[0][1].refused[503] += 1
    assert report(rounds) == pytest.approx(3)
    assert "the owner: 3 logins, the slowest 0.50 s, refused: {503: 1}" in capsys.readouterr().out
