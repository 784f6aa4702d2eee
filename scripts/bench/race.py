"""Many refreshes of one token at once, and refreshes against a revocation: real processes, one SQLite file, real HTTP.

A round of refreshes: 64 parallel ones of one login's token. Every answer is a 200, all carry one successor, the
generation in the row was written once and stands one higher, and the successor refreshes. The successor alone would
prove nothing: it is computed, not stored.

A round of revocation: steps of parallel refreshes, and in the midst of them /revoke. No refresh that began after the
revocation's 200 succeeds, and no generation is written in a row that is revoked.

    .venv/bin/python scripts/bench/race.py             200 rounds of each, with 1 and with 4 worker processes
    .venv/bin/python scripts/bench/race.py --naive     plants one fault at a time: each must be seen, or this is blind
"""

import argparse
import asyncio
import random
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.bench.client import Connection, Response, connect, post, refresh, run
from scripts.bench.plants import EARLY, GUARD, UNREVOKED, Plant
from scripts.bench.server import (
    Rows,
    Server,
    connections,
    generation,
    logins,
    set_up,
    use_venv,
)

_ROUND = 60  # seconds, after which a round has hung
_REVOKERS = 8  # parallel refreshes of each step against a revocation
_STEPS = 4  # at most, before the revocation
_APART = 0.002  # seconds, at most, between the revocation and a step, whichever is first
_EXAMPLES = 5


@dataclass
class Tally:
    """What came of many rounds. `faults` says what was wrong, in words."""

    rounds: int = 0
    answers: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def check(self, good: bool, fault: str) -> None:
        if not good:
            self.faults.append(f"round {self.rounds}: {fault}")


@dataclass
class Bench:
    server: Server
    rows: Rows
    parallel: int

    def refresh(self, token: str) -> bytes:
        return refresh(self.server.app["client_id"], token)

    def revoke(self, token: str) -> bytes:
        return post("/revoke", {"token": token, "client_id": self.server.app["client_id"]})


Round = Callable[[Bench, str, Tally], Awaitable[None]]


async def ask(connection: Connection, request: bytes) -> Response:
    """A connection that ends without an answer is told as status 0."""
    try:
        return await connection.ask(request)
    except ConnectionError:
        return Response(0, b"")


async def race(bench: Bench, token: str, tally: Tally) -> None:
    """Connections of the round's own, so that they spread over the workers anew each time."""
    open = await connections(bench.server.port, bench.parallel)
    answers = await asyncio.gather(*(ask(each, bench.refresh(token)) for each in open))
    _judge(bench, token, answers, tally)
    successor = answers[0].refresh_token
    if successor:
        last = await ask(open[0], bench.refresh(successor))
        tally.check(last.status == 200, f"the successor was answered {last.status} {last.body!r}")
    for each in open:
        each.close()


def _judge(bench: Bench, token: str, answers: Sequence[Response], tally: Tally) -> None:
    tally.answers += [answer.status for answer in answers]
    refused = [answer for answer in answers if answer.status != 200]
    tally.check(not refused, f"{len(refused)} answers were not 200: {refused[:1]}")
    successors = {answer.refresh_token for answer in answers if answer.status == 200}
    tally.check(len(successors) == 1, f"{len(successors)} successors")
    seen, found = generation(token), bench.rows.generation(token)
    tally.check(found == seen + 1, f"the generation went from {seen} to {found}")
    history = bench.rows.history(token)
    tally.check(history == [(seen, seen + 1)], f"the generation was written {len(history)} times: {history[:4]}")


async def race_against_revocation(bench: Bench, token: str, tally: Tally) -> None:
    open = await connections(bench.server.port, _REVOKERS)
    revoker = await connect(bench.server.port)
    newest = token
    for _ in range(random.randrange(_STEPS)):
        newest = await _step(bench, open, newest, tally) or newest
    revocation = asyncio.create_task(_revoke(bench, revoker, token, tally))
    while not revocation.done():
        await asyncio.sleep(random.uniform(0, _APART))
        newest = await _step(bench, open, newest, tally) or newest
    revoked_at = await revocation
    await _step(bench, open, newest, tally, after=revoked_at)
    await _step(bench, open, token, tally, after=revoked_at)
    late = bench.rows.written_after_revocation(token)
    tally.check(not late, f"{late} generations were written in a revoked row")
    for each in [*open, revoker]:
        each.close()


