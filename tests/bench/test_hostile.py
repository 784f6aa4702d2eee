"""Known attacks and random hostile requests leave nothing behind: scripts/bench/fuzz/hostile.py, small."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from scripts.bench.fuzz.hostile import GROWTH, Findings, bombard, hostile, left_behind, new_settings
from scripts.bench.fuzz.hostile_requests import CANARY, Grammar
from tests.harness.prepared import Prepared, running


@pytest.fixture
def server(tmp_path: Path, password_hash: str) -> Iterator[Prepared]:
    with running(tmp_path, password_hash, **new_settings()) as server:
        yield server


def test_they_get_no_5xx_leave_no_secret_and_do_not_make_the_process_grow(server: Prepared) -> None:
    found, grown = hostile(server, 1000)
    assert found.faults == []
    assert grown < GROWTH
    assert {200, 400, 401, 404, 405, 413, 415, 431} <= found.statuses.keys()  # they do get further in


@pytest.mark.parametrize("kept", ["log", "as.db", "as.db-wal"])
def test_a_secret_that_is_kept_is_seen(tmp_path: Path, kept: str) -> None:
    for name in ("log", "as.db", "as.db-wal"):
        (tmp_path / name).write_text(f"secret={CANARY}" if name == kept else "nothing")
    [fault] = left_behind(Mock(folder=tmp_path, log=tmp_path / "log"))
    assert "a secret in" in fault


def test_an_exception_in_the_log_is_seen(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("Traceback (most recent call last):")
    assert len(left_behind(Mock(folder=tmp_path, log=tmp_path / "log"))) == 1


def test_a_5xx_is_seen() -> None:
    async def broken(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    async def all_of_it() -> Findings:
        found = Findings()
        async with await asyncio.start_server(broken, "127.0.0.1", 0) as server:
            await bombard(server.sockets[0].getsockname()[1], 4, 2, 1, found)
        return found

    assert asyncio.run(all_of_it()).faults


def test_the_same_seed_makes_the_same_requests() -> None:
    one, same, another = Grammar(1), Grammar(1), Grammar(2)
    made = [one.request() for _ in range(20)]
    assert made == [same.request() for _ in range(20)]
    assert made != [another.request() for _ in range(20)]
