"""Measures how fast each operation is, as a share of the rate at which the same core makes raw RSA-2048 signatures.

The server has one core and the load another. Connections are kept alive, and changes are durable. Operations, ways to
run the server and numbers of connections are measured in turn, round after round, and medians are printed. A share is
that of the raw rate in the same round, so it hardly varies on a machine whose speed does. Each operation is measured at
the highest rate at which the server responds, and then at half that rate. Password logins are compared with raw
Argon2id. --connections, --workers, --database, --algorithm and --authorizations take several values, and every
combination is measured.

    .venv/bin/python scripts/bench/speed/tokens.py                                                about ten minutes
    .venv/bin/python scripts/bench/speed/tokens.py --operation refresh --connections 1 8 64 256
    .venv/bin/python scripts/bench/speed/tokens.py --operation refresh --authorizations 1000 1000000
    .venv/bin/python scripts/bench/speed/tokens.py --json before.json
    .venv/bin/python scripts/bench/speed/tokens.py --compare before.json

Another server on this machine is measured in the same rounds with --token-url; see peers/README.md.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from scripts.bench.arguments import KINDS, is_skipped, use_venv

if __name__ == "__main__":
    use_venv()

from scripts.bench.chart import Chart
from scripts.bench.speed import peer
from scripts.bench.speed.clients import NEEDS
from scripts.bench.speed.guard import speed as guard_speed
from scripts.bench.speed.measuring import OPERATIONS, Figures, measure, medians
from scripts.bench.speed.start import measure_start
from scripts.bench.speed.targets import Target
from scripts.bench.speed.variants import Variant, ours

FLOORS = {"client_credentials": 0.50, "refresh": 0.40}
"""The lowest shares of the raw rate."""
BOUNDED = ("RS256, sqlite", 64)
"""The bounds are those of this target at so many connections."""
REFRESHES, SIGNATURE = 2.0, 0.8
"""The most CPU time of a redemption besides its two signatures, compared with a refresh; and of an authorization
request, compared with a signature."""
MEMORY, FIRST_RESPONSE = 110, 1.5  # MB, seconds
_CHARTED = {"client_credentials": "client_credentials", "refresh": "refresh_token, durable"}
_RAW = {"signatures": "RSA-2048 signatures/s", "password_checks": "password checks/s"}
_TITLES = "".join(f"{title:>10}" for title in ("of raw", "per s", "CPU us", "p50 ms", "p99 ms", "half: p50", "p99 ms"))


class Case(NamedTuple):
    target: str
    connections: int
    operation: str


Results = Mapping[Case, Figures]


def with_needs(operations: Collection[str]) -> list[str]:
    """Return these operations and those that they need, in order. No login is needed: the first ones are in the
    database."""
    needed = {need for operation in operations for need in NEEDS.get(operation, ()) if need != "password"}
    needed |= {"refresh"} if "introspect" in operations else set()
    return [operation for operation in OPERATIONS if operation in needed | set(operations)]


def run_rounds(
    targets: Mapping[str, tuple[Target, Sequence[str]]], rounds: int, seconds: float, connections: Sequence[int]
) -> Results:
    """Measure the operations of each target."""
    found: dict[Case, list[Figures]] = {}
    for _ in range(rounds):
        for (name, (target, operations)), many in product(targets.items(), connections):
            for operation in operations:
                figures = measure(target, operation, seconds, many)
                found.setdefault(Case(name, many, operation), []).append(figures)
    return {case: medians(each) for case, each in found.items()}


def table(results: Results) -> Iterator[str]:
    for heading in dict.fromkeys((case.target, case.connections) for case in results):
        cases = {case: figures for case, figures in results.items() if case[:2] == heading}
        yield f"\n{heading[0]}; {heading[1]} connections; the core makes {raw_rates(cases)}"
        yield f"{'':20}{_TITLES}"
        yield from (line(case.operation, figures) for case, figures in cases.items())


def raw_rates(results: Results) -> str:
    """Say how much raw work the core does in a second, of each kind that was measured."""
    rates = {OPERATIONS[case.operation].raw: figures.raw for case, figures in results.items()}
    return " and ".join(f"{rates[kind]:.0f} {words}" for kind, words in _RAW.items() if kind in rates)


def line(operation: str, figures: Figures) -> str:
    milliseconds = (figures.p50, figures.p99, figures.half_p50, figures.half_p99)
    times = "".join(f"{each:10.1f}" for each in milliseconds)
    return f"{operation:20}{figures.share:10.2f}{figures.rate:10.0f}{figures.cpu:10.0f}{times}"


def compared(results: Results, before: Results) -> Iterator[str]:
    yield f"\n{'now, as a share of then':50}{'rate of raw':>12}{'CPU':>8}{'p99':>8}"
    for case, now in results.items():
        if then := before.get(case):
            shares = now.share / then.share, now.cpu / then.cpu, now.p99 / then.p99
            words = f"{case.target}, {case.connections}: {case.operation}"
            yield f"{words:50}{shares[0]:12.2f}{shares[1]:8.2f}{shares[2]:8.2f}"


def faults(results: Results) -> Iterator[str]:
    """Yield the bounds that are missed."""
    bounded = {case.operation: figures for case, figures in results.items() if case[:2] == BOUNDED}
    for name, floor in FLOORS.items():
        if name in bounded and bounded[name].share < floor:
            yield f"{name} is below {floor} of the raw rate"
    if {"redeem", "refresh"} <= bounded.keys() and bounded["redeem"].cpu > REFRESHES * bounded["refresh"].cpu:
        yield f"a redemption costs more than {REFRESHES} refreshes"
    if "authorize" in bounded and bounded["authorize"].cpu > SIGNATURE * 1e6 / bounded["authorize"].raw:
        yield f"an authorization request costs more than {SIGNATURE} of a signature"


def to_json(results: Results) -> str:
    return json.dumps([case._asdict() | figures._asdict() for case, figures in results.items()], indent=1)


def from_json(text: str) -> Results:
    return {
        Case(*(row[name] for name in Case._fields)): Figures(*(row[name] for name in Figures._fields))
        for row in json.loads(text)
    }


def chart(results: Results) -> Chart:
    first = next(iter(results)).target
    results = {case: figures for case, figures in results.items() if case.connections == BOUNDED[1]} or results
    is_alone = all(case.target == first for case in results)
    bars = {"raw RSA-2048 signature": 1.0}
    for case, figures in results.items():
        if label := _CHARTED.get(case.operation):
            bars[label if case.target == first else f"{case.operation}, {case.target}"] = round(figures.share, 2)
    return Chart(
        title="Tokens issued on one core",
        command="python3 scripts/bench/speed/tokens.py" + ("" if is_alone else " --token-url ..."),
        unit="share of the rate at which the same core makes raw RSA-2048 signatures",
        bars=bars,
        ours=tuple(_CHARTED.values()),
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--operation", choices=OPERATIONS, action="append", help="measure only this one (repeatable)")
    parser.add_argument("--rounds", type=int, default=7, help="default 7")
    parser.add_argument("--seconds", type=float, default=3, help="seconds of load at each rate (default 3)")
    parser.add_argument("--connections", type=int, nargs="+", default=[64], help="default 64")
    parser.add_argument("--workers", type=int, nargs="+", default=[1], help="worker processes (default 1)")
    parser.add_argument("--database", choices=KINDS, nargs="+", default=["sqlite"])
    parser.add_argument("--algorithm", choices=("RS256", "PS256", "ES256", "EdDSA"), nargs="+", default=["RS256"])
    parser.add_argument(
        "--authorizations",
        type=int,
        nargs="+",
        default=[0],
        help="how many are in the database, and are refreshed in turn (default: one for each connection)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file")
    parser.add_argument(
        "--compare", type=Path, metavar="FILE", help="compare with this file, which an earlier run wrote with --json"
    )
    parser.add_argument("--chart", type=Path, help="write the shares to this .json, for scripts/bench/chart.py")
    peer.add_arguments(parser)
    return parser.parse_args(arguments)


def variants(asked: argparse.Namespace) -> list[Variant]:
    databases = [kind for kind in asked.database if not is_skipped(kind)]
    return [Variant(*each) for each in product(asked.workers, databases, asked.algorithm, asked.authorizations)]


def measured(asked: argparse.Namespace, folder: Path) -> Results:
    cores = sorted(os.sched_getaffinity(0))
    operations = with_needs(asked.operation or OPERATIONS)
    with ours(folder, variants(asked), max(asked.connections), cores) as servers:
        os.sched_setaffinity(0, set(cores[-1:]))
        targets: dict[str, tuple[Target, Sequence[str]]] = {each.name: (each, operations) for each in servers}
        if asked.token_url:
            other = peer.from_arguments(asked, cores)
            targets[other.name] = other, [each for each in other.clients.operations if each in operations]
        try:
            return run_rounds(targets, asked.rounds, asked.seconds, asked.connections)
        finally:
            os.sched_setaffinity(0, set(cores))


def print_result(asked: argparse.Namespace, results: Results) -> bool:
    """Print the results, and write the files that were asked for. Returns whether all bounds hold."""
    print(f"medians of {asked.rounds} rounds; CPU is that of a request besides its signatures and its password check")
    print(*table(results), sep="\n")
    if asked.compare:
        print(*compared(results, from_json(asked.compare.read_text())), sep="\n")
    if asked.json:
        asked.json.write_text(to_json(results) + "\n")
    if asked.chart:
        chart(results).save(asked.chart)
    missed = [f"NOT HELD: {fault}" for fault in faults(results)]
    is_bounded = any(case[:2] == BOUNDED for case in results)
    held = "every bound holds" if is_bounded else f"The bounds are for {BOUNDED[0]} and {BOUNDED[1]} connections."
    print("", *(missed or [held]), sep="\n")
    return not missed


def print_rest() -> bool:
    """Measure and print what is not an operation of the server: the guard, the start and the memory."""
    microseconds, share = guard_speed()
    print(f"\nthe guard verifies a fresh token in {microseconds:.0f} us: {share:.1f} of the raw rate on one core")
    start = measure_start()
    print(f"memory when idle {start.memory / 1e6:.0f} MB; first 200 after {start.seconds:.2f} s")
    return start.memory < MEMORY * 1e6 and start.seconds < FIRST_RESPONSE


def main(arguments: Sequence[str] | None = None) -> int:
    asked = parse(arguments)
    with tempfile.TemporaryDirectory() as folder:
        good = print_result(asked, measured(asked, Path(folder)))
    if not asked.operation:
        good = print_rest() and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
