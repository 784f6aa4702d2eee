"""Runs the server as `authserver serve` does, and its clients, in one process under callgrind (see instructions.py).

    python counted_server.py prepare FOLDER 64
    python counted_server.py count FOLDER '{"operations": [...], "steps": [...], "connections": 64, "rounds": 2}'

PYTHONPATH says whose package runs: another commit's folder has no scripts. In each round, every connection sends one
request over loopback TCP. The clients are not counted, nor are signatures, which are stubbed, nor the threads that hash
passwords. No background task runs.
"""

import asyncio
import importlib
import itertools
import json
import re
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.append(str(Path(__file__).resolve().parents[3]))  # after PYTHONPATH

from joserfc.jws import JWSRegistry
from uvicorn.lifespan.on import LifespanOn
from uvicorn.server import ServerState

import authserver
from authserver import system
from authserver.app import assemble
from authserver.observability.sheet import Sheet
from authserver.passwords import PasswordHasher
from authserver.serving import configuration
from authserver.serving.connection import Connection
from authserver.settings import Settings
from scripts.bench.speed import sample
from scripts.bench.speed.callgrind import Counter
from scripts.bench.speed.clients import NEEDS, USES_UP, Clients
from tests.harness.http_client import HOST, Response

_PORT = 8410
_ISSUER = f"http://{HOST}:{_PORT}"
_SECONDS = 120
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n")
_SIGNATURE = bytes(256)
_WARM_UP = 2  # rounds, after which statements are compiled and caches are full
EVENT_LOOP, COLLECTOR = "event_loop", "collector"
STEPS: dict[str, tuple[str, ...]] = {
    "application": ("serving.draining.Draining.__call__",),
    "endpoint": (
        "web.form.FormEndpoint.__call__",
        "web.browser.endpoint.BrowserEndpoint.__call__",
        "web.userinfo.UserInfoEndpoint.__call__",
        "web.documents.Document.__call__",
    ),
    "pipeline": ("pipeline.pipeline.Pipeline.run",),
    **{
        step: (f"pipeline.pipeline.Pipeline._{step}",)
        for step in ("accept_client", "load", "count", "authenticate", "decide", "sign", "commit")
    },
    "render": (
        "web.form.send_reply",
        "web.browser.pages.Pages.send",
        "web.userinfo.send_reply",
        "web.documents.send_body",
    ),
    "database": ("store.database.Database._run",),
    "database_loads": ("store.database.Database._run_loads",),
    "database_commits": ("store.database.Database._run_writes",),
}
"""Each step, and the functions of which it consists."""


class CountedServer:
    """The server and the connections of its clients."""

    def __init__(self, connections: int) -> None:
        self._connections = connections
        self._clients, self._sockets = Clients(_PORT, connections), list[socket.socket]()
        self._unanswered, self._answered = 0, asyncio.Event()
        self.while_it_works: Callable[[], AbstractContextManager[object]] = nullcontext
        """A context that is entered when the requests of a round have been sent, and left when all responses have
        been."""

    async def open(self, config: Any) -> None:
        config.load()
        lifespan, state = LifespanOn(config), ServerState()
        await lifespan.startup()
        factory = partial(config.http_protocol_class, config=config, server_state=state, app_state=lifespan.state)
        server = await asyncio.get_running_loop().create_server(factory, HOST, 0)
        address = server.sockets[0].getsockname()
        self._sockets = [socket.create_connection(address, _SECONDS) for _ in range(self._connections)]
        self._lifespan = lifespan

    async def close(self) -> None:
        for each in self._sockets:
            each.close()
        await self._lifespan.shutdown()

    def response_ended(self) -> None:
        self._unanswered -= 1
        if not self._unanswered:
            self._answered.set()

    async def ask(self, operation: str) -> None:
        """Send one request on each connection, and wait for all responses."""
        self._unanswered = self._connections
        self._answered.clear()
        for number, each in enumerate(self._sockets):
            request = self._clients.request(operation, number)
            assert request, operation
            each.sendall(request)
        with self.while_it_works():
            await self._answered.wait()
        for number, each in enumerate(self._sockets):
            response = _response(each)
            if response.status not in (200, 303):
                raise ValueError(f"{operation}: {(response.head + response.body).decode()}")
            self._clients.take(operation, number, response)

    async def ask_needs(self, operation: str) -> None:
        for needed in NEEDS.get(operation, ()):
            await self.ask(needed)


