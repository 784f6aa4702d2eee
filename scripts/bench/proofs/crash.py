"""Kills the server under load (kill -9), and checks what clients and the database have afterwards.

200 clients refresh all the time (see refreshers.py). In turn, a server is killed at a random moment, or kills itself at
a chosen point: around the transaction of a group of requests or within its COMMIT, around the transaction of a key
rotation, or while pruning. If there are several nodes, the clients continue at the others. If there are several
workers, one of them is killed first. Then all processes are killed at once, or only the first one, after which the
others must end, too.

No client may be refused within the retry window. A token must always lead to the same successor. What a client received
must have been durable when the server died. Each algorithm must have an active and a pending key. The server must be
ready again in under 3 s.

    python3 scripts/bench/proofs/crash.py                          1,000 kills of one process on SQLite
    python3 scripts/bench/proofs/crash.py --database postgresql    of two nodes in turn
    python3 scripts/bench/proofs/crash.py --workers 4 --kills 100
    python3 scripts/bench/proofs/crash.py --naive                  plants a fault: responses precede their commit
"""

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from scripts.bench.arguments import add_arguments, nodes_of, use_venv

if __name__ == "__main__":
    use_venv()

from tests.harness import kill_at
from tests.harness.databases import Rows
from tests.harness.gated import Gate
from tests.harness.http_client import run
from tests.harness.kill_at import MARK, POINTS
from tests.harness.mutants import EARLY
from tests.harness.node import Node
from tests.harness.refreshers import PAUSE, Client, Tally, check_log, check_rows, new_clients
from tests.harness.server import Server, logins, set_up

_LIFE = 300  # seconds, after which the server has hung
_LOOK = 0.01  # seconds
_REACHED = 120  # seconds within which a point must be reached
_MOST_TIMES = {"in-pruning": 3, "in-key-rotation": 1, "after-key-rotation": 1}
_TIMES = 100  # the server dies when any other point is reached so often, at most
_ROTATES = {"KEY_LEAD_TIME": "1", "KEY_ROTATION_PERIOD": "2"}  # seconds: a rotation is due at every start
_FINISHED = 200  # logins for the server to prune
_PYTHON = ("-P", str(Path(kill_at.__file__)))


@dataclass
class Deaths:
    kills: Counter[str] = field(default_factory=Counter)
    """How many, by the point or `at random`."""
    ready: list[float] = field(default_factory=list)
    """Seconds from each start until the server was ready."""


