"""One TCP connection: uvicorn's httptools protocol, with a strict request parser of our own in place of its parser.

uvicorn's class writes the responses and runs the application. Its parser, llhttp, skips the body of a request that
offers to upgrade, continues to read while a request is being handled, and reports trailer fields as headers. To make it
safe, nearly all of `framing` would have to run in front of it. h11 is strict, but a small form and its response take
715,000 instructions with it, 214,000 here and 184,000 with plain httptools (callgrind; 140, 39 and 33 us on a busy
core), while a whole refresh takes 155 us without its signature. scripts/bench/fuzz/framing.py shows that `framing`
never reads a request differently from h11.
"""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from itertools import count
from typing import Any, NamedTuple

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .. import system
from ..web.body import ARRIVED, MAX_BODY
from ..web.malformed import COUNTER
from ..web.network import network_of
from . import framing
from .framing import MalformedRequest
from .limit import ConnectionLimit
from .response import Response

_MOMENT = 1.0  # seconds
_activity = count()  # orders connections by their last activity; the event loop's clock counts only milliseconds
_SENTENCES = {
    400: "The request is malformed.",
    408: "The request did not arrive in time.",
    414: "The address is too long.",
    431: "The headers are too large.",
}


class _Transport(NamedTuple):
    """The methods of a transport that a response uses."""

    write: Callable[[bytes], None]
    close: Callable[[], None]
    is_closing: Callable[[], bool]