def _response(connection: socket.socket) -> Response:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = _LENGTH.search(head + b"\r\n")
    while length and len(body) < int(length[1]):
        body += connection.recv(65536)
    return Response(int(head[9:12]), body, head)


class Resumed:
    """Counts a coroutine while it runs, and not while it waits."""

    def __init__(self, counter: Counter, coroutine: Any) -> None:
        self._counter, self._resume = counter, coroutine.__await__().__next__

    def __await__(self) -> "Resumed":
        return self

    def __iter__(self) -> "Resumed":
        return self

    def __next__(self) -> Any:
        self._counter.enter()
        try:
            return self._resume()
        finally:
            self._counter.leave()


def counting(counter: Counter, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function wrapped so that its calls are counted."""

    def counted(*arguments: Any, **options: Any) -> Any:
        counter.enter()
        try:
            return function(*arguments, **options)
        finally:
            counter.leave()

    def resumed(*arguments: Any, **options: Any) -> Any:
        return Resumed(counter, function(*arguments, **options))

    return resumed if iscoroutinefunction(function) else counted


@contextmanager
def counting_step(counter: Counter, step: str) -> Iterator[None]:
    """Count a step. Functions that the package of an older commit does not have are left out."""
    with ExitStack() as stack:
        for path in STEPS[step]:
            owner, name = _owner(path)
            if hasattr(owner, name):
                stack.enter_context(patch.object(owner, name, counting(counter, getattr(owner, name))))
        yield


def _owner(path: str) -> tuple[Any, str]:
    """Return the module or class of the function, and the function's name in it."""
    *parts, name = path.split(".")
    owner: Any = authserver
    for part in parts:
        owner = getattr(owner, part, None) or importlib.import_module(f"{owner.__name__}.{part}")
    return owner, name


async def count(counter: Counter, config: Any, asked: Any) -> None:
    server = CountedServer(asked["connections"])
    with patch.object(Connection, "on_response_complete", _noticing(server)):
        await server.open(config)
        for operation in asked["operations"]:
            for _ in range(_WARM_UP):
                await server.ask_needs(operation)
                await server.ask(operation)
            with counter.instrumented():
                for step in asked["steps"]:
                    await count_step(counter, server, operation, step, asked["rounds"])
        await server.close()


async def count_step(counter: Counter, server: CountedServer, operation: str, step: str, rounds: int) -> None:
    for number in range(rounds):
        if operation in USES_UP:
            await server.ask_needs(operation)
        with _counted(counter, server, step), counter.recording(f"{operation} {step} {number}"):
            await server.ask(operation)


@contextmanager
def _counted(counter: Counter, server: CountedServer, step: str) -> Iterator[None]:
    if step in STEPS:
        with counting_step(counter, step):
            yield
        return
    counter.counts_collector = step == COLLECTOR
    server.while_it_works = counter.counting if step == EVENT_LOOP else nullcontext
    yield
    counter.counts_collector, server.while_it_works = False, nullcontext


def _noticing(server: CountedServer) -> Callable[[Connection], None]:
    complete = Connection.on_response_complete

    def noticing(connection: Connection) -> None:
        complete(connection)
        server.response_ended()

    return noticing


def main(command: str, folder: str, asked: str) -> None:
    if command == "prepare":
        sample.prepare(sample.settings_in(Path(folder), _ISSUER), int(asked))
        return
    algorithm = JWSRegistry.algorithms["RS256"]
    config = configuration.configure(sample.settings_in(Path(folder), _ISSUER), 1)
    with (
        patch.object(algorithm, "sign", lambda message, key: _SIGNATURE),
        patch.object(algorithm, "verify", lambda message, signature, key: True),
        patch.object(PasswordHasher, "_matches", lambda self, hashed, password: True),
        patch.object(configuration, "assemble", _assembled),
        asyncio.Runner(loop_factory=config.get_loop_factory()) as runner,
    ):
        runner.run(count(Counter(), config, json.loads(asked)))


def _assembled(settings: Settings, **options: Any) -> Any:
    """Assemble the server with metrics, without background tasks, and with a clock of its own: under callgrind, so much
    real time passes that caches and keys would be read again."""
    ticks = itertools.count(system.now())
    return assemble(settings, **options | {"enable": (), "sheet": Sheet(), "now": lambda: next(ticks)})


if __name__ == "__main__":
    main(*sys.argv[1:])
