#!/usr/bin/env python3
"""Checks that any stream of bytes, cut anywhere, is framed as h11 frames it, or rejected and its connection closed.

    python scripts/bench/fuzz/framing.py [N] [--seeds 1,2,3] [--blind]

Makes N streams (20,000 by default) for each seed: pipelines of requests, most of them valid, with offers to upgrade,
trailers, chunk extensions, contradictory lengths, folded lines and bare line feeds. Each stream is cut into segments,
which the server's class of connection reads in this process. What reaches the application is compared with what h11
reads. Disagreements are printed, and the exit code is 1. With --blind, uvicorn's own httptools protocol reads the
streams. It skips the body of a request that offers to upgrade, so there must be disagreements.
"""

import argparse
import asyncio
import logging
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any
from unittest.mock import Mock

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))
from scripts.dotvenv import continue_in_venv  # noqa: E402

if __name__ == "__main__":
    continue_in_venv("uvicorn")

import uvloop  # noqa: E402
from uvicorn import Config  # noqa: E402
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol  # noqa: E402
from uvicorn.server import ServerState  # noqa: E402

from authserver.serving.connection import Connection  # noqa: E402
from authserver.web.middleware import ErrorBoundary  # noqa: E402
from scripts.bench.fuzz.http_streams import Streams  # noqa: E402
from scripts.bench.fuzz.oracle import Reading, Request, by_h11  # noqa: E402

_TURNS = 6  # turns of the event loop within which a complete request gets its response
_NUMBER = re.compile(rb"\r\nx-number: (\d+)\r\n")
READS, ANSWERS_FIRST = "reads", "answers first"


class Wire(asyncio.Transport):
    """Replaces a socket: passes segments to the protocol as the event loop would, and records what it writes."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: Any) -> None:
        super().__init__()
        self._loop, self._protocol = loop, protocol
        self._is_closing = self.is_paused = False
        self.written = bytearray()

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    abort = close

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Close the connection: the client closes its half as soon as the server has closed the other."""
        self.close()

    def is_closing(self) -> bool:
        return self._is_closing

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default


class Recorder:
    """The application, which records its requests."""

    def __init__(self) -> None:
        self.reading, self.style, self.pauses = Reading(), READS, 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope["method"].encode(), _target(scope), scope["http_version"].encode(), scope["headers"])
        self.reading.requests.append(request)
        if self.style == READS and not await _read(request, receive):
            return
        number = len(self.reading.requests)
        for _ in range(self.pauses * (number % 2)):  # so that the response to the next request could overtake this one
            await asyncio.sleep(0)
        headers = [(b"content-length", b"2"), (b"x-number", str(number).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})


