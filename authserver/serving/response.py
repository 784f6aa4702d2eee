"""Sends an ordinary response in one write: one whose whole body follows its head, on a connection that stays open."""

from collections.abc import Awaitable, MutableMapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

Message = MutableMapping[str, Any]
_NAMES = frozenset(
    {
        *(b"access-control-allow-origin", b"cache-control", b"content-length", b"content-type", b"date", b"etag"),
        *(b"location", b"pragma", b"referrer-policy", b"set-cookie", b"vary", b"x-content-type-options"),
        b"x-request-id",
    }
)
"""The headers of ordinary responses. None of them says how the body ends, except `content-length`."""
_ORDINARY = bytes(range(0x20, 0x7F))
"""The bytes that their values may contain. uvicorn allows more, and checks that with a regular expression, which takes
2 us."""


class _Done:
    """An awaitable that is already done."""

    def __await__(self) -> Any:
        return iter(())


_DONE: Awaitable[None] = _Done()


class Response:
    """The `send` of one request. It keeps the head until the body comes, and leaves other responses to uvicorn, which
    checks each header separately and writes twice: that takes 8 us more."""

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._head: Message = {}

    def __call__(self, message: Message) -> Awaitable[None]:  # without `async`, which would cost a coroutine
        cycle, head = self._cycle, self._head
        if not head and message["type"] == "http.response.start" and not cycle.response_started:
            self._head = dict(message)
            return _DONE
        self._head = {}
        if not head:
            return cycle.send(message)  # type: ignore[arg-type]
        written = self._rendered(head, message)
        if written is None:
            return self._send_both(head, message)
        self._complete(written)
        return _DONE

    def _rendered(self, head: Message, message: Message) -> bytes | None:
        """Return the bytes of the response; None if it is not ordinary."""
        cycle, body = self._cycle, message.get("body", b"")
        if cycle.disconnected or cycle.flow.write_paused or not cycle.keep_alive or cycle.scope["method"] == "HEAD":
            return None
        headers = [*cycle.default_headers, *head.get("headers", ())]
        if message.get("more_body") or (b"content-length", b"%d" % len(body)) not in headers:
            return None
        if not _NAMES.issuperset([name for name, _ in headers]):
            return None
        if b"".join([value for _, value in headers]).translate(None, _ORDINARY):
            return None
        lines = b"\r\n".join([b": ".join(header) for header in headers])
        return b"".join((STATUS_LINE[head["status"]], lines, b"\r\n\r\n", body))

    def _complete(self, written: bytes) -> None:
        """Do what uvicorn does when a response is complete."""
        cycle = self._cycle
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.transport.write(written)
        cycle.message_event.set()
        cycle.on_response()

    async def _send_both(self, head: Message, message: Message) -> None:
        await self._cycle.send(head)  # type: ignore[arg-type]
        await self._cycle.send(message)  # type: ignore[arg-type]
