"""scripts/bench/proofs/faults.py, small: each fault is survived, and a server that does not survive one is seen."""

from collections.abc import Iterator
from typing import Any

import pytest

from scripts.bench.proofs import faults
from scripts.bench.proofs.fault_injection import FAULTS, Busy, FullDisk, Promotion, Swallowed
from tests.harness.constants import LONG, PATIENT
from tests.harness.server import Server, set_up_on

pytestmark = pytest.mark.slow
ROUNDS, CLIENTS = 1, 8
ROUNDS_OF_HARM = 20
"""At most, until it is seen: on a busy machine a client seldom retries just when it matters."""
BUSY = 6.0
"""Seconds: longer than the server waits for SQLite."""
ELSEWHERE = {"frozen", "swallowed"}
"""In tests/store/test_frozen.py."""
HARM = ("terminated-in-commit", "clock", "clock-at-start")
"""One of each database and of each kind of harm; the rest is for `faults.py --blind`."""


@pytest.fixture(scope="module")
def on_pair() -> Iterator[Server]:
    promotion = Promotion()
    with set_up_on(promotion.new_database, promotion.nodes, **PATIENT) as server:
        yield server


@pytest.fixture
def server(name: str, request: pytest.FixtureRequest) -> Iterator[Server]:
    """One for all faults, but for those that need a database of their own."""
    fault = FAULTS[name]()
    if why := fault.missing():
        pytest.skip(why)
    if isinstance(fault, FullDisk | Swallowed):
        with set_up_on(fault.new_database, fault.nodes, **PATIENT) as server:
            yield server
    else:
        shared = "on_pair" if isinstance(fault, Promotion) else f"on_{fault.database}"
        server = request.getfixturevalue(shared)
        server.workers = 1
        yield server


@pytest.mark.parametrize("name", [name for name in FAULTS if name not in ELSEWHERE])
def test_nobody_is_logged_out(
    server: Server, name: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Busy, "lasts", BUSY)
    monkeypatch.setattr(faults, "_READY", LONG)  # how soon is for a quiet machine to say
    assert faults.measure(server, name, ROUNDS, CLIENTS), capsys.readouterr().out


@pytest.mark.parametrize("name", HARM)
def test_harm_is_seen(
    server: Server, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(faults, "_READY", 5)
    assert faults.look_for_harm(server, name, ROUNDS_OF_HARM, CLIENTS), capsys.readouterr().out
