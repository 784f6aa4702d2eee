"""The server as `authserver serve` runs it, and its clients, in one process under callgrind: see instructions.py.

    python counted_server.py prepare FOLDER 64
    python counted_server.py count FOLDER '{"operations": [...], "steps": [...], "connections": 64, "rounds": 2}'

PYTHONPATH says whose server runs: another commit's has no scripts. In each round every connection sends one request,
over loopback TCP. What the clients do is not counted, nor are signatures, which are stubbed, and the threads that hash
passwords. No background task runs.
"""

import asyncio
import importlib
import itertools
import json
import re
import socket
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from hashlib import sha256
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlencode

sys.path.append(str(Path(__file__).resolve().parents[3]))  # after PYTHONPATH

from joserfc.jws import JWSRegistry
from sqlalchemy import insert
from uvicorn.lifespan.on import LifespanOn
from uvicorn.server import ServerState

import authserver
from authserver import system
from authserver.app import assemble
from authserver.domain.models import SECOND, Client, Secret, User
from authserver.observability.sheet import Sheet
from authserver.passwords import PasswordHasher
from authserver.provisioning import initialise, open_database
from authserver.serving import configuration
from authserver.serving.connection import Connection
from authserver.settings import Settings
from authserver.store import clients, users
from authserver.store.schema import consents, sessions
from scripts.bench.speed.callgrind import Counter

_HOST, _PORT = "127.0.0.1", 8410
_ISSUER = f"http://{_HOST}:{_PORT}"
_API, _BACK = "https://api.example", "https://app.example/callback"
_SECRET = "s" * 43
_PASSWORD = "correct horse battery staple"
_VERIFIER = "v" * 43
_SCOPE = ("openid", "offline_access")
_FORM = "application/x-www-form-urlencoded"
_SECONDS = 120
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n")
_TOKEN = re.compile(rb'"(access_token|refresh_token)":"([^"]+)"')
_CODE = re.compile(rb"[?&]code=([A-Za-z0-9_-]+)")
_SIGNATURE = bytes(256)
_CLIENTS = (
    Client(
        "machine",
        "Machine",
        "client_secret_basic",
        frozenset({"client_credentials"}),
        ("read",),
        (_API,),
        secrets=(Secret(sha256(_SECRET.encode()).digest()),),
    ),
    Client("app", "App", "none", frozenset({"password", "refresh_token"}), ("read", "write"), (_API,)),
    Client("site", "Site", "none", frozenset({"authorization_code", "refresh_token"}), _SCOPE, (_API,), (_BACK,)),
)

_WARM_UP = 2  # rounds, after which statements are compiled and caches are filled
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
"""Each step, and the functions that are all of it."""


def settings_in(folder: Path) -> Settings:
    places: dict[str, Any] = {"database_url": f"sqlite:///{folder}/authserver.db", "keys_dir": folder / "keys"}
    return Settings(issuer=_ISSUER, log_level="warning", **places)


def prepare(folder: Path, connections: int) -> None:
    """Create a database with clients, and for each connection a user who has signed in and agreed."""
    settings = settings_in(folder)
    database = open_database(settings)
    initialise(settings, database, system.now)
    now, hasher = system.now(), PasswordHasher()
    password_hash = hasher.hash(_PASSWORD)
    hasher.close()
    everyone = [User(f"u_{number}", _username(number), password_hash, created_at=now) for number in range(connections)]
    with database.begin() as connection:
        users.add_many(connection, everyone)
        for client in _CLIENTS:
            clients.add(connection, client)
        connection.execute(insert(sessions), [_session(number, user, now) for number, user in enumerate(everyone)])
        connection.execute(insert(consents), [_consent(user, now) for user in everyone])
    database.close()


def _username(number: int) -> str:
    return f"user{number}"


def _cookie(number: int) -> str:
    """The secret in the session's cookie of that connection."""
    return f"{number:043}"


def _session(number: int, user: User, now: int) -> dict[str, Any]:
    times = dict.fromkeys(("created_at", "authenticated_at", "seen_at"), now)
    ends = dict.fromkeys(("idle_expires_at", "expires_at"), now + 86400 * SECOND)
    secret_hash = sha256(_cookie(number).encode()).digest()
    ids = {"id": secret_hash[:16], "secret_hash": secret_hash, "user_id": user.id, "credential_version": 0}
    return ids | times | ends | {"amr": "pwd", "kept": False, "network": "127.0.0.0/24"}


def _consent(user: User, now: int) -> dict[str, Any]:
    agreed = {"scope": " ".join(_SCOPE), "claims": "", "resources": ""}
    return {"user_id": user.id, "client_id": "site", "granted_at": now} | agreed


