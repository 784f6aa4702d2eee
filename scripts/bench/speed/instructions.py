"""Counts the instructions of a request, in all and in each step. A busy machine does not change the result.

Callgrind counts the server's threads in a process with 64 connections (counted_server.py). The clients, RSA signatures,
the hashing of passwords, background tasks and the kernel are not counted. Two runs agree within 1 %. The garbage
collector is counted separately, because when it runs depends on what ran before.

    .venv/bin/python scripts/bench/speed/instructions.py
    .venv/bin/python scripts/bench/speed/instructions.py --operation refresh --total
    .venv/bin/python scripts/bench/speed/instructions.py --compare HEAD~5

A million instructions take about 250 us on a core that makes an RSA-2048 signature in the same time.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from scripts.bench.speed import callgrind

ROOT = Path(__file__).resolve().parents[3]
OPERATIONS = (
    *("client_credentials", "password", "refresh", "authorize", "redeem", "introspect", "userinfo", "jwks", "revoke"),
)
"""In an order in which each operation comes after those whose responses it needs."""
EVENT_LOOP, DATABASE, COLLECTOR = "event_loop", "database", "collector"
TOTAL = (EVENT_LOOP, DATABASE)
_PIPELINE = ("accept_client", "load", "count", "authenticate", "decide", "sign", "commit")
STEPS = (
    *(EVENT_LOOP, "application", "endpoint", "pipeline", *_PIPELINE, "render"),
    *(DATABASE, "database_loads", "database_commits", COLLECTOR),
)
_PARTS = {
    "HTTP and event loop": (EVENT_LOOP, ("application",)),
    "middleware and routing": ("application", ("endpoint",)),
    "parse": ("endpoint", ("pipeline", "render")),
    "pipeline": ("pipeline", _PIPELINE),
    **{step.replace("_", " "): (step, ()) for step in (*_PIPELINE, "render")},
    "database: loads": ("database_loads", ()),
    "database: commits": ("database_commits", ()),
    "database: batches": (DATABASE, ("database_loads", "database_commits")),
}
"""Each row of the table: a step, and the steps in it that are subtracted."""
Counts = Mapping[str, Mapping[str, int]]
"""Instructions for each request, by operation and step. Some steps contain others."""
_SERVER = Path(__file__).with_name("counted_server.py")


def count(
    operations: Sequence[str] = OPERATIONS,
    steps: Sequence[str] = STEPS,
    connections: int = 64,
    rounds: int = 2,
    tree: Path = ROOT,
) -> Counts:
    """Count the server whose package is in the folder `tree`. Returns means of the rounds."""
    asked = {"operations": operations, "steps": steps, "connections": connections, "rounds": rounds}
    environment = os.environ | {"PYTHONPATH": str(tree)}
    with tempfile.TemporaryDirectory() as folder:
        prepare = [sys.executable, str(_SERVER), "prepare", folder, str(connections)]
        subprocess.run(prepare, check=True, env=environment)
        counts = callgrind.counts_of([str(_SERVER), "count", folder, json.dumps(asked)], environment)
    sums: dict[str, dict[str, int]] = {operation: dict.fromkeys(steps, 0) for operation in operations}
    for name, instructions in counts.items():
        operation, step, _ = name.split()
        sums[operation][step] += instructions
    requests = connections * rounds
    return {
        operation: {step: each // requests for step, each in by_step.items()} for operation, by_step in sums.items()
    }


def total(steps: Mapping[str, int]) -> int:
    return sum(steps[step] for step in TOTAL)


def parts(steps: Mapping[str, int]) -> dict[str, int]:
    """Return the number in each row of the table: that of a step, without the steps that it contains."""
    return {
        name: steps[step] - sum(steps[inner] for inner in contained)
        for name, (step, contained) in _PARTS.items()
        if step in steps
    }


def table(counts: Counts) -> str:
    """Return a table in thousands of instructions."""
    columns = {operation: _column(steps) for operation, steps in counts.items()}
    lines = [" " * 23 + "".join(f"{name:>20}" if len(name) > 12 else f"{name:>12}" for name in columns)]
    for row in next(iter(columns.values())):
        cells = (f"{column[row] / 1000:>{20 if len(name) > 12 else 12}.0f}" for name, column in columns.items())
        lines.append(f"{row:23}" + "".join(cells))
    return "\n".join(lines)


def _column(steps: Mapping[str, int]) -> dict[str, int]:
    rows = parts(steps) if "application" in steps else {}
    collector = {"garbage collector": steps[COLLECTOR]} if COLLECTOR in steps else {}
    return rows | {"total": total(steps)} | collector


@contextmanager
def package_of(commit: str) -> Iterator[Path]:
    """Yield a temporary folder with the package of that commit."""
    with tempfile.TemporaryDirectory() as folder:
        archive = ["git", "-C", str(ROOT), "archive", "--format=tar", commit, "authserver", "openapi.yaml"]
        tar = subprocess.run(archive, check=True, stdout=subprocess.PIPE).stdout
        subprocess.run(["tar", "-x", "-C", folder], check=True, input=tar)
        yield Path(folder)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--operation", choices=OPERATIONS, action="append", help="count only this one (repeatable)")
    parser.add_argument("--total", action="store_true", help="count only totals, which takes a fifth of the time")
    parser.add_argument("--connections", type=int, default=64, help="default 64")
    parser.add_argument("--rounds", type=int, default=2, help="rounds of one request on each connection (default 2)")
    parser.add_argument("--compare", metavar="COMMIT", help="count this commit, too")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    asked = parser.parse_args(arguments)
    if why := callgrind.missing():
        sys.exit(why)
    operations, steps = asked.operation or OPERATIONS, TOTAL if asked.total else STEPS
    counts = {"now": count(operations, steps, asked.connections, asked.rounds)}
    if asked.compare:
        with package_of(asked.compare) as tree:
            counts[asked.compare] = count(operations, steps, asked.connections, asked.rounds, tree)
    print(json.dumps(counts, indent=1) if asked.json else report(counts))
    return 0


def report(named: Mapping[str, Counts]) -> str:
    blocks = [f"{name}: thousands of instructions for each request\n{table(counts)}" for name, counts in named.items()]
    now, *others = named.values()
    for other in others:
        shares = (f"{name} {total(now[name]) / total(other[name]):.3f}" for name in now)
        blocks.append("now as a share of then: " + ", ".join(shares))
    return "\n\n".join(blocks)


if __name__ == "__main__":
    sys.exit(main())
