"""Guesses a password, from one network or from 200, while the account's owner signs in and other users refresh.

In each case, guesses at one account arrive at a fixed rate, however the server responds. Meanwhile the account's owner
signs in once a second from a known network, and once from an unknown network, after the delay that the server
announces. Other clients refresh at a steady rate before and during the attack. Then the server is killed. What must
hold:

* no more guesses are hashed than an account's budget allows; the others get 429;
* every sign-in of the owner from home succeeds in under 2 s; above 50 guesses a second, it may also get 503;
* from an unknown network, the owner can sign in as soon as the announced delay is over;
* the 99th percentile of the latency of refreshes is at most twice what it was before;
* after kill -9, a network that has not tried before is told to wait, too.

    python3 scripts/bench/proofs/guessing.py                    four cases of 5 minutes on SQLite
    python3 scripts/bench/proofs/guessing.py --seconds 30 --database postgresql
    python3 scripts/bench/proofs/guessing.py --naive --seconds 5      without limits: the harm must be found
"""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from time import monotonic
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from scripts.bench.arguments import add_arguments, is_skipped, nodes_of, use_venv
from tests.harness.constants import PASSWORD
from tests.harness.http_client import Connection, Refreshes, Response, connect, post, run
from tests.harness.server import Server, logins, set_up

_CASES = ((50, 1), (50, 200), (200, 1), (200, 200))
_BUDGET = 200
"""Guesses a day at one account that may be hashed: the default limit, and so the most in any shorter time."""
_CLIENTS, _EVERY = 10, 0.1  # clients that refresh, and seconds between two refreshes of one
_AT_ONCE = 400  # guesses that may wait for their response
_SETTLED = 0.4  # share of the time after which the delays have taken effect
_SLOWEST = 2.0  # seconds for a sign-in at home
_PATIENCE = 90  # seconds after which the owner gives up elsewhere: the machine is too busy to measure anything
_ROUNDING = 2.0  # seconds beyond the announced delay: it is in whole seconds, and the sign-in takes time
_TITLES = (
    f"{'guesses/s':>9}{'networks':>9}{'guesses':>9}{'hashed':>8}{'home':>8}{'elsewhere':>11}{'p99':>9}{'before':>9}"
)
_numbers = count(1)


class Case(NamedTuple):
    rate: int
    networks: int

    @property
    def spares_good_logins(self) -> bool:
        """Whether no login with the right password may get 503 at this rate."""
        return self.rate <= 50


@dataclass
class Found:
    statuses: Counter[int] = field(default_factory=Counter)
    home: list[float] = field(default_factory=list)
    elsewhere: float = 0
    announced: float = 0
    before: list[float] = field(default_factory=list)
    during: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


class Siege:
    """One case against one account. `number` is in its name, and in the addresses of everybody who signs in to it."""

    def __init__(self, server: Server, case: Case, seconds: float) -> None:
        self.server, self.case, self.seconds, self.number = server, case, seconds, next(_numbers)
        self.owner = f"owner{self.number}"
        self.found = Found()
        self._ports = server.ports

    def request(self, address: str, password: str) -> bytes:
        form = {"grant_type": "password", "client_id": self.server.client_id}
        sent = post("/token", form | {"username": self.owner, "password": password})
        return sent.replace(b"\r\nHost", f"\r\nX-Forwarded-For: {address}\r\nHost".encode(), 1)

    def guess(self, number: int) -> bytes:
        network = number % self.case.networks
        return self.request(f"10.{self.number}.{network}.7", "a wrong guess")

    async def sign_in(self, network: int) -> Response:
        connection = await connect(self._ports[0])
        try:
            return await connection.ask(self.request(f"192.168.{network}.{self.number}", PASSWORD))
        finally:
            connection.close()

    async def run(self) -> None:
        tokens = await logins(self.server, _CLIENTS)
        assert (await self.sign_in(1)).status == 200
        chains = [Refreshes(self.server.client_id, token) for token in tokens]
        self.found.before = await refreshes(self._ports, chains, min(self.seconds, 30))
        until = monotonic() + self.seconds
        attack = asyncio.create_task(self._attack(until))
        measured = refreshes(self._ports, chains, self.seconds)
        self.found.during, *_ = await asyncio.gather(measured, self._at_home(until), self._elsewhere(), attack)

    async def _attack(self, until: float) -> None:
        """Send guesses at the rate of the case, however long the responses take."""
        idle, began, asking = [await connect(self._ports[0])], monotonic(), set[asyncio.Task[None]]()
        for number in count():
            await asyncio.sleep(began + number / self.case.rate - monotonic())
            if monotonic() > until:
                break
            if len(asking) < _AT_ONCE:
                connection = _open_one(idle) or await connect(self._ports[number % len(self._ports)])
                task = asyncio.create_task(self._guess(connection, number, idle))
                asking.add(task)
                task.add_done_callback(asking.discard)
        await asyncio.gather(*asking)
        for connection in idle:
            connection.close()

    async def _guess(self, connection: Connection, number: int, idle: list[Connection]) -> None:
        self.found.statuses[(await connection.ask(self.guess(number))).status] += 1
        idle.append(connection)

    async def _at_home(self, until: float) -> None:
        while monotonic() < until:
            began = monotonic()
            status = (await self.sign_in(1)).status
            self.found.home.append(monotonic() - began)
            if status != 200 and (status != 503 or self.case.spares_good_logins):
                self.found.faults.append(f"the owner got {status} at home")
            await asyncio.sleep(1)

    async def _elsewhere(self) -> None:
        await asyncio.sleep(_SETTLED * self.seconds)
        began, answer = monotonic(), await self.sign_in(2)
        self.found.announced = _retry_after(answer)
        while answer.status == 429 and monotonic() - began < _PATIENCE:
            await asyncio.sleep(_retry_after(answer))
            answer = await self.sign_in(2)
        self.found.elsewhere = monotonic() - began
        if answer.status != 200:
            self.found.faults.append(f"the owner got {answer.status} elsewhere after {self.found.announced:.0f} s")

    async def still_waits(self) -> None:
        answer = await self.sign_in(3)
        if answer.status != 429:
            self.found.faults.append(f"after kill -9, a first attempt from a new network got {answer.status}")