@dataclass
class Bench:
    server: Server
    clients: Sequence[Client]
    tally: Tally
    within: float
    """Seconds of load, at most, between readiness and a kill."""
    at_least: int = 0
    """The load lasts at least until so many refreshes were received."""
    deaths: Deaths = field(default_factory=Deaths)

    async def run(self, kills: int, until: float) -> None:
        """Kill servers until there were `kills` kills, or until `until`, a time of monotonic()."""
        while self.deaths.kills.total() < kills and monotonic() < until:
            await self.live(random.choice(list(POINTS)) if self.deaths.kills.total() % 2 else None)
        await self._say_goodbye()

    async def live(self, point: str | None) -> None:
        """Kill one node under load, at this point or at random. Afterwards, no request is in progress at the others."""
        enough = asyncio.Event()
        load = [asyncio.create_task(each.refresh_until(enough, self.server.ports)) for each in self.clients]
        try:
            async with asyncio.timeout(_LIFE):
                await (self._die_at(point) if point else self._die_at_random())
                if any(node.is_running for node in self.server.nodes):
                    await self._under_load()
                enough.set()
                await asyncio.gather(*load)
        finally:
            for each in load:
                each.cancel()
        self._check_rows()

    async def _die_at_random(self) -> None:
        await asyncio.gather(*(self._start(node) for node in self.server.nodes if not node.is_running))
        node = random.choice(self.server.nodes)
        await asyncio.to_thread(add_finished_logins, self.server)
        if node.workers > 1:
            await self._under_load()
            await asyncio.to_thread(node.kill_worker)
        await self._under_load()
        self.deaths.kills["at random"] += 1
        if node.workers == 1 or random.random() < 0.5:
            await asyncio.to_thread(node.kill)
        elif not await asyncio.to_thread(node.kill_first_process):
            self.tally.faults.append("the workers outlived the first process")

    async def _die_at(self, point: str) -> None:
        """Start the node that was killed last again, so that it dies at this point."""
        node = next(node for node in self.server.nodes if not node.is_running)
        log, times = node.log.stat().st_size, random.randint(1, _MOST_TIMES.get(point, _TIMES))
        await self._start(node, point, times)
        if not await asyncio.to_thread(is_reached, node, log):
            self.tally.faults.append(f"the server never came to the point {point}")
        await asyncio.to_thread(node.kill)
        self.deaths.kills[point] += 1

    async def _start(self, node: Node, point: str | None = None, times: int = 0) -> None:
        began = monotonic()
        if point is None:
            node.launch()
        else:
            node.settings = self.server.settings | (_ROTATES if "rotation" in point else {})
            node.launch((*_PYTHON, point, str(times)))
            node.settings = self.server.settings
        with suppress(*[ChildProcessError] if point else []):  # it may reach the point before it is seen to be ready
            await asyncio.to_thread(node.wait_until_ready)
            self.deaths.ready.append(monotonic() - began)

    async def _under_load(self) -> None:
        enough = self.tally.refreshes + self.at_least
        await asyncio.sleep(random.uniform(0, self.within))
        while self.tally.refreshes < enough and not self.tally.faults:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK)

    def _check_rows(self) -> None:
        database, is_running = self.server.database, any(node.is_running for node in self.server.nodes)
        with closing(database.rows()) if is_running else database.rows_after_crash() as rows:
            check_rows(self.clients, rows)
            check_keys(rows, self.tally)

    async def _say_goodbye(self) -> None:
        await asyncio.gather(*(self._start(node) for node in self.server.nodes if not node.is_running))
        await asyncio.gather(*(client.say_goodbye(random.choice(self.server.ports)) for client in self.clients))
        await asyncio.to_thread(self.server.stop)


def check_keys(rows: Rows, tally: Tally) -> None:
    keys = rows.select("SELECT alg, state FROM signing_keys WHERE state IN ('active', 'pending')")
    for alg in {alg for alg, _ in keys} or {"no algorithm"}:
        states = sorted(state for other, state in keys if other == alg)
        if states != ["active", "pending"]:
            tally.faults.append(f"the keys of {alg} are {states}")


def add_finished_logins(server: Server) -> None:
    """Add copies of active authorizations that ended in 1970. The server must be running: after a kill, it must be the
    first to open the database."""
    with closing(server.database.rows()) as rows:
        columns = rows.columns("authorizations")
    values = {"id": server.database.random_id(), "idle_expires_at": "1", "expires_at": "1"}
    copied = ", ".join(values.get(column, column) for column in columns)
    copy = f"SELECT {copied} FROM authorizations WHERE expires_at > 1 LIMIT {_FINISHED}"
    server.database.execute(f"INSERT INTO authorizations ({', '.join(columns)}) {copy}")


def is_reached(node: Node, place: int) -> bool:
    """Wait until the server ends, or the time limit is over. Returns whether its log says, after byte `place`, that it
    reached the point."""
    until = monotonic() + _REACHED
    while monotonic() < until:
        has_ended = not node.is_running
        if MARK in text_from(node, place):
            return True
        if has_ended:
            return False
        sleep(0.02)
    return False


def text_from(node: Node, place: int) -> str:
    """Return the log from byte `place` on."""
    with node.log.open("rb") as log:
        log.seek(place)
        return log.read().decode(errors="replace")


def clients_of(server: Server, asked: argparse.Namespace, tally: Tally) -> list[Client]:
    """Return clients that have logged in, at a server without a fault."""
    server.plant(None)
    server.start()
    tokens = run(logins(server, asked.clients))
    server.stop()
    return new_clients(server.client_id, tokens, server.folder, tally, asked.pause)


