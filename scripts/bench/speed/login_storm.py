"""Measures what a storm of wrong logins costs everyone else: the latency of refreshes, and of one user's logins.

Quiet phases, storms, and storms without refreshes alternate, so that a machine that gets slower for a while slows all
of them. A storm comes from as many networks as --networks says (the server trusts this script as a proxy), and each
guess names another account. A storm may at most double the 99th percentile of the latency of refreshes. During
refreshes, at least half as many passwords must be checked as without them.

    python3 scripts/bench/speed/login_storm.py                                50 guesses a second from 200 networks
    python3 scripts/bench/speed/login_storm.py --rate 200 --networks 1
    python3 scripts/bench/speed/login_storm.py --same-priority                plants a fault: hashing does not yield
"""

import argparse
import asyncio
import random
import statistics
import sys
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from scripts.bench.arguments import use_venv

if __name__ == "__main__":
    use_venv()

from tests.harness.http_client import Connection, Refreshes, Response, connect, run
from tests.harness.mutants import Mutant
from tests.harness.server import Server, log_in, logins, set_up

SAME_PRIORITY = Mutant("hashing threads do not yield", "cpu.py", 'if sys.platform == "linux":', "if False:")
TIMES, SHARE = 2.0, 0.5
"""How many times as high the 99th percentile may be in a storm, and the share of passwords that must be checked."""
_WRONG = 400
_SETTLED = 1.0  # seconds after a phase, until no password check of it is waiting any more
_PAUSE = 0.05  # seconds between two refreshes of a connection
_OWNER = "198.51.100.7"
_OWNERS_PAUSE = 1.0  # seconds between two of the owner's logins


@dataclass
class Phase:
    """The responses of one phase: their latencies in seconds, and their statuses."""

    refreshes: list[float] = field(default_factory=list)
    owner: list[float] = field(default_factory=list)
    guesses: Counter[int] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)
    """The statuses of the owner's logins that failed."""

    def percentile(self, share: float) -> float:
        """Return a percentile of the latency of the refreshes, in seconds."""
        return sorted(self.refreshes)[int(share * (len(self.refreshes) - 1))]

    @property
    def checked(self) -> int:
        """How many passwords the server has checked."""
        return self.guesses[_WRONG] + len(self.owner)


class Round(NamedTuple):
    quiet: Phase
    storm: Phase
    alone: Phase
    """A storm without refreshes."""


class Storm:
    """The clients of one server."""

    def __init__(self, server: Server, rate: float, networks: int) -> None:
        self._server, self._rate, self._networks = server, rate, networks
        self._phase = Phase()
        self._idle: list[Connection] = []
        self._until = 0.0

    async def phase(self, chains: list[Refreshes], seconds: float, *, stormy: bool) -> Phase:
        self._phase, self._until = Phase(), monotonic() + seconds
        loops: list[Awaitable[None]] = [self._refresh(chain) for chain in chains]
        loops.append(self._log_in())
        if stormy:
            loops.append(self._guess())
        await asyncio.gather(*loops)
        await asyncio.sleep(_SETTLED)
        return self._phase

    async def _refresh(self, chain: Refreshes) -> None:
        connection, last = await connect(self._server.ports[0]), None
        await asyncio.sleep(random.random() * _PAUSE)
        while monotonic() < self._until and (request := chain(last)):
            began = monotonic()
            last = await connection.ask(request)
            self._phase.refreshes.append(monotonic() - began)
            if last.status != 200:
                raise SystemExit(f"A refresh failed: {last}")
            await asyncio.sleep(_PAUSE)
        chain(last)
        connection.close()

    async def _log_in(self) -> None:
        """Log in as the owner, again and again, from a network of their own."""
        request = forwarded(log_in(self._server.client_id), _OWNER)
        while monotonic() < self._until:
            began = monotonic()
            response = await self._ask(request)
            if response.status == 200:
                self._phase.owner.append(monotonic() - began)
            else:
                self._phase.refused[response.status] += 1
            await asyncio.sleep(_OWNERS_PAUSE)

    async def _guess(self) -> None:
        """Send guesses at a fixed rate, without waiting for responses."""
        began, tasks = monotonic(), set[asyncio.Task[None]]()
        for number in range(int(self._rate * (self._until - began))):
            await asyncio.sleep(began + number / self._rate - monotonic())
            tasks.add(asyncio.create_task(self._guess_once(number)))
        await asyncio.gather(*tasks)

    async def _guess_once(self, number: int) -> None:
        network = number % self._networks
        guess = log_in(self._server.client_id, f"nobody-{random.random()}", "a wrong one")
        response = await self._ask(forwarded(guess, f"10.{network // 256}.{network % 256}.1"))
        self._phase.guesses[response.status] += 1

    async def _ask(self, request: bytes) -> Response:
        self._idle = [each for each in self._idle if each.is_open]  # the server closes idle ones after a while
        connection = self._idle.pop() if self._idle else await connect(self._server.ports[0])
        try:
            return await connection.ask(request)
        finally:
            self._idle.append(connection)


