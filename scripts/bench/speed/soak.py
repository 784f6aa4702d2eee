"""Runs the server for long at half of its capacity, with kills and key rotations, and checks that nothing is lost.

First the capacity is measured, with 64 connections that refresh all the time. Then 1,000 logins refresh at half that
rate. In the middle of each interval, a command rotates the keys. At its end, memory and the size of the database are
measured, and a node is killed (kill -9) and started again. No login may be lost. Except at kills, no request may be
lost or get 503. Latency, memory and the size of the database must not grow from the first third of the intervals to the
last.

    python3 scripts/bench/speed/soak.py >soak.log                         an hour on SQLite, a kill every 5 minutes
    python3 scripts/bench/speed/soak.py --database postgresql             two nodes, of which one is killed
    python3 scripts/bench/speed/soak.py --minutes 6 --every 60
"""

import argparse
import asyncio
import signal
import statistics
import sys
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from time import monotonic
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from scripts.bench.arguments import add_arguments, is_skipped, nodes_of, use_venv

if __name__ == "__main__":
    use_venv()

from tests.harness import procfs
from tests.harness.balancer import Balancer
from tests.harness.databases import Database, PostgresDatabase, SqliteFile
from tests.harness.http_client import Refreshes, load, run
from tests.harness.node import Node
from tests.harness.refreshers import check_log
from tests.harness.server import Server, logins, set_up
from tests.harness.steady import Steady

_CONNECTIONS = 64
_SETTLED = 3  # seconds after which a kill has no more effect
_EARLY = 0.2  # share of an interval after which a new process has the memory that it needs
_SKIPPED = 0.1  # share of the refreshes that may be skipped; if there are more, this machine is too slow
_TITLES = (
    f"{'interval':>8}{'refreshes':>11}{'p50 ms':>8}{'p99 ms':>8}{'memory MB':>11}{'early MB':>10}{'database KB':>13}"
    f"{'lost':>7}{'ready s':>9}"
)


class Sample(NamedTuple):
    """The measurements of one interval. Requests that were lost by a kill are in no latency."""

    refreshes: int
    p50: float
    p99: float
    """Latencies in milliseconds, from when a refresh was due."""
    memory: float
    early: float
    """Memory of all processes in MB, at the interval's end and, `early`, soon after its start."""
    size: float
    """Size of the database in KB."""
    lost: int
    """Requests that were lost or got 503 because of the kill."""
    ready: float
    """Seconds from the kill until the node was ready again."""


FLAT = {"p99": 1.5, "memory": 1.1, "size": 1.1}
"""For each measurement, how many times that of the first third the last third may have."""
_GROWTH = 1.1
"""How many times as much memory a process may have at the end of an interval, compared with soon after its start."""


@dataclass
class Soak:
    server: Server
    steady: Steady
    samples: list[Sample] = field(default_factory=list)

    async def run(self, seconds: float, every: float) -> None:
        enough = asyncio.Event()
        task = asyncio.create_task(self.steady.run(enough))
        try:
            await asyncio.sleep(_SETTLED)
            for node in islice(cycle(self.server.nodes), max(1, round(seconds / every))):
                self.samples.append(await self._interval(node, every))
                print(line(len(self.samples), self.samples[-1]), flush=True)
        finally:
            enough.set()
            await task
        with closing(self.server.database.rows()) as rows:
            self.steady.check_rows(rows)

    async def _interval(self, node: Node, every: float) -> Sample:
        began, steady, before = monotonic(), self.steady, self._troubles()
        refreshes = steady.tally.refreshes
        steady.answered.clear()
        await asyncio.sleep(every * _EARLY)
        early = await asyncio.to_thread(memory, self.server)
        await asyncio.sleep(began + every / 2 - monotonic())
        await asyncio.to_thread(node.command, "keys", "rotate", "--emergency")
        await asyncio.sleep(max(0, began + every - monotonic()))
        latencies = sorted(answered.after * 1000 for answered in steady.answered) or [0]
        late, quiet = await asyncio.to_thread(memory, self.server), self._troubles()
        if quiet > before:
            steady.tally.faults.append(f"{quiet - before} requests failed though nothing was killed")
        size = await asyncio.to_thread(size_of, self.server.database)
        ready = await self._kill(node)
        p50, p99 = (latencies[int(share * len(latencies))] for share in (0.5, 0.99))
        lost = self._troubles() - quiet
        return Sample(steady.tally.refreshes - refreshes, p50, p99, late, early, size, lost, ready)

    def _troubles(self) -> int:
        return self.steady.tally.lost + self.steady.tally.unavailable

    async def _kill(self, node: Node) -> float:
        began = monotonic()
        await asyncio.to_thread(node.kill)
        await asyncio.to_thread(node.start)
        ready = monotonic() - began
        await asyncio.sleep(_SETTLED)
        return ready


def memory(server: Server) -> float:
    """Return the memory of all processes of all nodes in MB."""
    pids = [pid for node in server.nodes for pid in (node.pid, *node.worker_pids())]
    return sum(map(procfs.memory, pids)) / 2**20


