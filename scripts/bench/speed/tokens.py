"""How fast tokens are issued, as shares of the rate at which the same core makes raw RSA-2048 signatures.

One core for the server, another for the load, 64 kept-alive connections; raw signatures, client_credentials, refresh
(durable, SQLite) and JWKS are measured in turn, round after round, and medians are printed: shares of the raw rate of
the same round are steady on a machine whose speed is not.

    .venv/bin/python scripts/bench/speed/tokens.py --rounds 5 --seconds 3
"""

import argparse
import base64
import json
import os
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from scripts.bench.chart import Chart
from tests.harness.constants import PASSWORD
from tests.harness.http_client import Load, Refreshes, Script, get, load, post, run
from tests.harness.live import Live, up

FLOORS = {"client_credentials": (0.50, 200), "refresh": (0.40, 320)}
"""Share of the raw rate, and microseconds of CPU beside the signature."""
_LABELS = {"client_credentials": "client_credentials", "refresh": "refresh_token, durable"}
MEMORY, FIRST_ANSWER = 110, 1.5  # MB, seconds
_TIMED_SERVER = Path(__file__).with_name("timed_server.py")


@dataclass
class Round:
    share: float
    rate: float
    cpu: float
    """Microseconds beside the signature, for each request."""
    p50: float
    p99: float
    signing: float
    """Microseconds of CPU in signatures, for each request."""


class Measured(Live):
    """The self-timing server on a core of its own."""

    program = (str(_TIMED_SERVER),)

    def launch(self, program: Sequence[str] | None = None) -> None:
        super().launch(program)
        assert self.process is not None
        os.sched_setaffinity(self.process.pid, {min(os.sched_getaffinity(0))})

    def ask(self, query: str = "") -> dict[str, float]:
        with urllib.request.urlopen(f"{self.url}/_bench{query}", timeout=60) as answer:
            measures: dict[str, float] = json.load(answer)
            return measures


def scripts(server: Live, connections: int) -> dict[str, list[Script]]:
    client_id, secret = server.machine["client_id"], server.machine["client_secret"]
    basic = "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    own_token = post("/token", {"grant_type": "client_credentials"}, authorization=basic)
    key_set = get("/.well-known/jwks.json")
    return {
        "client_credentials": [lambda last: own_token] * connections,
        "refresh": [Refreshes(server.app["client_id"], token) for token in logins(server, connections)],
        "jwks": [lambda last: key_set] * connections,
    }


def logins(server: Live, many: int) -> Iterator[str]:
    form = {"grant_type": "password", "client_id": server.app["client_id"], "username": "ada", "password": PASSWORD}
    for _ in range(many):
        done = run(load(server.port, [_once(post("/token", form))], 30))
        assert done.statuses == {200: 1}, done.failures
        yield _last.pop()


_last: list[str] = []


def _once(request: bytes) -> Script:
    def script(last: Any) -> bytes | None:
        if last is None:
            return request
        _last.append(last.refresh_token)
        return None

    return script


def measure(server: Measured, these: Sequence[Script], seconds: float, *, status: int = 200) -> Round:
    """Measure one kind of request, whose responses must have this status."""
    before_raw = server.ask(f"?raw={seconds / 3}")["raw"]
    before = server.ask()
    done: Load = run(load(server.port, these, seconds))
    after = server.ask()
    raw = (before_raw + server.ask(f"?raw={seconds / 3}")["raw"]) / 2
    if set(done.statuses) != {status} or done.lost:
        raise SystemExit(f"The server refused: {done.statuses} {done.failures[:1]}")
    each = 1e6 / len(done.latencies)
    signing = (after["signing"] - before["signing"]) * each
    cpu = (after["cpu"] - before["cpu"]) * each - signing
    p50, p99 = (done.percentile(share) * 1e3 for share in (0.5, 0.99))
    return Round(done.rate / raw, done.rate, cpu, p50, p99, signing)


def median(rounds: list[Round], of: Callable[[Round], float]) -> float:
    return statistics.median(of(each) for each in rounds)


def report(name: str, rounds: list[Round]) -> bool:
    share, cpu = median(rounds, lambda each: each.share), median(rounds, lambda each: each.cpu)
    rate, p50 = median(rounds, lambda each: each.rate), median(rounds, lambda each: each.p50)
    p99 = median(rounds, lambda each: each.p99)
    print(f"{name:20} {share:6.2f} {rate:8.0f} {cpu:8.0f} {p50:8.1f} {p99:8.1f}")
    minimum, maximum = FLOORS.get(name, (0, float("inf")))
    return share >= minimum and cpu <= maximum


def chart(rounds: dict[str, list[Round]]) -> Chart:
    bars = {"raw RSA-2048 signature": 1.0}
    for name, label in _LABELS.items():
        bars[label] = round(median(rounds[name], lambda each: each.share), 2)
    return Chart(
        title="Tokens issued on one core",
        command="python3 scripts/bench/speed/tokens.py",
        unit="share of the rate at which the same core makes raw RSA-2048 signatures",
        bars=bars,
        ours=tuple(_LABELS.values()),
    )


@contextmanager
def started(folder: Path, **settings: str) -> Iterator[Measured]:
    with up(Measured(folder, LOG_LEVEL="warning", **settings)) as server:
        yield server


def first_answer(server: Live) -> float:
    """Seconds from the start of the command to its first 200, as users start it."""
    plain = Live(server.folder, **{name: value for name, value in server.settings.items() if name != "ISSUER"})
    began = time.perf_counter()
    plain.start()
    taken = time.perf_counter() - began
    plain.stop()
    return taken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="of load for each kind and round")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--chart", type=Path, help="write the shares to this .json, for scripts/bench/chart.py")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, started(Path(folder)) as server:
        memory = server.ask()["memory"] / 1e6
        if len(cores := sorted(os.sched_getaffinity(0))) > 1:
            os.sched_setaffinity(0, set(cores[1:]))
        taken = statistics.median(first_answer(server) for _ in range(3))
        kinds = scripts(server, asked.connections)
        found: dict[str, list[Round]] = {name: [] for name in kinds}
        for _ in range(asked.rounds):
            for name, these in kinds.items():
                found[name].append(measure(server, these, asked.seconds))
        raw = statistics.median(each.rate / each.share for each in found["client_credentials"])
    print(f"raw RSA-2048 signatures/s on the server's core: {raw:.0f}; medians of {asked.rounds} rounds\n")
    print(f"{'':20} {'of raw':>6} {'per s':>8} {'CPU us':>8} {'p50 ms':>8} {'p99 ms':>8}   (CPU beside the signature)")
    if asked.chart:
        chart(found).save(asked.chart)
    held = [report(name, rounds) for name, rounds in found.items()]
    print(f"\nmemory when idle {memory:.0f} MB; first 200 after {taken:.2f} s")
    good = all(held) and memory < MEMORY and taken < FIRST_ANSWER
    print("every floor is held" if good else f"BELOW A FLOOR: {FLOORS}, {MEMORY} MB, {FIRST_ANSWER} s")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