async def _revoke(bench: Bench, connection: Connection, token: str, tally: Tally) -> float:
    """When its answer arrived."""
    await asyncio.sleep(random.uniform(0, _APART))
    answer = await ask(connection, bench.revoke(token))
    tally.check(answer.status == 200, f"the revocation was answered {answer.status} {answer.body!r}")
    return perf_counter()


async def _step(
    bench: Bench, open: Sequence[Connection], token: str, tally: Tally, after: float = float("inf")
) -> str | None:
    """Parallel refreshes of one token, and all their answers: so no step presents what is older than one generation.

    Returns the successor, if there was one.
    """
    began = perf_counter()
    answers = await asyncio.gather(*(ask(each, bench.refresh(token)) for each in open))
    tally.answers += [answer.status for answer in answers]
    strange = [answer for answer in answers if answer.status not in (200, 400)]
    tally.check(not strange, f"a refresh was answered {strange[:1]}")
    successors = {answer.refresh_token for answer in answers if answer.status == 200}
    tally.check(len(successors) <= 1, f"{len(successors)} successors")
    tally.check(not successors or began < after, "a refresh that began after the revocation's 200 succeeded")
    return successors.pop() if successors else None


async def rounds(bench: Bench, round: Round, many: int, *, until_fault: bool = False) -> Tally:
    tally = Tally()
    for token in await logins(bench.server, many):
        tally.rounds += 1
        async with asyncio.timeout(_ROUND):
            await round(bench, token, tally)
        if until_fault and tally.faults:
            break
    return tally


@contextmanager
def started(server: Server, workers: int, parallel: int, plant: Plant | None = None) -> Iterator[Bench]:
    server.workers = workers
    server.plant(plant)
    server.start()
    rows = Rows(server.database)
    try:
        yield Bench(server, rows, parallel)
    finally:
        rows.close()
        server.stop()


def report(workers: int, what: str, tally: Tally) -> bool:
    good = tally.answers.count(200)
    print(f"{workers:7}  {what:24}{tally.rounds:7}{len(tally.answers):10}{good:10}{len(tally.faults):8}", flush=True)
    for fault in tally.faults[:_EXAMPLES]:
        print(f"         {fault}")
    return not tally.faults


def measure(server: Server, asked: argparse.Namespace) -> bool:
    print(f"{'workers':7}  {'':24}{'rounds':>7}{'refreshes':>10}{'200':>10}{'faults':>8}")
    held = []
    for workers in asked.workers:
        with started(server, workers, asked.parallel) as bench:
            tally = run(rounds(bench, race, asked.logins))
            held.append(report(workers, f"{asked.parallel} of one token", tally))
            tally = run(rounds(bench, race_against_revocation, asked.revocations))
            held.append(report(workers, "against a revocation", tally))
    print("nothing forked, nothing outlived its revocation" if all(held) else "FAULTS WERE FOUND")
    return all(held)


NAIVE: tuple[tuple[Plant, Round], ...] = (
    (GUARD, race),
    (UNREVOKED, race_against_revocation),
    (EARLY, race_against_revocation),
)


def is_seen(server: Server, workers: int, plant: Plant, round: Round, asked: argparse.Namespace) -> bool:
    many = asked.logins if round is race else asked.revocations
    with started(server, workers, asked.parallel, plant) as bench:
        tally = run(rounds(bench, round, many, until_fault=True))
    seen = f"seen in {tally.faults[0]}" if tally.faults else f"NOT SEEN in {many} rounds: the harness is blind"
    print(f"{workers:7}  {round.__name__}: {plant.what}\n         {seen}", flush=True)
    return bool(tally.faults)


def look_for_plants(server: Server, asked: argparse.Namespace) -> bool:
    print("workers")
    seen = [is_seen(server, workers, *naive, asked) for workers in asked.workers for naive in NAIVE]
    return all(seen)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logins", type=int, default=200, help="rounds of refreshes, each of its own login")
    parser.add_argument("--revocations", type=int, default=200, help="rounds against a revocation, likewise")
    parser.add_argument("--parallel", type=int, default=64, help="refreshes at once")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4], help="server processes, one run for each")
    parser.add_argument("--naive", action="store_true", help="plant faults; exit code 1 if one is not seen")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    asked = parse(arguments)
    with set_up() as server:
        return 0 if (look_for_plants if asked.naive else measure)(server, asked) else 1


if __name__ == "__main__":
    use_venv()
    sys.exit(main())
