"""The server of `authserver serve` in a thread of this process, which can be taken down and comes up on its port."""

import asyncio
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from threading import Event, Thread
from typing import Any

import uvicorn

from .. import system
from ..app import assemble
from ..domain.errors import Misconfigured
from ..settings import Settings
from ..store import signing_keys
from ..store.database import Database

HOST = "127.0.0.1"
_OLDEST_SQLITE = (3, 36)  # since when connections can share a memdb
_PATIENCE = 30  # seconds


@contextmanager
def memory() -> Iterator[str]:
    """The URL of an empty database in memory, which lives until the end of the `with`. Raises Misconfigured.

    SQLite's memdb, and not its shared cache: connections lock each other out and wait as they do with a file.
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise Misconfigured(f"authserver.testing needs SQLite 3.36 or newer; here it is {sqlite3.sqlite_version}.")
    name = f"file:/authserver-{system.new_id().hex()}?vfs=memdb"
    with closing(sqlite3.connect(name, uri=True, check_same_thread=False)):
        yield f"sqlite:///{name}&uri=true"


class Port:
    """A free port, held from the first moment to the last; connections are refused while nobody listens."""

    def __init__(self) -> None:
        self.socket = _bound(0)
        self.number: int = self.socket.getsockname()[1]

    def hold(self) -> None:
        """Once more, after the server has closed it."""
        self.socket = _bound(self.number)

    def close(self) -> None:
        self.socket.close()


class Server:
    """Does nothing by itself but answer: what else a server does from time to time is done by hand."""

    def __init__(self, settings: Settings, database: Database, port: Port, now: Callable[[], int]) -> None:
        """`database` is a second way to what the settings name; `now` in microseconds. Raises Misconfigured."""
        self._settings, self._database, self._port, self._now = settings, database, port, now
        self._running: _Uvicorn | None = None
        self.start()

    def start(self) -> None:
        app, self._upkeep = assemble(self._settings, now=self._now)
        # Without a look every few seconds it would take what it knows of the keys for too old to sign by.
        self._upkeep.tasks[:] = [task for task in self._upkeep.tasks if task[1] == self._upkeep.read_keys]
        self._running = _Uvicorn(app, self._port.socket)

    def stop(self) -> None:
        if self._running is not None:
            self._running.stop()
            self._running = None
            self._port.hold()

    def read_keys(self) -> None:
        """What is in the database counts from now on. Raises Unavailable."""
        if self._running is not None:
            self._running.call(self._upkeep.read_keys)
        else:
            self._upkeep.keyring.update(self._read_state(), self._now())

    def sign(self, claims: dict[str, Any]) -> str:
        if self._upkeep.keyring.is_stale(self._now()):  # nobody looks while the server is down
            self.read_keys()
        return self._upkeep.keyring.sign(claims, self._now())

    @property
    def jwks(self) -> dict[str, Any]:
        return self._upkeep.keyring.jwks

    def _read_state(self) -> signing_keys.KeyState:
        with self._database.begin() as connection:
            return signing_keys.load(connection)


class _Uvicorn(uvicorn.Server):
    """Runs in a thread from the beginning; answers when it is made."""

    def __init__(self, app: Any, listener: socket.socket) -> None:
        config = uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, ws="none", lifespan="on", loop="asyncio"
        )
        config.timeout_graceful_shutdown = _PATIENCE
        super().__init__(config)
        self._up = Event()
        self._thread = Thread(target=self.run, args=([listener],), name="authserver-testing", daemon=True)
        self._thread.start()
        self._up.wait(_PATIENCE)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        self._up.set()

    def stop(self) -> None:
        self.should_exit = True
        self._thread.join(_PATIENCE)

    def call(self, work: Callable[[], Any]) -> None:
        """Until `work` is done, on the server's loop."""
        asyncio.run_coroutine_threadsafe(work(), self._loop).result(_PATIENCE)


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((HOST, port))
    return bound
