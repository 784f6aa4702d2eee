"""Sends many refreshes of one token at once, and refreshes while their login is ended: real processes, real HTTP.

A round of refreshes sends 64 parallel refreshes of one token. Every response must be a 200 with the same successor, the
generation in the row must have been written once and be one higher, and the successor must refresh. Comparing
the successors alone would prove nothing: they are computed, not stored.

A round against an end sends steps of parallel refreshes. During them, it sends /revoke, or changes the password while
others log in with the old one, or both. No refresh that began after the 200 of the revocation may succeed, no
generation may be written in a row that is revoked, and no login with the old password may refresh once the change is
done.

Then the history of every login in the round is checked for linearizability.

    python3 scripts/bench/proofs/race.py             SQLite with 1 and 4 processes, PostgreSQL with 2 nodes
    python3 scripts/bench/proofs/race.py --database postgresql --nodes 3 --workers 2
    python3 scripts/bench/proofs/race.py --naive     plants one fault at a time: each must be found
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from scripts.bench.arguments import add_arguments, is_skipped, nodes_of, use_venv
from scripts.bench.proofs.race_rounds import (
    NO_ORDER,
    OLD_PASSWORD,
    WRITTEN_OVER,
    WRITTEN_TWICE,
    Bench,
    Round,
    Tally,
    Users,
    race,
    race_against_end,
    refresh_after_change,
    refresh_around_revocation,
)
from tests.harness.gated import Gate
from tests.harness.http_client import run
from tests.harness.mutants import EARLY, GUARD, NAIVE, UNREVOKED, VERSION, Mutant
from tests.harness.server import Server, logins, set_up

_ROUND = 120  # seconds, after which a round has hung
_AHEAD = 100  # logins or users that are made at once
_AT_ONCE = 4  # rounds against an end at the same time: each mostly waits, or hashes passwords
_EXAMPLES = 5
_TITLES = f"{'':24}{'':24}{'rounds':>7}{'refreshes':>10}{'200':>10}{'seconds':>8}{'faults':>8}"


class Place(NamedTuple):
    database: str
    nodes: int
    workers: int

    def __str__(self) -> str:
        return f"{self.database} {self.nodes} x {self.workers}"


PLACES = (Place("sqlite", 1, 1), Place("sqlite", 1, 4), Place("postgresql", 2, 1))


class Blindfold(NamedTuple):
    """A fault to plant, the round that must find it, and words that must be in the faults that the round reports."""

    plant: Mutant
    round: Round
    holds: str | None
    """The change that waits at the gate (see gated.py), so that one round is certain to meet the fault."""
    says: tuple[str, ...]

    def is_off(self, tally: Tally) -> bool:
        return all(any(words in fault for fault in tally.faults) for words in self.says)


BLINDFOLDS = (
    Blindfold(NAIVE, race, "_rotate_many", (WRITTEN_TWICE,)),
    Blindfold(NAIVE, refresh_around_revocation, "_rotate_many", (WRITTEN_OVER, NO_ORDER)),
    Blindfold(GUARD, race, "_rotate_many", (WRITTEN_TWICE,)),
    Blindfold(UNREVOKED, refresh_around_revocation, "_rotate_many", (WRITTEN_OVER,)),
    Blindfold(EARLY, refresh_around_revocation, "_revoke_many", (NO_ORDER,)),
    Blindfold(VERSION, refresh_after_change, None, (OLD_PASSWORD, NO_ORDER)),
)


async def rounds(bench: Bench, round: Round, many: int) -> Tally:
    tally, begun = Tally(), _Begun(bench, round, many)

    async def one_after_another() -> None:
        async for name in begun:
            tally.rounds += 1
            try:
                await asyncio.wait_for(round(bench, name, tally), _ROUND)
            except TimeoutError:
                tally.check(False, "it hung")

    await asyncio.gather(*(one_after_another() for _ in range(1 if round is race else _AT_ONCE)))
    return tally


class _Begun:
    """What the rounds begin with: for each the first token of a login, or a user. They are made a hundred at a time."""

    def __init__(self, bench: Bench, round: Round, many: int) -> None:
        self._bench, self._round, self._left = bench, round, many
        self._ready: list[str] = []
        self._making = asyncio.Lock()

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        async with self._making:
            if not self._ready:
                self._ready = await self._make(min(_AHEAD, self._left))
                self._left -= len(self._ready)
        if not self._ready:
            raise StopAsyncIteration
        return self._ready.pop()

    async def _make(self, many: int) -> list[str]:
        if self._round is race:
            return await logins(self._bench.server, many)
        return await asyncio.to_thread(self._bench.users.add, many)


@contextmanager
def started(
    server: Server, workers: int, parallel: int, plant: Mutant | None = None, gate: Gate | None = None
) -> Iterator[Bench]:
    server.workers = workers
    server.plant(plant)
    server.run_by(*[gate.program] if gate else [])
    server.start()
    rows, users = server.database.rows(), Users(server.database.url)
    try:
        yield Bench(server, rows, users, parallel, gate)
    finally:
        users.close()
        rows.close()
        server.stop()
        server.run_by()


def report(place: Place, what: str, tally: Tally, seconds: float) -> bool:
    good = tally.statuses.count(200)
    counts = f"{tally.rounds:7}{len(tally.statuses):10}{good:10}{seconds:8.0f}{len(tally.faults):8}"
    print(f"{str(place):24}{what:24}{counts}", flush=True)
    for fault in tally.faults[:_EXAMPLES]:
        print(f"         {fault}")
    return not tally.faults


def measure(server: Server, place: Place, asked: argparse.Namespace) -> bool:
    wanted = ((f"{asked.parallel} of one token", race, asked.logins), ("against an end", race_against_end, asked.ends))
    held = []
    with started(server, place.workers, asked.parallel) as bench:
        for what, round, many in wanted:
            began = perf_counter()
            tally = run(rounds(bench, round, many))
            held.append(report(place, what, tally, perf_counter() - began))
    return all(held)


def is_seen(server: Server, place: Place, blindfold: Blindfold, asked: argparse.Namespace) -> bool:
    plant, round, holds, says = blindfold
    gate = Gate(Path(tempfile.mkdtemp(dir=server.folder)) / "gate", holds) if holds else None
    with started(server, place.workers, asked.parallel, plant, gate) as bench:
        tally = run(rounds(bench, round, 1))
    print(f"{str(place):24}{round.__name__}: {plant.what}")
    for words in says:
        fault = next((fault for fault in tally.faults if words in fault), None)
        print(f"{'':24}" + (fault[:120] if fault else f"NOT SEEN ({words}): this proof is blind"))
    if not blindfold.is_off(tally):
        print(*tally.faults, sep="\n")
    return blindfold.is_off(tally)


def look_for_plants(server: Server, place: Place, asked: argparse.Namespace) -> bool:
    return all([is_seen(server, place, blindfold, asked) for blindfold in BLINDFOLDS])


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--logins", type=int, default=1000, help="rounds of refreshes, each with a login of its own (default 1,000)"
    )
    parser.add_argument(
        "--ends", type=int, default=10_000, help="rounds against an end, each with a user of its own (default 10,000)"
    )
    parser.add_argument("--parallel", type=int, default=64, help="parallel refreshes of one token (default 64)")
    parser.add_argument("--naive", action="store_true", help="plant faults; exit code 1 if one is not found")
    add_arguments(parser, database=None)
    return parser.parse_args(arguments)


def places(asked: argparse.Namespace) -> list[Place]:
    """Return what the options say to run on, or otherwise everything that this machine has."""
    if asked.database:
        return [Place(asked.database, nodes_of(asked), asked.workers)]
    return [place for place in PLACES if not is_skipped(place.database)]


def main(arguments: Sequence[str] | None = None) -> int:
    asked, held = parse(arguments), []
    print("" if asked.naive else _TITLES)
    for place in places(asked):
        with set_up(place.database, place.nodes) as server:
            server.database.record_history()
            held.append((look_for_plants if asked.naive else measure)(server, place, asked))
    good = (
        "every fault was found"
        if asked.naive
        else "no token had two successors, nothing outlived its end, every history is linearizable"
    )
    print(good if all(held) else "FAULTS WERE NOT FOUND" if asked.naive else "FAULTS WERE FOUND")
    return 0 if all(held) else 1


if __name__ == "__main__":
    use_venv()
    sys.exit(main())