class Clients:
    """One client for each connection: what it sends, and what it needs of the responses."""

    NEEDS = {
        "refresh": ("password",),
        "introspect": ("password",),
        "revoke": ("password",),
        "redeem": ("authorize",),
        "userinfo": ("authorize", "redeem"),
    }
    """The operations whose responses an operation needs, in order."""
    USES_UP = ("redeem", "revoke")
    """The operations that need new responses each time."""

    def __init__(self, connections: int) -> None:
        self._logins, self._codes, self._signed_in = ([("", "")] * connections for _ in range(3))

    def request(self, operation: str, number: int) -> bytes:
        made: bytes = getattr(self, f"_{operation}")(number)
        return made

    def take(self, operation: str, number: int, response: bytes) -> None:
        """Remember what later requests of this connection need. Raises ValueError for an error."""
        if not response.startswith((b"HTTP/1.1 200", b"HTTP/1.1 303")):
            raise ValueError(f"{operation}: {response.decode()}")
        tokens = {name: value.decode() for name, value in _TOKEN.findall(response)}
        pair = (tokens.get(b"access_token", ""), tokens.get(b"refresh_token", ""))
        if operation in ("password", "refresh"):
            self._logins[number] = pair
        elif operation == "redeem":
            self._signed_in[number] = pair
        elif code := _CODE.search(response):
            self._codes[number] = (code[1].decode(), "")

    def _client_credentials(self, _: int) -> bytes:
        return _post("/token", {"grant_type": "client_credentials"}, basic=True)

    def _password(self, number: int) -> bytes:
        user = {"username": _username(number), "password": _PASSWORD}
        return _post("/token", {"grant_type": "password", "client_id": "app"} | user)

    def _refresh(self, number: int) -> bytes:
        _, token = self._logins[number]
        return _post("/token", {"grant_type": "refresh_token", "client_id": "app", "refresh_token": token})

    def _introspect(self, number: int) -> bytes:
        access_token, _ = self._logins[number]
        return _post("/introspect", {"token": access_token}, basic=True)

    def _revoke(self, number: int) -> bytes:
        _, token = self._logins[number]
        return _post("/revoke", {"client_id": "app", "token": token})

    def _authorize(self, number: int) -> bytes:
        challenge = b64encode(sha256(_VERIFIER.encode()).digest(), b"-_").rstrip(b"=").decode()
        pkce = {"code_challenge": challenge, "code_challenge_method": "S256"}
        asked = {"response_type": "code", "client_id": "site", "redirect_uri": _BACK, "scope": " ".join(_SCOPE)}
        query = urlencode(asked | pkce | {"state": "s" * 43, "nonce": "n" * 43})
        return _get(f"/authorize?{query}", f"Cookie: browser_{_PORT}={_SECRET}; session_{_PORT}={_cookie(number)}")

    def _redeem(self, number: int) -> bytes:
        code, _ = self._codes[number]
        form = {"grant_type": "authorization_code", "client_id": "site", "redirect_uri": _BACK}
        return _post("/token", form | {"code": code, "code_verifier": _VERIFIER})

    def _userinfo(self, number: int) -> bytes:
        access_token, _ = self._signed_in[number]
        return _get("/userinfo", f"Authorization: Bearer {access_token}")

    def _jwks(self, _: int) -> bytes:
        return _get("/.well-known/jwks.json")


def _get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {_HOST}", *headers, "", ""]).encode()


def _post(path: str, form: dict[str, str], *, basic: bool = False) -> bytes:
    body = urlencode(form)
    headers = [f"Host: {_HOST}", f"Content-Type: {_FORM}", f"Content-Length: {len(body)}"]
    credentials = b64encode(f"machine:{_SECRET}".encode()).decode()
    headers += [f"Authorization: Basic {credentials}"] if basic else []
    return "\r\n".join([f"POST {path} HTTP/1.1", *headers, "", body]).encode()


class CountedServer:
    """The server and the connections of its clients."""

    def __init__(self, connections: int) -> None:
        self._connections = connections
        self._clients, self._sockets = Clients(connections), list[socket.socket]()
        self._unanswered, self._answered = 0, asyncio.Event()
        self.while_it_works: Callable[[], AbstractContextManager[object]] = nullcontext
        """Entered before the server gets the requests of a round, and left after its responses."""

    async def open(self, config: Any) -> None:
        config.load()
        lifespan, state = LifespanOn(config), ServerState()
        await lifespan.startup()
        factory = partial(config.http_protocol_class, config=config, server_state=state, app_state=lifespan.state)
        server = await asyncio.get_running_loop().create_server(factory, _HOST, 0)
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
            each.sendall(self._clients.request(operation, number))
        with self.while_it_works():
            await self._answered.wait()
        for number, each in enumerate(self._sockets):
            self._clients.take(operation, number, _response(each))

    async def ask_needs(self, operation: str) -> None:
        for needed in Clients.NEEDS.get(operation, ()):
            await self.ask(needed)


def _response(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = _LENGTH.search(head + b"\r\n")
    while length and len(body) < int(length[1]):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


class Resumed:
    """Counts a coroutine whenever it runs, and not while it waits."""

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
    """Return the function, counted."""

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
    """Count a step. A function that TREE does not have is left out: another step contains it."""
    with ExitStack() as stack:
        for path in STEPS[step]:
            owner, name = _owner(path)
            if hasattr(owner, name):
                stack.enter_context(patch.object(owner, name, counting(counter, getattr(owner, name))))
        yield


def _owner(path: str) -> tuple[Any, str]:
    """Return the module or class, and the name in it."""
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
        if operation in Clients.USES_UP:
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
        prepare(Path(folder), int(asked))
        return
    algorithm = JWSRegistry.algorithms["RS256"]
    config = configuration.configure(settings_in(Path(folder)), 1)
    with (
        patch.object(algorithm, "sign", lambda message, key: _SIGNATURE),
        patch.object(algorithm, "verify", lambda message, signature, key: True),
        patch.object(PasswordHasher, "_matches", lambda self, hashed, password: True),
        patch.object(configuration, "assemble", _assembled),
        asyncio.Runner(loop_factory=config.get_loop_factory()) as runner,
    ):
        runner.run(count(Counter(), config, json.loads(asked)))


def _assembled(settings: Settings, **options: Any) -> Any:
    """With metrics, without background tasks, and with a clock of its own: under callgrind so much time passes that
    caches and keys would have to be read again."""
    ticks = itertools.count(system.now())
    return assemble(settings, **options | {"enable": (), "sheet": Sheet(), "now": lambda: next(ticks)})


if __name__ == "__main__":
    main(*sys.argv[1:])
