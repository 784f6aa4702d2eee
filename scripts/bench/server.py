"""The server as real processes on one SQLite file, whole or with a fault planted in it, and an eye on its rows.

The eye is sqlite3 and the form of the refresh token, none of it the server's own code: what is checked with the code
under test proves little.
"""

import asyncio
import importlib.util
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from scripts.bench.client import Connection, Response, connect, post
from scripts.bench.plants import Plant
from scripts.dotvenv import PYTHON
from tests.support import PASSWORD, Live, environment_with

_LOGINS_AT_ONCE = 8  # hashing a password is the server's dearest work; more at once only queue up
_HISTORY = """
CREATE TABLE bench_history (id BLOB, old INTEGER, new INTEGER, revoked_at INTEGER);
CREATE TRIGGER bench_history AFTER UPDATE OF generation ON authorizations BEGIN
    INSERT INTO bench_history VALUES (old.id, old.generation, new.generation, old.revoked_at);
END;
"""


def use_venv() -> None:
    """Start again with .venv's Python when this one lacks what the server needs."""
    if importlib.util.find_spec("authlib") is None:
        if Path(sys.executable) == PYTHON or not PYTHON.exists():
            sys.exit("Nothing to run the server with. Run first:\n\n    python3 scripts/quickstart.py test")
        os.execv(PYTHON, [str(PYTHON), *sys.argv])