async def _read(request: Request, receive: Any) -> bool:
    """Read a body; return whether all of it arrived."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return False
        request.body += message["body"]
        if not message["more_body"]:
            request.is_complete = True
            return True


def _target(scope: Any) -> bytes:
    path, query = scope["raw_path"], scope["query_string"]
    return bytes(path + b"?" + query if query else path)


class Driver:
    """Feeds streams to a class of connection, a new connection for each."""

    def __init__(self, protocol: Any) -> None:
        self._protocol, self._app = protocol, Recorder()
        self._loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        # ErrorBoundary checks Host. It would also reject a "%" in a path, but no target here has one.
        app = ErrorBoundary(self._app, Mock())
        self._config = Config(app, http=protocol, lifespan="off", ws="none", log_config=None, access_log=False)
        self._config.load()
        self._config.loaded_app = app

    def close(self) -> None:
        self._loop.close()

    def read(
        self, segments: Sequence[bytes], style: str = READS, pauses: int = 0, turns: int = 8
    ) -> tuple[Reading, bytes]:
        """Return what reached the application and what was written. Between segments, the event loop makes `turns`
        turns."""
        self._app.reading, self._app.style, self._app.pauses = Reading(), style, pauses
        return self._loop.run_until_complete(self._drive(segments, turns))

    async def _drive(self, segments: Sequence[bytes], turns: int) -> tuple[Reading, bytes]:
        protocol = self._protocol(config=self._config, server_state=ServerState(), app_state={}, _loop=self._loop)
        wire, reading = Wire(self._loop, protocol), self._app.reading
        protocol.connection_made(wire)
        for segment in segments:
            await self._wait(wire)
            if wire.is_closing():
                break
            protocol.data_received(segment)
            for _ in range(turns):
                await asyncio.sleep(0)
        await self._wait(wire, always=True)
        reading.is_closed = wire.is_closing()
        wire.close()
        for _ in range(4):
            await asyncio.sleep(0)
        return reading, bytes(wire.written)

    async def _wait(self, wire: Wire, always: bool = False) -> None:
        """Wait while reading is paused, and at the end until every request has a response."""
        for _ in range(100):
            before = len(wire.written)
            if not (wire.is_paused or always):
                return
            for _ in range(_TURNS + self._app.pauses):
                await asyncio.sleep(0)
            if always and len(wire.written) == before:
                return


def disagreement(ours: Reading, theirs: Reading, style: str) -> str:
    """Return how the two readings differ; empty if they agree, or if ours rejects the stream in time."""
    for number, (our, their) in enumerate(zip(ours.requests, theirs.requests, strict=False)):
        if not _agree(our, their):
            return f"request {number} is read as {our}"
    if len(ours.requests) > len(theirs.requests):
        return f"h11 reads no request {len(theirs.requests)}: {ours.requests[len(theirs.requests)]}"
    many = len(ours.complete()) if style == READS else len(ours.requests)
    if many < len(theirs.complete()) and not ours.is_closed:
        return f"the connection is stuck after {many} requests"
    if theirs.is_closed and not ours.is_closed:
        return "the connection stays open, and h11 closes it"
    return ""


def _agree(our: Request, their: Request) -> bool:
    if (our.method, our.version, our.fields()) != (their.method, their.version, their.headers):
        return False
    if their.target not in (our.target, our.target + b"?") and not _is_absolute(their.target, our.target):
        return False
    if our.is_complete:
        return their.is_complete and our.body == their.body
    return their.body.startswith(our.body) or our.body.startswith(their.body)


def _is_absolute(theirs: bytes, ours: bytes) -> bool:
    return re.fullmatch(rb"(?i:https?)://[^/?#]+" + re.escape(ours) + rb"\??", theirs) is not None


@dataclass
class Comparison:
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def compare(driver: Driver, random: Random, comparison: Comparison) -> None:
    """Make one stream, and compare how it is read."""
    streams = Streams(random)
    stream = streams.stream()
    segments = streams.cut(stream)
    style = random.choice([READS, READS, READS, ANSWERS_FIRST])
    pauses, turns = random.choice([0, 0, 1, 5]), random.choice([0, 0, 1, 4])
    ours, written = driver.read(segments, style, pauses, turns)
    theirs = by_h11(stream)
    fault = disagreement(ours, theirs, style) or _out_of_order(written)
    if fault:
        comparison.faults.append(
            f"{fault}\n  {style}, {pauses} pauses, {turns} turns, segments {segments}\n  h11: {theirs}"
        )
    _count(ours, theirs, comparison.counts)


def _count(ours: Reading, theirs: Reading, counts: Counter[str]) -> None:
    counts["streams"] += 1
    counts["requests"] += len(ours.requests)
    counts["requests that h11 reads"] += len(theirs.requests)
    counts["streams read to the end by both"] += len(ours.requests) == len(theirs.requests)
    counts["connections closed"] += ours.is_closed
    counts["connections closed by h11"] += theirs.is_closed


def _out_of_order(written: bytes) -> str:
    numbers = [int(number) for number in _NUMBER.findall(written)]
    return "" if numbers == list(range(1, len(numbers) + 1)) else f"responses {numbers}"


def run(protocol: Any, many: int, seeds: Sequence[int]) -> Comparison:
    driver, comparison = Driver(protocol), Comparison()
    for seed in seeds:
        random = Random(seed)
        for _ in range(many):
            compare(driver, random, comparison)
    driver.close()
    return comparison


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "count", nargs="?", type=int, default=20_000, metavar="N", help="streams for each seed (default 20,000)"
    )
    parser.add_argument(
        "--seeds",
        default="1",
        help="seeds, separated by commas; each makes N streams, the same ones every time (default 1)",
    )
    parser.add_argument(
        "--blind", action="store_true", help="read with uvicorn's own protocol, whose faults must be found"
    )
    asked = parser.parse_args(arguments)
    start = monotonic()
    logging.disable()  # uvicorn's messages about malformed requests
    seeds = [int(seed) for seed in asked.seeds.split(",")]
    comparison = run(HttpToolsProtocol if asked.blind else Connection, asked.count, seeds)
    for fault in comparison.faults[:20]:
        print(fault, file=sys.stderr)
    for name, number in comparison.counts.items():
        print(f"{number:>11,}  {name}")
    print(f"{len(comparison.faults)} disagreements in {monotonic() - start:.0f} s")
    return 1 if comparison.faults else 0


if __name__ == "__main__":
    sys.exit(main())
