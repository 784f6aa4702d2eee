"""Makes the server's dependencies fail again and again under load: nobody may be logged out.

Clients refresh all the time (see refreshers.py). In each round, one fault strikes (see fault_injection.py) and is
undone, and then every client must be able to continue. Every request must get a response: 200, or 503 with Retry-After.
No login may be lost, no token may have two successors, the database must have what a client received, and the log must
not report reuse. New access tokens must be valid for our guard and for PyJWT, whose clock is right, whenever the server
follows a right clock. The log may have `refresh_token_ahead` only after a failover that loses commits.

    python3 scripts/bench/proofs/faults.py                               100 rounds of each fault; about 80 minutes
    python3 scripts/bench/proofs/faults.py --faults busy clock --rounds 5
    python3 scripts/bench/proofs/faults.py --blind                       plants bugs: the harm must be found
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from math import inf
from pathlib import Path
from time import monotonic

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from scripts.bench.arguments import use_venv

if __name__ == "__main__":
    use_venv()

from scripts.bench.proofs.fault import Fault
from scripts.bench.proofs.fault_injection import FAULTS, Busy
from tests.harness.http_client import run
from tests.harness.refreshers import Client, Tally, check_rows, new_clients
from tests.harness.server import Server, logins, set_up_on
from tests.harness.true_clock import TrueClock

_LIFE = 300  # seconds, after which a round has hung
_READY = 30  # seconds, the retry window, within which every client must have refreshed again
_LOOK = 0.05  # seconds
_PAUSE = 0.3  # seconds at most between a client's refreshes
_TITLES = (
    f"{'':26}{'rounds':>7}{'refreshes':>11}{'503':>8}{'lost':>6}{'hits':>7}{'ahead':>7}{'recovered':>11}"
    f"{'seconds':>9}{'faults':>8}"
)


@dataclass
class Bench:
    server: Server
    fault: Fault
    clients: Sequence[Client]
    tally: Tally
    rounds: int = 0
    recovered: list[float] = field(default_factory=list)
    """Seconds from the end of each fault until every client had refreshed again."""

    async def run(self, rounds: int, *, until_harm: bool = False) -> None:
        for _ in range(rounds):
            await self._round(until_harm)
            if until_harm and (self.tally.faults or self._logged()):
                return
        for client in self.clients:
            await client.say_goodbye(self.server.ports[-1])

    async def _round(self, until_harm: bool) -> None:
        enough = asyncio.Event()
        load = [asyncio.create_task(each.refresh_until(enough, self.server.ports)) for each in self.clients]
        try:
            async with asyncio.timeout(_LIFE):
                await asyncio.to_thread(self.fault.prepare, self.server)
                await self._all_go_on()
                if self.fault.is_answered:
                    hits = self.fault.hits if until_harm else inf  # a server with a planted bug may send no 503
                    self.fault.is_met = partial(self._is_met, self.tally.unavailable, hits)
                await asyncio.to_thread(self.fault.strike, self.server)
                self.recovered.append(await self._all_go_on())
                enough.set()
                await asyncio.gather(*load)
        except TimeoutError:
            self.tally.faults.append(f"round {self.rounds} had not ended after {_LIFE} s")
        finally:
            for each in load:
                each.cancel()
            await asyncio.gather(*load, return_exceptions=True)
        self.rounds += 1
        with closing(self.server.database.rows()) as rows:
            check_rows(self.clients, rows)

    def _is_met(self, unavailable: int, hits: float) -> bool:
        return self.tally.unavailable > unavailable or self.fault.hits > hits

    async def _all_go_on(self) -> float:
        """Wait until every client has received a new token. Returns how many seconds that took."""
        began, had = monotonic(), [len(client.successors) for client in self.clients]
        while waiting := [
            client for client, then in zip(self.clients, had, strict=True) if len(client.successors) == then
        ]:
            if any(client.logged_out for client in waiting):
                break
            if monotonic() > began + _READY:
                self.tally.faults.append(f"{len(waiting)} clients did not refresh within {_READY} s")
                break
            await asyncio.sleep(_LOOK)
        return monotonic() - began

    def check(self) -> None:
        """Check the whole run, after its last round."""
        tally = self.tally
        tally.faults += self._logged()
        if tally.true_clock and not tally.true_clock.verified:
            tally.faults.append("no access token was verified")
        if tally.lost and not self.fault.closes_connections:
            tally.faults.append(f"{tally.lost} requests got no response")
        if self.fault.is_answered and not tally.unavailable:
            tally.faults.append("no request got a 503: the fault had no effect")

    def _logged(self) -> list[str]:
        """Return what the log should not contain but does, or should contain but does not."""
        log, faults = self.server.log(), []
        if '"refresh_token_reused"' in log:
            faults.append("the log has refresh_token_reused")
        ahead = log.count('"refresh_token_ahead"')
        if bool(ahead) != self.fault.loses_commits:
            faults.append(f"the log has refresh_token_ahead {ahead} times")
        return faults


def start(server: Server, fault: Fault) -> None:
    """Start the servers with empty logs."""
    fault.install(server)
    server.workers = fault.workers
    for node in server.nodes:
        node.log.write_text("")
        node.launch(fault.program(node))
    for node in server.nodes:
        node.wait_until_ready()


def new_bench(server: Server, fault: Fault, clients: int) -> Bench:
    fault.true_clock = TrueClock(server.nodes[0].url, fault.ahead)
    start(server, fault)
    tally = Tally(true_clock=fault.true_clock)
    tokens = run(logins(server, clients))
    return Bench(server, fault, new_clients(server.client_id, tokens, server.folder, tally, _PAUSE), tally)


def measure(server: Server, name: str, rounds: int, clients: int) -> bool:
    """Run the rounds and print a line. Returns whether everything was right. `server` is stopped before and after
    this."""
    fault, began = FAULTS[name](), monotonic()
    bench = new_bench(server, fault, clients)
    try:
        run(bench.run(rounds))
        bench.check()
    finally:
        server.kill()
        fault.remove(server)
        print_result(name, bench, monotonic() - began)
    return not bench.tally.faults


def look_for_harm(server: Server, name: str, rounds: int, clients: int) -> bool:
    """Return whether the fault is seen to do harm to a server with the bug that is planted for it."""
    fault = FAULTS[name]()
    assert fault.plant is not None
    server.plant(fault.plant)
    bench = new_bench(server, fault, clients)
    try:
        run(bench.run(rounds, until_harm=True))
        bench.check()
    finally:
        server.kill()
        fault.remove(server)
        server.plant(None)
    seen = f"seen: {bench.tally.faults[0]}" if bench.tally.faults else "NOT SEEN: this proof is blind"
    print(f"{name:26}{fault.plant.what}\n{'':26}{seen}", flush=True)
    return bool(bench.tally.faults)


def on_its_own(judge: Callable[[Server, str, int, int], bool], name: str, asked: argparse.Namespace) -> bool:
    fault = FAULTS[name]()
    if why := fault.missing():
        print(f"{name:26}SKIPPED: {why}", flush=True)
        return True
    with set_up_on(fault.new_database, fault.nodes) as server:
        return judge(server, name, asked.rounds, asked.clients)


def print_result(name: str, bench: Bench, seconds: float) -> None:
    tally, ahead = bench.tally, bench.server.log().count('"refresh_token_ahead"')
    print(
        f"{name:26}{bench.rounds:7}{tally.refreshes:11}{tally.unavailable:8}{tally.lost:6}{bench.fault.hits:7}{ahead:7}"
        f"{max(bench.recovered, default=0):9.1f} s{seconds:9.0f}{len(tally.faults):8}",
        flush=True,
    )
    for fault in tally.faults[:5]:
        print(f"    {fault}", flush=True)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--faults", nargs="+", choices=list(FAULTS), default=list(FAULTS), metavar="FAULT", help="default: all"
    )
    parser.add_argument("--rounds", type=int, default=100, help="rounds of each fault (default 100)")
    parser.add_argument("--clients", type=int, default=24, help="default 24")
    parser.add_argument(
        "--busy",
        type=float,
        default=Busy.lasts,
        help="seconds for which SQLite is locked, in the fault `busy` (default 10)",
    )
    parser.add_argument("--blind", action="store_true", help="plant bugs; exit code 1 if their harm is not found")
    parser.epilog = "faults:\n" + "\n".join(f"  {name:24}{fault.__doc__}" for name, fault in FAULTS.items())
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    asked = parse(arguments)
    Busy.lasts = asked.busy
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        if asked.blind:
            broken = [name for name in asked.faults if FAULTS[name].plant]
            return 0 if all([on_its_own(look_for_harm, name, asked) for name in broken]) else 1
        print(_TITLES, flush=True)
        return 0 if all([on_its_own(measure, name, asked) for name in asked.faults]) else 1
    return 130


if __name__ == "__main__":
    sys.exit(main())