class Server(Live):
    """Set up once, then started as often as one likes, with so many workers and, if wanted, a fault."""

    planted: Path | None = None

    def __init__(self, folder: Path, **settings: str) -> None:
        super().__init__(folder, LOG_LEVEL="warning", MAX_AUTHORIZATIONS="10000", **settings)
        self.database = folder / "authserver.db"

    def set_up(self) -> None:
        super().set_up()
        with closing(sqlite3.connect(self.database)) as database:
            database.executescript(_HISTORY)

    def plant(self, fault: Plant | None) -> None:
        """From the next start on. Fails when the fault no longer fits the code, and so would plant nothing."""
        self.planted = None
        if fault is not None:
            self.planted = Path(tempfile.mkdtemp(dir=self.folder))
            fault.put_into(self.planted)
            self._assert_planted()

    def start(self) -> None:
        command = [sys.executable, "-m", "authserver", "serve", "--port", str(self.port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--workers", str(self.workers)],
                cwd=self.folder,
                env=self._environment(),
                stdout=log,
                stderr=log,
            )
        self.wait_until_ready()

    def worker_pids(self) -> list[int]:
        """Of the process that was started; none when it is the only one."""
        assert self.process is not None
        found = [line.split(None, 2) for line in _ps("-A", "-ww", "-o", "pid=,ppid=,args=")]  # -ww: whole lines
        return [int(pid) for pid, parent, line in found if int(parent) == self.process.pid and "spawn_main" in line]

    def kill_worker(self) -> None:
        """kill -9 of one worker, if one has been started yet."""
        if workers := self.worker_pids():
            _kill(random.choice(workers))

    def kill(self) -> None:
        """kill -9 of every process at once, as when the machine is switched off."""
        if self.process is not None:
            for pid in self._kill_first():
                _kill(pid)

    def kill_first_process(self) -> bool:
        """kill -9 of the process that was started, and of no other. Whether its workers left with it, in 10 s."""
        workers, until = self._kill_first(), monotonic() + 10
        while (living := [pid for pid in workers if _lives(pid)]) and monotonic() < until:
            sleep(0.02)
        for pid in living:
            _kill(pid)
        return not living

    def _kill_first(self) -> list[int]:
        """Returns the workers that it leaves behind; stopped before they are counted, it starts no more of them."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        workers = self.worker_pids()
        self.process.kill()
        self.process.wait(30)
        self.process = None
        return workers

    def _assert_planted(self) -> None:
        found = subprocess.run(
            [sys.executable, "-c", "import authserver; print(authserver.__file__)"],
            env=self._environment(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert self.planted and Path(found).is_relative_to(self.planted), found

    def _environment(self) -> dict[str, str]:
        own = {"PYTHONPATH": str(self.planted)} if self.planted else {}
        return environment_with(self.settings) | own


@contextmanager
def set_up(**settings: str) -> Iterator[Server]:
    """A server that is ready to be started, in a folder of its own; whatever happens, no process of it is left."""
    with tempfile.TemporaryDirectory(prefix="authserver-bench-") as folder:
        server = Server(Path(folder), **settings)
        server.set_up()
        try:
            yield server
        finally:
            server.kill()


def generation(token: str) -> int:
    return int.from_bytes(_decoded(token)[18:22])


def authorization_id(token: str) -> bytes:
    return _decoded(token)[2:18]


async def logins(server: Server, many: int) -> list[str]:
    """The first refresh token of each."""
    form = {"grant_type": "password", "client_id": server.app["client_id"], "username": "ada", "password": PASSWORD}
    shares = [len(range(place, many, _LOGINS_AT_ONCE)) for place in range(_LOGINS_AT_ONCE)]
    found = await asyncio.gather(*(_log_in(server.port, post("/token", form), share) for share in shares if share))
    return [token for tokens in found for token in tokens]


async def _log_in(port: int, request: bytes, many: int) -> list[str]:
    connection = await connect(port)
    try:
        answers: list[Response] = [await connection.ask(request) for _ in range(many)]
    finally:
        connection.close()
    if any(answer.status != 200 for answer in answers):
        raise SystemExit(f"A login was refused: {answers}")
    return [str(answer.refresh_token) for answer in answers]


async def connections(port: int, many: int) -> list[Connection]:
    return list(await asyncio.gather(*(connect(port) for _ in range(many))))


class Rows:
    """The rows of the running server's database, and the history of their generations."""

    def __init__(self, database: Path) -> None:
        self._connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, isolation_level=None)

    def close(self) -> None:
        self._connection.close()

    def generation(self, token: str) -> int:
        (found,) = self._one("SELECT generation FROM authorizations WHERE id = ?", token)
        return int(found)

    def history(self, token: str) -> list[tuple[int, int]]:
        """Every write to the generation: from what to what."""
        rows = self._all("SELECT old, new FROM bench_history WHERE id = ? ORDER BY rowid", token)
        return [(old, new) for old, new in rows]

    def written_after_revocation(self, token: str) -> int:
        (found,) = self._one("SELECT count(*) FROM bench_history WHERE id = ? AND revoked_at IS NOT NULL", token)
        return int(found)

    def _one(self, statement: str, token: str) -> Any:
        return self._all(statement, token)[0]

    def _all(self, statement: str, token: str) -> list[Any]:
        return self._connection.execute(statement, (authorization_id(token),)).fetchall()


def rows_after_crash(database: Path) -> dict[bytes, tuple[int, int | None]]:
    """Generation and revocation of each authorization, from a copy: opening a database after a crash repairs it, and
    that is for the server to show."""
    with tempfile.TemporaryDirectory(prefix="authserver-bench-") as folder:
        for name in (database.name, f"{database.name}-wal"):
            if (database.parent / name).exists():
                shutil.copy(database.parent / name, folder)
        with closing(sqlite3.connect(Path(folder) / database.name)) as copy:
            rows = copy.execute("SELECT id, generation, revoked_at FROM authorizations").fetchall()
    return {id: (generation, revoked_at) for id, generation, revoked_at in rows}


def _decoded(token: str) -> bytes:
    return urlsafe_b64decode(token.removeprefix("rt_"))


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _lives(pid: int) -> bool:
    """A zombie does not: it only waits for somebody to read how it ended."""
    return any(not state.startswith("Z") for state in _ps("-o", "stat=", "-p", str(pid)))


def _ps(*arguments: str) -> list[str]:
    return subprocess.run(["ps", *arguments], capture_output=True, text=True).stdout.splitlines()
