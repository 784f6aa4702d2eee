"""Responses in one write: the bytes are uvicorn's, and whatever is not ordinary is left to it."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from authserver.serving.response import Response

JSON, DATE = (b"content-type", b"application/json"), (b"date", b"Sun, 29 Nov 2026 16:00:00 GMT")


class Transport:
    def __init__(self) -> None:
        self.written, self.is_closed = list[bytes](), False

    def write(self, part: bytes) -> None:
        self.written.append(part)

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed


def head(*headers: tuple[bytes, bytes], status: int = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(content: bytes, **more: Any) -> dict[str, Any]:
    return {"type": "http.response.body", "body": content, **more}


def length(of: bytes) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % len(of)


def sent(messages: Any, how: Callable[[Any], Any], method: str = "GET", *, keep_alive: bool = True) -> Any:
    """Return what was written, what became of the connection, and the error."""

    async def send() -> Any:
        transport: Any = Transport()
        completed = list[bool]()
        cycle = RequestResponseCycle(
            scope={"method": method},  # type: ignore[typeddict-item]
            transport=transport,
            flow=FlowControl(transport),
            logger=logging.getLogger(),
            access_logger=logging.getLogger(),
            access_log=False,
            default_headers=[DATE],
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=keep_alive,
            on_response=lambda: completed.append(True),
        )
        error, respond = None, how(cycle)
        for message in messages:
            try:
                await respond(message)
            except RuntimeError as raised:
                error = str(raised)
                break
        complete = (cycle.response_started, cycle.response_complete, cycle.message_event.is_set(), completed)
        return transport.written, transport.is_closed, complete, error

    return asyncio.run(send())


ORDINARY = [head(JSON, length(b"{}")), body(b"{}")]


def test_an_ordinary_response_is_one_write_with_the_bytes_of_uvicorn() -> None:
    ours, *others = sent(ORDINARY, Response)
    uvicorns, *same = sent(ORDINARY, lambda cycle: cycle.send)
    assert (len(ours), len(uvicorns)) == (1, 2)
    assert b"".join(ours) == b"".join(uvicorns)
    assert others == same == [False, (True, True, True, [True]), None]


@pytest.mark.parametrize(
    ("messages", "request_of"),
    [
        (ORDINARY, {"method": "HEAD"}),
        (ORDINARY, {"keep_alive": False}),
        ([head(JSON, length(b"{}"), (b"connection", b"close")), body(b"{}")], {}),
        ([head(JSON, length(b"{}"), (b"X-Unknown", b"1")), body(b"{}")], {}),
        ([head(JSON), body(b"{}")], {}),
        ([head(status=204), body(b"")], {}),
        ([head(JSON, length(b"{}{}")), body(b"{}", more_body=True), body(b"{}")], {}),
        ([head(JSON, length(b"{}{}")), body(b"{}")], {}),
        ([head(JSON, length(b"{}")), body(b"{}{}")], {}),
        ([head((b"location", b"/\r\nset-cookie: a=b"), length(b"")), body(b"")], {}),
        ([*ORDINARY, body(b"")], {}),
        ([*ORDINARY, head(), body(b"")], {}),
        ([head(JSON, length(b"{}")), head(JSON, length(b"{}")), body(b"{}")], {}),
        ([body(b"{}")], {}),
    ],
)
def test_what_is_not_ordinary_ends_as_it_does_with_uvicorn(messages: Any, request_of: Any) -> None:
    ours, uvicorns = sent(messages, Response, **request_of), sent(messages, lambda cycle: cycle.send, **request_of)
    assert b"".join(ours[0]) == b"".join(uvicorns[0])
    assert ours[1:] == uvicorns[1:]


def test_a_head_that_no_body_follows_was_not_sent() -> None:
    written, _, complete, _ = sent([head(JSON, length(b"{}"))], Response)
    assert (written, complete[0]) == ([], False)
