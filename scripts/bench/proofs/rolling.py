"""Replaces nodes and workers under a steady load: no request may fail.

On PostgreSQL, two nodes are stopped by SIGTERM and started again, in turn, with one worker each and with two. On
SQLite, SIGHUP tells a node to replace its four workers, or its only process to read the settings again. Between the
clients and the nodes is a minimal load balancer (see balancer.py). If a connection is refused, it may try another node.
A request that was sent has failed if there is no response, or its status is not 200.

    python3 scripts/bench/proofs/rolling.py                    all of these, five times
    python3 scripts/bench/proofs/rolling.py --only nodes --turns 20
    python3 scripts/bench/proofs/rolling.py --blind            plants a fault: connections are not drained
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from scripts.bench.arguments import is_skipped, use_venv

if __name__ == "__main__":
    use_venv()

from tests.harness.balancer import Balancer
from tests.harness.http_client import run
from tests.harness.mutants import Mutant
from tests.harness.node import Node
from tests.harness.refreshers import check_log
from tests.harness.server import Server, logins, set_up
from tests.harness.steady import Steady

_AT_ONCE = 20  # refreshes in progress at most, each on its own connection: some whenever a server stops
_LOOK = 0.1  # seconds
_QUIET = 1  # seconds of load between two restarts
_SKIPPED = 0.1  # share of the refreshes that may be skipped; if there are more, this machine is too slow
_RELOADED = 120  # seconds within which all workers must be new
_TITLES = f"{'':22}{'restarts':>10}{'refreshes':>11}{'lost':>7}{'503':>7}{'seconds':>9}{'slowest':>9}{'faults':>8}"

UNDRAINED = Mutant(
    "SIGTERM and SIGHUP close connections under their clients",
    "serving/draining.py",
    "self._is_draining = True",
    "return loop.call_soon_threadsafe(self._stop, number)",
    """
# The process pauses just before it closes them, as on a busy machine: what is sent at that moment is certain to be
# lost.
from time import sleep
from uvicorn import Server

_shutdown = Server.shutdown


async def _pausing(self, sockets=None):
    sleep(0.3)
    await _shutdown(self, sockets)


Server.shutdown = _pausing
""",
)


async def restart_nodes(server: Server) -> int:
    """Restart each node in turn. Returns the number of restarts."""
    for node in server.nodes:
        await asyncio.to_thread(node.restart)
        await asyncio.sleep(_QUIET)
    return len(server.nodes)


async def reload_nodes(server: Server) -> int:
    """Reload each node in turn. Returns the number of processes that were replaced."""
    for node in server.nodes:
        await asyncio.to_thread(replace_workers if node.workers > 1 else reload_process, node)
        await asyncio.sleep(_QUIET)
    return sum(node.workers for node in server.nodes)


def replace_workers(node: Node) -> None:
    """Tell the node to replace its workers, and wait until it has. Raises TimeoutError if a worker stays."""
    old = set(node.worker_pids())
    node.send_sighup()
    until = monotonic() + _RELOADED
    while len(new := set(node.worker_pids())) != node.workers or new & old:
        if monotonic() > until:
            raise TimeoutError(f"workers {new & old} are still there after {_RELOADED} s")
        sleep(_LOOK)


def reload_process(node: Node) -> None:
    """Tell the only process of the node to reload, and wait until it has. Raises ChildProcessError if it ends,
    TimeoutError if it does not reload."""
    place = node.log.stat().st_size
    node.send_sighup()
    until = monotonic() + _RELOADED
    while b'"event": "reloaded"' not in node.log.read_bytes()[place:]:
        if not node.is_running:
            raise ChildProcessError("SIGHUP ended the server")
        if monotonic() > until:
            raise TimeoutError(f"SIGHUP had no effect in {_RELOADED} s")
        sleep(_LOOK)


class Way(NamedTuple):
    database: str
    nodes: int
    workers: int
    turn: Callable[[Server], Awaitable[int]]


WAYS = {
    "nodes": Way("postgresql", 2, 1, restart_nodes),
    "nodes-of-workers": Way("postgresql", 2, 2, restart_nodes),
    "workers": Way("sqlite", 1, 4, reload_nodes),
    "process": Way("sqlite", 1, 1, reload_nodes),
}


class Roll(NamedTuple):
    steady: Steady
    restarts: int
    seconds: float

    @property
    def failures(self) -> list[str]:
        """What went wrong. A response that is not a 200 counts, because the server has no reason here for another
        status."""
        steady, tally = self.steady, self.steady.tally
        slow = steady.skipped > _SKIPPED * tally.refreshes
        too_slow = (
            [f"{steady.skipped} refreshes were skipped, because every login was waiting: the rate was not kept"]
            if slow
            else []
        )
        return tally.faults + steady.troubles + too_slow


async def roll(server: Server, way: Way, turns: int, rate: float, until_failure: bool) -> Roll:
    """Replace everything `turns` times under load. `server` is already running."""
    tokens = await logins(server, max(10, round(rate)))
    enough, began, restarts = asyncio.Event(), monotonic(), 0
    async with Balancer(server.ports) as balancer:
        steady = Steady(server.client_id, tokens, balancer.ask, rate, _AT_ONCE)
        load = asyncio.create_task(steady.run(enough))
        try:
            await asyncio.sleep(_QUIET)
            for _ in range(turns):
                restarts += await way.turn(server)
                if until_failure and steady.troubles:
                    break
        finally:
            enough.set()
            await load
    with closing(server.database.rows()) as rows:
        steady.check_rows(rows)
    return Roll(steady, restarts, monotonic() - began)


def measure(server: Server, way: Way, turns: int, rate: float, plant: Mutant | None = None) -> Roll:
    server.workers = way.workers
    server.plant(plant)
    before, level = server.log_sizes(), server.settings["LOG_LEVEL"]
    server.settings["LOG_LEVEL"] = "info"  # a reload of the settings is logged, but is not a warning
    server.start()
    try:
        rolled = run(roll(server, way, turns, rate, until_failure=plant is not None))
    finally:
        server.kill()
        server.settings["LOG_LEVEL"] = level
    check_log(server.log(before), rolled.steady.tally)
    return rolled


def print_result(name: str, rolled: Roll) -> bool:
    """Print the result. Returns whether no request failed."""
    tally, slowest = rolled.steady.tally, max(answered.after for answered in rolled.steady.answered)
    print(
        f"{name:22}{rolled.restarts:10}{tally.refreshes:11}{tally.lost:7}{tally.unavailable:7}"
        f"{rolled.seconds:9.1f}{slowest:8.2f}s{len(tally.faults):8}",
        flush=True,
    )
    for failure in rolled.failures[:5]:
        print(f"    {failure}")
    return not rolled.failures


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", choices=list(WAYS), action="append", help="what to replace (repeatable; default: all)"
    )
    parser.add_argument("--turns", type=int, default=5, help="how often each node is replaced (default 5)")
    parser.add_argument("--rate", type=float, default=200, help="refreshes a second (default 200)")
    parser.add_argument("--blind", action="store_true", help="plant a fault; exit code 1 if it is not found")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    asked = parse(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(_TITLES, flush=True)
    good = True
    with suppress(KeyboardInterrupt):
        for name in asked.only or WAYS:
            way = WAYS[name]
            if is_skipped(way.database):
                continue
            with set_up(way.database, way.nodes) as server:
                result = measure(server, way, asked.turns, asked.rate, UNDRAINED if asked.blind else None)
                good &= print_result(name, result) != asked.blind
        return 0 if good else 1
    return 130


if __name__ == "__main__":
    sys.exit(main())