def forwarded(request: bytes, address: str) -> bytes:
    """Return the request as a proxy forwards it for that caller."""
    return request.replace(b"\r\n", f"\r\nX-Forwarded-For: {address}\r\n".encode(), 1)


async def measure(server: Server, asked: argparse.Namespace) -> list[Round]:
    """Return the phases of each round."""
    tokens = await logins(server, asked.connections)
    chains = [Refreshes(server.client_id, token) for token in tokens]
    storm, rounds = Storm(server, asked.rate, asked.networks), []
    for _ in range(asked.rounds):
        quiet = await storm.phase(chains, asked.seconds, stormy=False)
        during = await storm.phase(chains, asked.seconds, stormy=True)
        rounds.append(Round(quiet, during, await storm.phase([], asked.seconds, stormy=True)))
    return rounds


def times_as_slow(rounds: list[Round], share: float) -> float:
    """Return how many times as high that percentile of the latency of refreshes is in a storm."""
    return statistics.median(each.storm.percentile(share) / each.quiet.percentile(share) for each in rounds)


def share_of_logins(rounds: list[Round]) -> float:
    """Return how many passwords are checked during refreshes, as a share of those that are checked without
    refreshes."""
    return statistics.median(each.storm.checked / max(1, each.alone.checked) for each in rounds)


def report(rounds: list[Round]) -> bool:
    """Print the figures. Returns whether the bounds hold."""
    for share in (0.5, 0.99):
        quiet = statistics.median(each.quiet.percentile(share) for each in rounds)
        storm = statistics.median(each.storm.percentile(share) for each in rounds)
        times = times_as_slow(rounds, share)
        print(f"refresh p{share * 100:.0f}: {quiet * 1e3:.1f} ms, in a storm {storm * 1e3:.1f} ms, {times:.2f} times")
    guesses = sum((each.storm.guesses for each in rounds), Counter[int]())
    refused = sum((each.storm.refused for each in rounds), Counter[int]())
    owner = [seconds for each in rounds for seconds in each.storm.owner] or [0.0]
    print(f"guesses by status: {dict(guesses)}")
    print(f"the owner: {len(owner)} logins, the slowest {max(owner):.2f} s, refused: {dict(refused) or 'none'}")
    print(f"passwords checked during refreshes: {share_of_logins(rounds):.2f} of those checked without refreshes")
    return times_as_slow(rounds, 0.99) <= TIMES and share_of_logins(rounds) >= SHARE


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=50, help="wrong logins a second (default 50)")
    parser.add_argument("--networks", type=int, default=200, help="networks that they come from (default 200)")
    parser.add_argument("--rounds", type=int, default=10, help="rounds of these three phases (default 10)")
    parser.add_argument("--seconds", type=float, default=5, help="length of each phase (default 5)")
    parser.add_argument("--connections", type=int, default=16, help="connections that refresh (default 16)")
    parser.add_argument("--same-priority", action="store_true", help="plant a fault: hashing threads do not yield")
    return parser.parse_args(arguments)


def main() -> int:
    asked = parse()
    limits = {"ACCOUNT_ATTEMPTS": "200", "NETWORK_ATTEMPTS": "3000"}  # the defaults
    with set_up(TRUSTED_PROXIES="127.0.0.1", **limits) as server:
        server.plant(SAME_PRIORITY if asked.same_priority else None)
        server.start()
        good = report(run(measure(server, asked)))
    print(
        "both bounds hold"
        if good
        else f"NOT HELD: at most {TIMES} times as long, and at least {SHARE} of the passwords"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
