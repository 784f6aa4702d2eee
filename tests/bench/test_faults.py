"""scripts/bench/faults.py, small: each fault is survived, and a server that does not survive one is seen."""

import pytest

from scripts.bench import faults
from scripts.bench.injected import FAULTS, Busy

pytestmark = pytest.mark.slow
ROUNDS, CLIENTS = 1, 8
BUSY = 6.0
"""Seconds: longer than the server waits for SQLite."""


def need(name):
    if why := FAULTS[name]().missing():
        pytest.skip(why)


@pytest.mark.parametrize("name", FAULTS)
def test_nobody_is_logged_out(name, monkeypatch, capsys):
    need(name)
    monkeypatch.setattr(Busy, "lasts", BUSY)
    assert faults.measure(name, ROUNDS, CLIENTS), capsys.readouterr().out


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.plant])
def test_harm_is_seen(name, monkeypatch, capsys):
    need(name)
    monkeypatch.setattr(faults, "_READY", 5)
    assert faults.look_for_harm(name, FAULTS[name].plant, 4, CLIENTS), capsys.readouterr().out
