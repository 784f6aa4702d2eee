"""authserver init by several processes at once is authserver init once, on every database."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from authserver.provisioning import check, open_database
from authserver.settings import Settings, load
from authserver.store import signing_keys
from authserver.store.database import Database
from tests.harness.clock import Clock
from tests.harness.constants import LONG
from tests.harness.existing import existing
from tests.harness.process import environment_with, owned

PROCESS = """
import os, sys
from authserver import app
from authserver.cli import main
print("ready", flush=True)
for line in sys.stdin:
    folder, os.environ["AUTHSERVER_DATABASE_URL"] = line.split()
    os.chdir(folder)
    for _ in range(20):
        try:
            main(["init"])
        except SystemExit as left:
            code = left.code or 0
        if code != 69:  # on a busy machine the others may take longer than it waits: "try again", it means
            break
    print(code, flush=True)
"""
ROUNDS, PROCESSES = 4, 3


@pytest.fixture
def processes() -> Iterator[Any]:
    """They have imported all that they need, and wait for a line with a folder and a URL."""
    ends: dict[str, Any] = {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }
    command = [sys.executable, "-c", PROCESS]
    with ExitStack() as owner:
        started = [subprocess.Popen(command, env=environment_with({}), bufsize=1, **ends) for _ in range(PROCESSES)]
        for process in started:
            owner.enter_context(owned(process))
        assert [existing(process.stdout).readline() for process in started] == ["ready\n"] * PROCESSES
        yield started


def sqlite_urls(folder: Path) -> Any:
    return [f"sqlite:///{folder}/{number}.db" for number in range(ROUNDS)]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_several_at_once_are_one(kind: str, processes: Any, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    postgres = request.getfixturevalue("postgres") if kind == "postgres" else None
    urls = [postgres.url(postgres.create_database()) for _ in range(ROUNDS)] if postgres else sqlite_urls(tmp_path)
    for number, url in enumerate(urls):
        folder = tmp_path / str(number)
        folder.mkdir()
        for process in processes:
            process.stdin.write(f"{folder} {url}\n")
        codes = [process.stdout.readline() for process in processes]
        assert codes == ["0\n"] * PROCESSES, [process.stderr for process in processes]
        made_once(load(database_url=url, keys_dir=str(folder / "keys")))


def made_once(settings: Settings) -> None:
    assert len(list(settings.keys_dir.iterdir())) == 1
    check(settings)
    with closing(open_database(settings)) as database, database.begin() as connection:
        state = signing_keys.load(connection)
    assert sorted(key.state for key in state.signing_keys) == ["active", "pending"]
    assert len(state.refresh_keys) == 1


def test_a_new_file_can_be_opened_by_many_at_once(tmp_path: Path, clock: Clock) -> None:
    """Each turns it into WAL, for which SQLite does not wait by itself."""
    start = Barrier(4, timeout=LONG)

    def open_each(_: Any) -> Any:
        for number in range(60):
            start.wait()
            with (
                closing(Database(f"sqlite:///{tmp_path}/{number}.db", clock)) as database,
                database.begin() as connection,
            ):
                connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS opened (by TEXT)")
        return True

    with ThreadPoolExecutor(start.parties) as threads:
        assert all(threads.map(open_each, range(start.parties)))
