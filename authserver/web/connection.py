"""One TCP connection as uvicorn serves it, with bounds on what comes before a request, and a quiet end."""

import asyncio
import json
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_MOST_BYTES = 65_536  # of a request's line and headers
_MOST_HEADERS = 100
_PATIENCE = 10.0  # seconds for a request's line and headers
_MOMENT = 1.0  # seconds
_SENTENCES = {
    400: "The request is malformed.",
    408: "The request did not arrive in time.",
    414: "The address is too long.",
    431: "The headers are too large.",
}


class Connection(HttpToolsProtocol):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._late: asyncio.TimerHandle | None = None
        self._in_head, self._head_bytes, self._address_bytes = False, 0, 0
        self._refused_with = 400

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, error: Exception | None) -> None:
        self._head_has_come()
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > _MOST_BYTES:
                self._refuse(431 if self.headers else 414)
                return
        # Most requests come in one piece, and cost no timer.
        if self._late is None and (self._in_head or self.cycle is None or self.cycle.response_complete):
            self._expect_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes, self._address_bytes = True, 0, 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._address_bytes += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        if len(self.headers) > _MOST_HEADERS:
            self._stop_parsing(431)

    def on_headers_complete(self) -> None:
        self._head_has_come()
        if self._address_bytes > _MOST_BYTES:
            self._stop_parsing(414)
        if sum(len(name) + len(value) for name, value in self.headers) > _MOST_BYTES:
            self._stop_parsing(431)
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Whatever the parser refuses, or a callback of ours within it."""
        self._refuse(self._refused_with)

    def shutdown(self) -> None:
        """A connection that is new when the server stops is not closed before its request can have come."""
        if self.cycle is None:
            self.loop.call_later(_MOMENT, super().shutdown)
        else:
            super().shutdown()

    def _expect_head(self) -> None:
        self._late = self.loop.call_later(_PATIENCE, self._is_late)

    def _head_has_come(self) -> None:
        self._in_head = False
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _is_late(self) -> None:
        if self._in_head:
            self._refuse(408)
        else:
            self.transport.close()

    def _stop_parsing(self, status: int) -> None:
        self._refused_with = status
        raise ValueError(_SENTENCES[status])  # to the parser, which gives up

    def _refuse(self, status: int) -> None:
        if self.transport.is_closing():
            return
        if self._is_answering():
            self._close_after_the_answers()
        elif self.pipeline:  # it broke off within its body, and cannot be refused in its turn
            self.transport.close()
        else:
            self._answer_and_close(status)

    def _is_answering(self) -> bool:
        """Whether a request that came whole has no answer yet."""
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body

    def _close_after_the_answers(self) -> None:
        """RFC 9112 s9.3.2: MUST send the corresponding responses in the same order that the requests were received."""
        self.cycle.keep_alive = False
        self.flow.pause_reading()

    def _answer_and_close(self, status: int) -> None:
        self._head_has_come()
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
