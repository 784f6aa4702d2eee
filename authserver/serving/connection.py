"""One TCP connection: uvicorn's httptools protocol with a strict reader of requests of our own instead of its parser.

uvicorn's class writes the responses and runs the application. llhttp, its parser, skips the body of a request that
offers to upgrade, reads on while a request is being answered and reports trailer fields as headers: made safe, it would
need nearly all of `framing` in front of it. h11 reads strictly, but one small form and its response cost 715,000
instructions with it, 214,000 here and 184,000 with plain httptools (callgrind; 140, 39 and 33 us side by side on a busy
core), where a refresh may take 175 us beside its signature. That `framing` never reads otherwise than h11 is what
scripts/bench/fuzz/framing.py shows.
"""

import asyncio
import json
from http import HTTPStatus
from itertools import count
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ..web.body import MAX_BODY
from ..web.malformed import COUNTER
from ..web.network import network_of
from . import framing
from .framing import MalformedRequest
from .limit import ConnectionLimit

_MOMENT = 1.0  # seconds
_activity = count()  # which connection was active last; the event loop's clock counts milliseconds
_SENTENCES = {
    400: "The request is malformed.",
    408: "The request did not arrive in time.",
    414: "The address is too long.",
    431: "The headers are too large.",
}


class Connection(HttpToolsProtocol):
    """Holds at most one request, what one read brings beyond it, and one response."""

    read_timeout = 10.0
    """Seconds for a request's line and headers, and for what is left of a body when its request has been answered."""
    write_timeout = 10.0
    """Seconds in which a client must have read something of a response."""

    def __init__(self, *arguments: Any, limit: ConnectionLimit | None = None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._limit = limit
        self.last_active = 0
        self._received = bytearray()
        self._searched = 0  # bytes of it, without an end of the head
        self._body: framing.Body = framing.Sized(0)
        self._discarded = 0  # bytes of a body whose request has been answered
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
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        self.last_active = next(_activity)
        self._received += data
        self._read()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.last_active = next(_activity)
        self._watch_client()
        if not self._body.is_complete:
            self._discard_body()
        self._read()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_client()

    def shutdown(self) -> None:
        """A connection that is new when the server stops is not closed before its request can have come."""
        if self.cycle is None:
            self.loop.call_later(_MOMENT, super().shutdown)
        else:
            super().shutdown()

    def is_idle(self) -> bool:
        """Whether it waits for its client: before a request, or within one."""
        return not self.transport.is_closing() and not (self._is_answering() and self._body.is_complete)

    def close(self) -> None:
        self.transport.close()

    def _read(self) -> None:
        try:
            while self._received and not self.transport.is_closing() and self._read_part():
                pass
        except MalformedRequest as error:
            self._refuse(error)

    def _read_part(self) -> bool:
        """A head, or what has come of a body. Whether there may be more to read."""
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
        """By the callbacks that uvicorn's parser would call."""
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
        """The request has its response before it has come whole: the rest of it is read if it is short."""
        self._discarded = 0
        if self.expect_100_continue:
            self.transport.close()  # RFC 9110 s10.1.1: whether the body comes is for the client to say
        else:
            self._expect_more()

    def _count_discarded(self, size: int) -> None:
        self._discarded += size
        if self._discarded > MAX_BODY:
            self.transport.close()

    def _expect_more(self) -> None:
        if self._late is None:  # most requests come in one piece, and cost no timer
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
        """For as long as something is unsent."""
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
        # It is the body that is malformed: nothing of the application may follow.
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
            "content-type: application/json",
            "cache-control: no-store",
            f"content-length: {len(body)}",
            "connection: close",
        )
        self.transport.write("\r\n".join((*lines, "", body)).encode())
        self.transport.close()
        self._watch_client()