async def refreshes(ports: Sequence[int], chains: Sequence[Refreshes], seconds: float) -> list[float]:
    """Return how long each refresh took. Each chain sends one every `_EVERY` seconds. Exits if one fails."""

    async def chain(port: int, next_request: Refreshes) -> list[float]:
        connection, took, last = await connect(port), list[float](), None
        until = monotonic() + seconds
        while monotonic() < until and (request := next_request(last)):
            began = monotonic()
            last = await connection.ask(request)
            took.append(monotonic() - began)
            if last.status != 200:
                raise SystemExit(f"A refresh got {last.status}: {last.body!r}")
            await asyncio.sleep(max(0, _EVERY - took[-1]))
        next_request(last)  # so that the next call begins with the newest token
        connection.close()
        return took

    spread = (chain(ports[place % len(ports)], each) for place, each in enumerate(chains))
    return [each for took in await asyncio.gather(*spread) for each in took]


def check(found: Found, *, is_timed: bool) -> None:
    """Add the faults that the responses show and, with `is_timed`, those that their times show."""
    statuses = found.statuses
    if statuses[400] > _BUDGET or not statuses[429] or set(statuses) - {400, 429, 503}:
        found.faults.append(
            f"guesses by status: {dict(statuses)}; only {_BUDGET} may be hashed (400), and some must get 429"
        )
    if is_timed and max(found.home) > _SLOWEST:
        found.faults.append(f"a sign-in at home took {max(found.home):.1f} s")
    if is_timed and found.elsewhere > found.announced + _ROUNDING:
        found.faults.append(
            f"a sign-in elsewhere took {found.elsewhere:.1f} s; the announced delay was {found.announced:.0f} s"
        )
    if is_timed and p99(found.during) > 2 * p99(found.before):
        found.faults.append("refreshes took more than twice as long as before")


def _open_one(idle: list[Connection]) -> Connection | None:
    """Take an idle connection that the server has not closed; None if there is none."""
    while idle:
        connection = idle.pop()
        if connection.is_open:
            return connection
    return None


def _retry_after(answer: Response) -> float:
    value = answer.head.lower().partition(b"retry-after: ")[2].partition(b"\r\n")[0]
    return float(value or 0)


def p99(took: Sequence[float]) -> float:
    return sorted(took)[int(0.99 * (len(took) - 1))]


def measure(server: Server, case: Case, seconds: float, *, is_timed: bool = True) -> Found:
    siege = Siege(server, case, seconds)
    server.nodes[0].command("user", "create", siege.owner, "--password-stdin", input=PASSWORD)
    server.start()
    try:
        run(siege.run())
        check(siege.found, is_timed=is_timed)
        server.kill()
        server.start()
        run(siege.still_waits())
    finally:
        server.kill()
    return siege.found


def print_result(case: Case, found: Found) -> bool:
    """Print the result. Returns whether there was no fault."""
    hashed, total = found.statuses[400], found.statuses.total()
    print(
        f"{case.rate:9}{case.networks:9}{total:9}{hashed:8}{max(found.home):7.2f}s{found.elsewhere:6.1f}/{found.announced:<3.0f}s"
        f"{p99(found.during) * 1000:7.1f}ms{p99(found.before) * 1000:7.1f}ms",
        flush=True,
    )
    for fault in found.faults[:5]:
        print(f"    {fault}")
    return not found.faults


def settings(*, naive: bool) -> dict[str, str]:
    account, network = ("0", "0") if naive else ("200", "3000")  # the defaults
    limits = {"ACCOUNT_ATTEMPTS": account, "NETWORK_ATTEMPTS": network}
    return {"TRUSTED_PROXIES": "127.0.0.1"} | limits


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--seconds", type=float, default=300, help="of each case (default 300)")
    parser.add_argument("--naive", action="store_true", help="turn the limits off; exit code 1 if no fault is found")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    asked = parse(arguments)
    if is_skipped(asked.database):
        return 0
    print(_TITLES, flush=True)
    with set_up(asked.database, nodes_of(asked), **settings(naive=asked.naive)) as server:
        server.workers = asked.workers
        good = [print_result(case, measure(server, case, asked.seconds)) for case in (Case(*each) for each in _CASES)]
    return 0 if all(good) != asked.naive else 1


if __name__ == "__main__":
    use_venv()
    sys.exit(main())