def report(bench: Bench, seconds: float) -> bool:
    tally, deaths = bench.tally, bench.deaths
    ready = f"{statistics.median(deaths.ready):.2f} s, at most {max(deaths.ready):.2f} s"
    print(f"kills                        {deaths.kills.total():8}  in {seconds:.0f} s")
    for point, times in sorted(deaths.kills.items()):
        print(f"    {point:25}{times:8}")
    print(f"refreshes received           {tally.refreshes:8}  by {len(bench.clients)} clients")
    print(f"requests without a response  {tally.lost:8}")
    print(f"responses with status 503    {tally.unavailable:8}")
    print(f"ready again after {ready} (of {len(deaths.ready)} starts)")
    for fault in tally.faults[:10]:
        print(f"    {fault}")
    good = "no login was lost, no token had two successors, everything that was received was durable"
    print(f"{len(tally.faults)} FAULTS" if tally.faults else good)
    return not tally.faults


def check_size(bench: Bench, asked: argparse.Namespace) -> None:
    faults, kills = bench.tally.faults, bench.deaths.kills.total()
    if kills < asked.kills:
        faults.append(f"only {kills} kills within {asked.minutes} minutes")
    if bench.tally.refreshes < asked.refreshes:
        faults.append(f"only {bench.tally.refreshes} refreshes: too few to prove anything")
    if max(bench.deaths.ready) >= asked.ready:
        faults.append(f"ready only after {max(bench.deaths.ready):.2f} s")


def measure(server: Server, asked: argparse.Namespace) -> bool:
    tally, server.workers = Tally(), asked.workers
    bench = Bench(server, clients_of(server, asked, tally), tally, asked.within, asked.refreshes // asked.kills)
    before, began = server.log_sizes(), monotonic()
    print(f"{asked.kills} kills, in {asked.minutes} minutes at most", flush=True)
    run(bench.run(asked.kills, began + asked.minutes * 60))
    check_log(server.log(before), tally)
    check_size(bench, asked)
    return report(bench, monotonic() - began)


def look_for_plant(server: Server, asked: argparse.Namespace) -> bool:
    """Return whether the planted fault is found. One kill is enough: the gate holds back every change of a refresh, so
    nothing that was received is durable."""
    tally, server.workers = Tally(), asked.workers
    bench = Bench(server, clients_of(server, asked, tally), tally, asked.within, at_least=1)
    gate = Gate(Path(tempfile.mkdtemp(dir=server.folder)) / "gate", "_rotate_many")
    server.plant(EARLY)
    server.run_by(gate.program)
    try:
        run(bench.live(None))
    finally:
        server.kill()
        server.run_by()
    seen = f"seen: {tally.faults[0]}" if tally.faults else "NOT SEEN: this proof is blind"
    print(f"{EARLY.what}\n    {seen}")
    return bool(tally.faults)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000, help="default 1000")
    parser.add_argument("--clients", type=int, default=200, help="default 200")
    parser.add_argument("--pause", type=float, default=PAUSE, help="seconds between a client's refreshes, at most")
    parser.add_argument(
        "--minutes", type=float, default=120, help="time limit; if it is reached, this fails (default 120)"
    )
    parser.add_argument(
        "--refreshes", type=int, default=20_000, help="refreshes that are needed to prove anything (default 20,000)"
    )
    parser.add_argument("--within", type=float, default=0.5, help="seconds under load before a kill, at most")
    parser.add_argument(
        "--ready", type=float, default=3, help="seconds within which the server must be ready again (default 3)"
    )
    parser.add_argument("--naive", action="store_true", help="plant a fault; exit code 1 if it is not found")
    add_arguments(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    asked = parse(arguments)
    with suppress(KeyboardInterrupt), set_up(asked.database, nodes_of(asked)) as server:
        return 0 if (look_for_plant if asked.naive else measure)(server, asked) else 1
    return 130


if __name__ == "__main__":
    sys.exit(main())