def size_of(database: Database) -> float:
    """Return the size of the database in KB. For SQLite, the log is copied into the database first."""
    if isinstance(database, SqliteFile):
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        wal = database.file.with_name(f"{database.file.name}-wal")
        return (database.file.stat().st_size + wal.stat().st_size) / 1024
    assert isinstance(database, PostgresDatabase)
    with closing(database.rows()) as rows:
        return int(rows.select("SELECT pg_database_size(current_database())")[0][0]) / 1024


async def capacity(server: Server, tokens: Sequence[str], seconds: float) -> tuple[float, list[str]]:
    """Return how many refreshes a second the server can do, and the newest tokens."""
    scripts = [Refreshes(server.client_id, token) for token in tokens]
    many = max(1, _CONNECTIONS // len(server.ports))
    busy = [scripts[place * many : (place + 1) * many] for place in range(len(server.ports))]
    loads = await asyncio.gather(
        *(load(port, share, seconds) for port, share in zip(server.ports, busy, strict=True) if share)
    )
    return sum(each.rate for each in loads), [script.token for script in scripts]


async def soak(server: Server, tokens: Sequence[str], asked: argparse.Namespace) -> Soak:
    maximum, tokens = await capacity(server, tokens, asked.measure)
    rate = asked.rate or maximum * asked.share
    print(f"{maximum:.0f} refreshes/s at most; {rate:.0f}/s from {asked.logins} logins\n{_TITLES}", flush=True)
    async with Balancer(server.ports) as balancer:
        soaked = Soak(server, Steady(server.client_id, tokens, balancer.ask, rate))
        await soaked.run(asked.minutes * 60, asked.every)
    return soaked


def line(number: int, sample: Sample) -> str:
    return (
        f"{number:8}{sample.refreshes:11}{sample.p50:8.1f}{sample.p99:8.1f}{sample.memory:11.1f}{sample.early:10.1f}"
        f"{sample.size:13.0f}{sample.lost:7}{sample.ready:9.2f}"
    )


def ratios(samples: Sequence[Sample]) -> dict[str, float]:
    """Return the ratio of the median of the last third to that of the first, for each measurement."""
    third = max(1, len(samples) // 3)
    first, last = samples[:third], samples[-third:]
    return {name: _median(last, name) / max(_median(first, name), 1e-9) for name in FLAT}


def _median(samples: Sequence[Sample], name: str) -> float:
    return float(statistics.median(getattr(sample, name) for sample in samples))


def print_result(soak: Soak) -> bool:
    """Print the result. Returns whether nothing was lost and nothing grew."""
    steady, faults = soak.steady, list(soak.steady.tally.faults)
    for name, ratio in ratios(soak.samples).items():
        print(f"{name:8} of the last third to that of the first  {ratio:5.2f}  ({FLAT[name]} at most)")
        if ratio > FLAT[name]:
            faults.append(f"{name} grew")
    growth = statistics.median(sample.memory / sample.early for sample in soak.samples)
    print(f"memory   of a process, late to early              {growth:5.2f}  ({_GROWTH} at most)")
    if growth > _GROWTH:
        faults.append("the memory of a process grows until it is killed")
    if steady.skipped > _SKIPPED * steady.tally.refreshes:
        faults.append(f"{steady.skipped} refreshes were skipped: the rate was not kept")
    for fault in faults[:10]:
        print(f"    {fault}")
    print(
        f"{len(faults)} FAULTS"
        if faults
        else f"nothing was lost in {steady.tally.refreshes} refreshes, and nothing grew"
    )
    return not faults


def measure(server: Server, asked: argparse.Namespace) -> bool:
    server.workers = asked.workers
    before = server.log_sizes()
    server.start()
    tokens = run(logins(server, asked.logins))
    server.stop()  # a new process, because hashing passwords takes memory that no refresh needs
    server.start()
    try:
        soaked = run(soak(server, tokens, asked))
    finally:
        server.kill()
    check_log(server.log(before), soaked.steady.tally)
    return print_result(soaked)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60, help="default 60")
    parser.add_argument("--every", type=float, default=300, help="seconds between two kills (default 300)")
    parser.add_argument("--logins", type=int, default=1000, help="default 1,000")
    parser.add_argument(
        "--share", type=float, default=0.5, help="share of the capacity at which logins refresh (default 0.5)"
    )
    parser.add_argument("--rate", type=float, help="refreshes a second, instead of a share of the capacity")
    parser.add_argument(
        "--measure", type=float, default=10, help="seconds for which the capacity is measured (default 10)"
    )
    add_arguments(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    asked = parse(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if is_skipped(asked.database):
        return 0
    with suppress(KeyboardInterrupt), set_up(asked.database, nodes_of(asked)) as server:
        return 0 if measure(server, asked) else 1
    return 130


if __name__ == "__main__":
    sys.exit(main())
