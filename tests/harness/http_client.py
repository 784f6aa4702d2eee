"""HTTP/1.1 over kept-alive loopback connections, so lean that one core can load a server which uses all of another.

    answers = run(load(port, [Refreshes(client_id, token) for token in tokens], seconds=10))

It needs only the standard library, and uses uvloop if it is installed.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

try:
    import uvloop
except ImportError:
    uvloop = None  # type: ignore[assignment]

T = TypeVar("T")
HOST = "127.0.0.1"  # and never another: these scripts load only this machine
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ACCESS_TOKEN = re.compile(rb'"access_token": ?"([^"]+)"')
_REFRESH_TOKEN = re.compile(rb'"refresh_token": ?"([^"]+)"')
_DRAIN = 30  # seconds for the last answers


class Response(NamedTuple):
    status: int
    body: bytes
    head: bytes = b""
    """Status line and headers, as they came."""

    @property
    def refresh_token(self) -> str | None:
        found = _REFRESH_TOKEN.search(self.body)
        return found[1].decode() if found else None

    @property
    def access_token(self) -> str | None:
        found = _ACCESS_TOKEN.search(self.body)
        return found[1].decode() if found else None

    def has(self, header: str) -> bool:
        """Whether the response has `header`, in lower case: a name, with or without a value."""
        return f"\r\n{header}".encode() in self.head.lower()


Script = Callable[[Response | None], bytes | None]
"""Gets the last answer (None before the first) and returns the next request; None ends this connection's loop."""


def run(main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if uvloop else None) as runner:
        return runner.run(main)


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {HOST}", *headers, "", ""]).encode()


def post(path: str, form: Mapping[str, str], *, authorization: str | None = None) -> bytes:
    body = urlencode(form)
    head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    head += f"Authorization: {authorization}\r\n" if authorization else ""
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def refresh(client_id: str, token: str) -> bytes:
    return post("/token", {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": token})


class Refreshes:
    """A script: the chain of refreshes of one login. `token` is the newest received token; an error ends the chain."""

    def __init__(self, client_id: str, token: str) -> None:
        self.token = token
        # Our tokens are all of one length and need no quoting: only the token's bytes change from request to request.
        self._head, self._tail = refresh(client_id, token).split(token.encode())

    def __call__(self, last: Response | None) -> bytes | None:
        if last is not None:
            successor = last.refresh_token
            if successor is None:
                return None
            self.token = successor
        return self._head + self.token.encode() + self._tail


class Connection(asyncio.Protocol):
    """A connection with one request at a time, whose responses have a Content-Length."""

    def __init__(self) -> None:
        self._received = b""
        self._waiting: asyncio.Future[Response] | None = None
        self.transport: asyncio.Transport

    @property
    def is_open(self) -> bool:
        return not self.transport.is_closing()

    async def ask(self, request: bytes) -> Response:
        """Send a request. Raises ConnectionError if the connection ends before the whole response has arrived."""
        if self.transport.is_closing():
            raise ConnectionResetError("closed")
        self._waiting = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._waiting

    def close(self) -> None:
        self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        received = self._received = self._received + data if self._received else data
        end = received.find(b"\r\n\r\n") + 4
        if end == 3:
            return
        status = int(received[9:12])
        length = _LENGTH.search(received, 0, end)
        end += int(length[1]) if length else 0  # without one there is no body: 204 and 304
        if len(received) >= end:
            self._received = b""
            body = received.find(b"\r\n\r\n") + 4
            self.answered(Response(status, received[body:end], received[:body]))

    def answered(self, response: Response) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_result(response)

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(ConnectionResetError(str(error or "closed")))


async def connect(port: int) -> Connection:
    """Open a connection. Raises OSError if no server listens."""
    _, connection = await asyncio.get_running_loop().create_connection(Connection, HOST, port)
    return connection


@dataclass
class Load:
    """The result of a load. `seconds` is the time from the first request to the last response."""

    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    failures: list[bytes] = field(default_factory=list)
    """The bodies of the first hundred answers that were not 2xx."""
    lost: int = 0
    """Connections that ended in the middle of a request."""
    seconds: float = 0

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        return sorted(self.latencies)[min(len(self.latencies) - 1, int(share * len(self.latencies)))]


class _Loop(Connection):
    """Drives its script from data_received: no task has to wake up for a response, which halves the cost."""

    def __init__(self, script: Script, load: Load, interval: float) -> None:
        super().__init__()
        self._script, self._load, self._interval = script, load, interval
        self._began = self._until = self._due = 0.0
        self.ended = asyncio.get_running_loop().create_future()

    def start(self, first: float, until: float) -> None:
        self._due, self._until = first, until
        self._go_on(None, perf_counter())

    def answered(self, response: Response) -> None:
        now = perf_counter()
        self._load.latencies.append(now - self._began)
        self._load.statuses[response.status] += 1
        if not 200 <= response.status < 300 and len(self._load.failures) < 100:
            self._load.failures.append(response.body)
        self._due += self._interval
        self._go_on(response, now)

    def _go_on(self, last: Response | None, now: float) -> None:
        try:
            request = self._script(last)  # also after the last answer: a chain keeps its newest token
        except Exception as error:
            return self._end(error)
        if request is None or (last is not None and max(now, self._due) >= self._until):
            return self._end(None)
        if self._interval and self._due > now:
            asyncio.get_running_loop().call_later(self._due - now, self._send, request)
        else:  # late, and so is the response: the time from when the request was due counts
            self._send(request, self._due if self._interval else None)
        return None

    def _send(self, request: bytes, began: float | None = None) -> None:
        self._began = perf_counter() if began is None else began
        self.transport.write(request)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self._load.lost += 1
            self._end(None)

    def _end(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(error) if error else self.ended.set_result(None)


async def load(port: int, scripts: Sequence[Script], seconds: float, interval: float = 0) -> Load:
    """Run each script in a closed loop on a connection of its own, for `seconds` and until the last responses arrive.
    With an interval, a connection sends its next request not earlier than so many seconds after the one before was due,
    and the first requests are spread over the interval. Each connection sends at least one request, if it has one.

    A script that is used in another load continues where it was. Raises what a script raises.
    """
    found, event_loop = Load(), asyncio.get_running_loop()
    loops = [
        (await event_loop.create_connection(lambda script=script: _Loop(script, found, interval), HOST, port))[1]  # type: ignore[misc]
        for script in scripts
    ]
    began = perf_counter()
    try:
        for number, each in enumerate(loops):
            each.start(began + interval * number / len(loops), began + seconds)
        async with asyncio.timeout(seconds + _DRAIN):
            await asyncio.gather(*(each.ended for each in loops))
        found.seconds = perf_counter() - began
    finally:
        for each in loops:
            each.close()
    return found