class Connection(HttpToolsProtocol):
    """Buffers at most one request, the bytes that arrived after it in the same read, and one response. A request is
    cancelled when its client disconnects."""

    read_timeout = 10.0
    """Seconds to receive a request's line and headers, or the rest of a body after the response was sent."""
    write_timeout = 10.0
    """Seconds in which a client must read some part of a response."""
    linger_timeout = 5.0
    """Seconds in which a client must close the connection after a response to a request that was not read."""
    linger_limit = 16 << 20
    """How many bytes of that request are discarded in this time."""

    def __init__(self, *arguments: Any, limit: ConnectionLimit | None = None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._application, self.app = self.app, self._run_application
        self._task: asyncio.Task[Any] | None = None
        self._limit = limit
        self.last_active = 0
        self._received = bytearray()
        self._searched = 0  # bytes of `_received` that contain no end of the head
        self._body: framing.Body = framing.Sized(0)
        self._discarded = 0  # bytes after the response was sent
        self._is_lingering = False
        self._late: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.last_active = next(_activity)
        self._expect_more()
        if self._limit is not None:
            self._limit.enforce(self.connections, self.loop.time())

    def connection_lost(self, error: Exception | None) -> None:
        self._expect_nothing()
        if self._stalled is not None:
            self._stalled.cancel()
        is_unanswered = self._is_answering()
        super().connection_lost(error)
        if is_unanswered and self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        if self._is_lingering:
            self._count_discarded(len(data), self.linger_limit)
            return
        self.last_active = next(_activity)
        self._received += data
        self._read()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.scope[ARRIVED] = True  # type: ignore[literal-required]

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._is_lingering:
            self.last_active = next(_activity)
        self._watch_client()
        if not self._body.is_complete and not self._is_lingering:
            self._discard_body()
        self._read()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_client()

    def shutdown(self) -> None:
        """Give a new connection a moment to send its request before it is closed."""
        if self.cycle is None:
            self.loop.call_later(_MOMENT, super().shutdown)
        else:
            super().shutdown()

    def is_idle(self) -> bool:
        """Whether the connection waits for its client: before a request, or within one."""
        return not self.transport.is_closing() and not (self._is_answering() and self._body.is_complete)

    def close(self) -> None:
        self.transport.close()

    async def _run_application(self, scope: Any, receive: Any, send: Any) -> None:
        """Run the application until it ends or its client disconnects: then no response could arrive."""
        cycle, self._task = self.cycle, asyncio.current_task()
        if not self._body.is_complete:
            transport: Any = _Transport(self.transport.write, self._close_unread, self.transport.is_closing)
            cycle.transport = transport
        try:
            if not cycle.disconnected:
                respond = Response(cycle) if self._body.is_complete else self._announcing(send)
                await self._application(scope, receive, respond)
        except asyncio.CancelledError:
            if not cycle.disconnected:
                raise

    def _announcing(self, send: Any) -> Any:
        """Wrap `send` so that a response says that the connection is closed after it if most of the body is unread."""

        def announcing(message: Any) -> Any:
            if message["type"] == "http.response.start" and self._closes_without_reading():
                others = [header for header in message["headers"] if header[0] != b"connection"]
                message = {**message, "headers": [*others, (b"connection", b"close")]}
            return send(message)

        return announcing

    def _closes_without_reading(self) -> bool:
        """Whether the rest of the body is too long to be read and discarded, or may never come."""
        is_long = isinstance(self._body, framing.Sized) and self._body.left > MAX_BODY
        return is_long or (self.expect_100_continue and not self._body.is_complete)

    def _read(self) -> None:
        try:
            while self._received and not self.transport.is_closing() and self._read_part():
                pass
        except MalformedRequest as error:
            self._refuse(error)

    def _read_part(self) -> bool:
        """Read a head, or the received part of a body. Returns whether there may be more to read."""
        if not self._body.is_complete:
            return self._read_body()
        if self._is_answering():
            self.flow.pause_reading()  # RFC 9112 s9.3.2: a client that pipelines gets its responses in order
            return False
        return self._read_head()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _read_head(self) -> bool:
        self._unset_keepalive_if_required()
        end = framing.end_of_head(self._received, self._searched)
        if not end:
            self._searched = len(self._received)
            self._expect_more()
            return False
        head = bytes(self._received[:end])
        del self._received[:end]
        self._searched = 0
        self._begin(framing.parse(head))
        return True

    def _begin(self, head: framing.Head) -> None:
        """Begin the request through the callbacks that uvicorn's parser would call."""
        self._expect_nothing()
        self.parser: Any = head
        self._body = head.body
        self.on_message_begin()
        self.on_url(head.target)
        self.headers.extend(head.headers)
        self.expect_100_continue = head.expects_continue
        self.on_headers_complete()
        if self._body.is_complete:
            self.on_message_complete()

    def _read_body(self) -> bool:
        before = len(self._received)
        content = self._body.take(self._received)
        if self._is_answering():
            self.on_body(content)
        else:
            self._count_discarded(before - len(self._received))
        if self._body.is_complete:
            self._expect_nothing()
            self.on_message_complete()
        return self._body.is_complete

    def _discard_body(self) -> None:
        """Discard the rest of a request whose response was sent before its body had arrived, if the rest is short."""
        self._discarded = 0
        if self.expect_100_continue:
            self.transport.close()  # RFC 9110 s10.1.1: the client may or may not send the body
        else:
            self._expect_more()

    def _count_discarded(self, size: int, limit: int = MAX_BODY) -> None:
        self._discarded += size
        if self._discarded > limit:
            self.transport.close()

    def _close_unread(self) -> None:
        if self._body.is_complete:
            self.transport.close()
        else:
            self._linger()

    def _linger(self) -> None:
        """Close the half of the connection that writes, and discard what arrives until the client closes the other
        half. Bytes that arrive at a closed socket cause a reset, and the reset makes the client lose a response that it
        has not read yet."""
        # RFC 9112 s9.6: To avoid the TCP reset problem, servers typically close a connection in stages.
        self._is_lingering, self._discarded = True, 0
        self.last_active = -1  # when there are too many connections, it is the first to be closed
        self._received.clear()
        self._expect_nothing()
        self._late = self.loop.call_later(self.linger_timeout, self.transport.close)
        with suppress(OSError):  # the client has reset the connection meanwhile
            self.transport.write_eof()

    def _expect_more(self) -> None:
        if self._late is None:  # most requests arrive in one piece and need no timer
            self._late = self.loop.call_later(self.read_timeout, self._is_late)

    def _expect_nothing(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _is_late(self) -> None:
        if self._body.is_complete and self._received:
            self._refuse(MalformedRequest(408, "slow headers"))
        else:
            self.transport.close()

    def _watch_client(self) -> None:
        """Watch the client's progress while part of a response is unsent."""
        if self._stalled is None and (unsent := self.transport.get_write_buffer_size()):
            self._stalled = self.loop.call_later(self.write_timeout, self._check_progress, self.cycle, unsent)

    def _check_progress(self, cycle: object, unsent: int) -> None:
        self._stalled = None
        if (self.cycle, self.transport.get_write_buffer_size()) == (cycle, unsent):
            self.transport.abort()
        else:
            self._watch_client()

    def _refuse(self, error: MalformedRequest) -> None:
        if counter := self.app_state.get(COUNTER):
            counter.count(error.reason, network_of({"client": self.client}))
        if self._body.is_complete:
            self._answer_and_close(error.status)
            return
        # The body is malformed: the application must not send anything more.
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        if self.cycle.response_started:
            self.transport.close()
        else:
            self._answer_and_close(error.status)

    def _answer_and_close(self, status: int) -> None:
        body = json.dumps({"error": "invalid_request", "error_description": _SENTENCES[status]})
        lines = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            *(f"{name.decode()}: {value.decode()}" for name, value in self.server_state.default_headers),
            f"x-request-id: {system.new_id().hex()}",
            "content-type: application/json",
            "cache-control: no-store",
            f"content-length: {len(body)}",
            "connection: close",
        )
        self.transport.write("\r\n".join((*lines, "", body)).encode())
        self._linger()
        self._watch_client()
