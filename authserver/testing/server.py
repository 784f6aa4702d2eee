"""The server of `authserver serve` in a thread of this process. It can be stopped, and started on the same port."""

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
from ..serving.connection import Connection
from ..settings import Settings
from ..store import signing_keys
from ..store.database import Database

HOST = "127.0.0.1"
_OLDEST_SQLITE = (3, 36)  # since when connections can share a memdb
_PATIENCE = 30  # seconds


@contextmanager
def memory() -> Iterator[str]:
    """Return the URL of an empty database in memory, which exists until the end of the `with`. Raises Misconfigured.

    SQLite's memdb, and not its shared cache: connections lock each other out and wait as they do with a file.
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise Misconfigured(f"authserver.testing needs SQLite 3.36 or newer; here it is {sqlite3.sqlite_version}.")
    name = f"file:/authserver-{system.new_id().hex()}?vfs=memdb"
    with closing(sqlite3.connect(name, uri=True, check_same_thread=False)):
        yield f"sqlite:///{name}&uri=true"


class Port:
    """A free port, reserved until `close`. Connections are refused while no server listens."""

    def __init__(self) -> None:
        self._held = _bound(0)
        self.number: int = self._held.getsockname()[1]

    def listener(self) -> socket.socket:
        """Return another socket on the port. The server that uses it closes it."""
        return _bound(self.number)

    def close(self) -> None:
        self._held.close()


class IssuerServer:
    """Handles requests. The only background task that runs is the reading of keys; tests trigger the others."""

    def __init__(self, settings: Settings, database: Database, port: Port, now: Callable[[], int]) -> None:
        """`database` is a second connection to the database that the settings name; `now` returns microseconds. Raises
        as `start` does."""
        self._settings, self._database, self._port, self._now = settings, database, port, now
        self._running: _Uvicorn | None = None
        self.start()

    def start(self) -> None:
        """Raises Misconfigured, whatever the application raises at startup, and TimeoutError. After an error nothing is
        running."""
        # A keyring that has not been read for some seconds does not sign.
        server = assemble(self._settings, now=self._now, enable=("read_keys",))
        self._tasks = server.tasks
        try:
            self._running = _Uvicorn(server.app, self._port.listener())
        except BaseException:
            server.close()
            raise

    def stop(self) -> None:
        if self._running is not None:
            self._running.stop()
            self._running = None

    def read_keys(self) -> None:
        """Read the keys from the database. Raises Unavailable."""
        if self._running is not None:
            self._running.call(self._tasks.read_keys)
        else:
            self._tasks.keyring.update(self._read_state(), self._now())

    def deliver_messages(self) -> None:
        """Send the messages that wait in the outbox, and wait until all were tried. Raises Unavailable."""

        async def deliver() -> None:
            await self._tasks.deliver_outbox()
            await self._tasks.outbox.finish()

        if self._running is not None:
            self._running.call(deliver)

    def sign(self, claims: dict[str, Any], alg: str, typ: str) -> str:
        if self._tasks.keyring.is_stale(self._now()):  # nothing reads them while the server is down
            self.read_keys()
        return self._tasks.keyring.sign(claims, self._now(), alg, typ)

    @property
    def jwks(self) -> dict[str, Any]:
        return self._tasks.keyring.jwks

    def _read_state(self) -> signing_keys.KeyState:
        with self._database.begin() as connection:
            return signing_keys.load(connection)


class _Uvicorn(uvicorn.Server):
    """Runs in a thread. It accepts requests as soon as the constructor has returned."""

    def __init__(self, app: Any, listener: socket.socket) -> None:
        """Takes over `listener`. Raises whatever `app` raises at startup, and TimeoutError; then nothing is running."""
        self._app, self._listener = app, listener
        config = uvicorn.Config(
            self._watched,
            interface="asgi3",
            http=Connection,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            ws="none",
            lifespan="on",
            loop="asyncio",
        )
        config.timeout_graceful_shutdown = _PATIENCE
        super().__init__(config)
        self._tried = Event()
        self._failure: BaseException | None = None
        self._thread = Thread(target=self._run, name="authserver-testing", daemon=True)
        self._thread.start()
        self._wait_until_up()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        self._tried.set()

    def stop(self) -> None:
        self.should_exit = True
        self._thread.join(_PATIENCE)

    def call(self, work: Callable[[], Any]) -> None:
        """Run `work` in the server's event loop, and wait until it is done."""
        asyncio.run_coroutine_threadsafe(work(), self._loop).result(_PATIENCE)

    def _wait_until_up(self) -> None:
        self._tried.wait(_PATIENCE)
        if not self.started:
            self.stop()
            raise self._failure or TimeoutError(f"The server was not up within {_PATIENCE} s.")

    def _run(self) -> None:
        try:
            with closing(self._listener):
                self.run([self._listener])
        except BaseException as error:  # also SystemExit, which uvicorn raises if the application does not start
            self._failure = self._failure or error
        finally:
            self._tried.set()

    async def _watched(self, scope: Any, receive: Any, send: Any) -> None:
        """Run the application, and keep an error at startup: uvicorn only logs it."""
        try:
            await self._app(scope, receive, send)
        except BaseException as error:
            if scope["type"] == "lifespan":
                self._failure = error
            raise


def _bound(port: int) -> socket.socket:
    """Bind with SO_REUSEPORT: only a socket of the same user that also sets it can share the port. With SO_REUSEADDR,
    any server could take the port while nobody listens on it."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((HOST, port))
    return bound
