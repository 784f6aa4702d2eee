#!/usr/bin/env python3
"""Sends known attacks and random hostile requests, and checks what they leave behind.

    python scripts/bench/fuzz/hostile.py [N] [--seed X] [--connections C]

Starts a server, sends every known attack to every endpoint, and then N random requests (1,000,000 by default) on C
connections. Faults are printed and make the exit code 1: a 5xx, a response that took longer than a second, an exception
in the log, a secret from a request in the log, the database or the metrics, and a process that grew by more than 50 MB.
"""

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from scripts.bench.arguments import use_venv  # noqa: E402

if __name__ == "__main__":
    use_venv()

from authserver.passwords import PasswordHasher  # noqa: E402
from scripts.bench.fuzz.hostile_requests import CANARY, ENDPOINTS, Grammar, known_attacks  # noqa: E402
from tests.harness import procfs  # noqa: E402
from tests.harness.constants import PASSWORD  # noqa: E402
from tests.harness.prepared import Prepared, running  # noqa: E402
from tests.harness.process import free_port  # noqa: E402

PATIENCE = 20.0  # seconds for a response; the server gives up an incomplete request after 10
SLOW = 1.0  # seconds
GROWTH = 50 * 1024 * 1024
_WARM_UP = 2000  # requests, after which the process should not grow any more
_MAX_FAULTS = 20


@dataclass
class Findings:
    statuses: Counter[int] = field(default_factory=Counter)
    """How often each status was the response; 0 is a connection that was closed without one."""
    slowest: float = 0.0
    faults: list[str] = field(default_factory=list)

    def note(self, status: int, took: float, request: str) -> None:
        self.statuses[status] += 1
        self.slowest = max(self.slowest, took)
        if status >= 500:
            self.faults.append(f"{status}: {request}")


class Caller:
    """A client with one connection, which it opens again when the server has closed it."""

    def __init__(self, port: int, findings: Findings) -> None:
        self._port, self._findings = port, findings
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, request: bytes, name: str = "") -> None:
        """Send one request and note its response. After an incomplete request, our side of the connection is closed."""
        began = monotonic()
        status = await self._ask(request)
        self._findings.note(status, monotonic() - began, name or repr(request[:500]))

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            with suppress(OSError):
                await self._writer.wait_closed()
        self._reader = self._writer = None

    async def _ask(self, request: bytes) -> int:
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        assert self._reader is not None
        try:
            self._writer.write(request)
            await self._writer.drain()
            return await asyncio.wait_for(self._response(self._reader, request), PATIENCE)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            await self.close()
            return 0

    async def _response(self, reader: asyncio.StreamReader, request: bytes) -> int:
        """Return the final status. The server waits for the rest of an incomplete request; closing our side tells it
        that there is none."""
        assert self._writer is not None
        head, end, body = request.partition(b"\r\n\r\n")
        is_cut = not end or f"\r\nContent-Length: {len(body)}\r\n".encode() not in head + b"\r\n"
        if is_cut:
            await asyncio.sleep(0.05)
            self._writer.write_eof()
        status, close = 100, False
        while status == 100:
            status, close = await self._one_response(reader, has_body=not request.startswith(b"HEAD "))
        if close or is_cut:
            await self.close()
        return status

    async def _one_response(self, reader: asyncio.StreamReader, *, has_body: bool) -> tuple[int, bool]:
        """Return the status, and whether the server closes the connection."""
        lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        status = int(lines[0][9:12])
        if has_body and status not in (100, 204, 304):
            length = next((line[15:] for line in lines if line.startswith(b"content-length:")), b"0")
            await reader.readexactly(int(length))
        return status, b"connection: close" in lines


async def attack(port: int, findings: Findings) -> None:
    """Send every known attack to every endpoint, each on a connection of its own."""
    for path in ENDPOINTS:
        for name, request in known_attacks(path):
            caller = Caller(port, findings)
            await caller.send(request, f"{name} to {path}")
            await caller.close()


async def bombard(port: int, many: int, connections: int, seed: int, findings: Findings) -> None:
    """Send `many` random requests, distributed over the connections."""

    async def drive(number: int) -> None:
        grammar, caller = Grammar(seed * 1000 + number), Caller(port, findings)
        for _ in range(many // connections):
            if len(findings.faults) < _MAX_FAULTS:
                await caller.send(grammar.request())
        await caller.close()

    await asyncio.gather(*map(drive, range(connections)))


def left_in_metrics(port: int) -> list[str]:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as response:
        return ["a secret in the metrics"] if CANARY.encode() in response.read() else []


def left_behind(server: Prepared) -> list[str]:
    """Return what the requests left in the log and the database, events included, that should not be there."""
    log = server.log.read_text(errors="replace")
    faults = [f"an exception in the log: {line[:300]}" for line in log.splitlines() if "Traceback" in line]
    if CANARY in log:
        faults.append("a secret in the log: " + next(line[:500] for line in log.splitlines() if CANARY in line))
    files = [file for file in server.folder.iterdir() if file.name.startswith("as.db")]
    return faults + [f"a secret in {file.name}" for file in files if CANARY.encode() in file.read_bytes()]


def new_settings() -> dict[str, str]:
    """Return settings with which the server reveals as much as it can: in its log, and on a management address."""
    return {"LOG_LEVEL": "debug", "MANAGEMENT_ADDRESS": f"127.0.0.1:{free_port()}"}


def hostile(server: Prepared, many: int, connections: int = 16, seed: int = 1) -> tuple[Findings, int]:
    """Return the findings, and the bytes by which the server's process has grown."""
    findings = Findings()
    asyncio.run(attack(server.port, findings))
    asyncio.run(bombard(server.port, min(many, _WARM_UP), connections, seed + 1, findings))
    before = procfs.memory(server.running.pid)
    asyncio.run(bombard(server.port, many, connections, seed, findings))
    grown = procfs.memory(server.running.pid) - before
    management_port = int(server.settings["MANAGEMENT_ADDRESS"].partition(":")[2])
    findings.faults += left_behind(server) + left_in_metrics(management_port)
    return findings, grown


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "count", nargs="?", type=int, default=1_000_000, metavar="N", help="random requests (default 1,000,000)"
    )
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same requests (default 1)")
    parser.add_argument("--connections", type=int, default=16, help="connections at the same time (default 16)")
    asked = parser.parse_args(arguments)
    start, passwords = monotonic(), PasswordHasher()
    with (
        tempfile.TemporaryDirectory(prefix="authserver-bench-") as folder,
        running(Path(folder), passwords.hash(PASSWORD), **new_settings()) as server,
    ):
        findings, grown = hostile(server, asked.count, asked.connections, asked.seed)
    passwords.close()
    if findings.slowest > SLOW:
        findings.faults.append(f"a response took {findings.slowest:.2f} s")
    if grown > GROWTH:
        findings.faults.append(f"the process has grown by {grown / 2**20:.0f} MB")
    statuses = ", ".join(f"{status or 'closed'}: {count}" for status, count in sorted(findings.statuses.items()))
    print(f"{findings.statuses.total()} requests in {monotonic() - start:.0f} s: {statuses}")
    print(
        f"slowest {findings.slowest:.2f} s, grown by {grown / 2**20:.1f} MB, {len(findings.faults)} faults",
        *findings.faults,
        sep="\n",
    )
    return int(bool(findings.faults))


if __name__ == "__main__":
    sys.exit(main())
