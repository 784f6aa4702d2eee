"""Measures one operation of one server: at the highest rate at which it responds, and then at half that rate."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from scripts.bench.speed.clients import USES_UP
from scripts.bench.speed.targets import Target
from tests.harness.http_client import Load, Response, Script, load, run

_RAW_SHARE = 1 / 6
"""Share of the seconds of a measurement for which the core does only raw work, before it and again after it."""


@dataclass(frozen=True)
class Operation:
    signatures: int = 0
    """How many signatures a response contains."""
    raw: str = "signatures"
    """The raw work with which the rate of the operation is compared."""
    status: int = 200
    seconds: float = 1.0
    """How long the operation is measured, as a share: shorter if it uses up the results of slower operations."""


OPERATIONS = {
    "client_credentials": Operation(signatures=1),
    "password": Operation(signatures=1, raw="password_checks"),
    "refresh": Operation(signatures=1),
    "authorize": Operation(status=303),
    "redeem": Operation(signatures=2),
    "introspect": Operation(),
    "userinfo": Operation(),
    "jwks": Operation(),
    "revoke": Operation(seconds=0.25),
}
"""In an order in which each operation comes after those whose responses it needs."""


class Figures(NamedTuple):
    """The figures of one round, or medians of several."""

    share: float
    """The rate as a share of that at which the same core only signs, or only checks passwords."""
    rate: float
    cpu: float
    """Microseconds of CPU for each request, besides its signatures and its password check."""
    p50: float
    """Latency in milliseconds, at the highest rate."""
    p99: float
    half_p50: float
    """Latency in milliseconds, at half that rate."""
    half_p99: float
    raw: float
    """How many signatures, or password checks, the core makes in a second."""


def measure(target: Target, operation: str, seconds: float, connections: int) -> Figures:
    """Measure one operation. Raises SystemExit if a response has the wrong status."""
    about = OPERATIONS[operation]
    if operation == "authorize":
        target.clients.forget()
    seconds *= about.seconds
    before_raw, before = target.raw(about.raw, seconds * _RAW_SHARE), target.usage()
    full = _load(target, operation, seconds, connections)
    after = target.usage()
    raws = (before_raw, target.raw(about.raw, seconds * _RAW_SHARE))
    raw, raw_cpu = (statistics.mean(column) for column in zip(*raws, strict=True))
    half = _load(target, operation, seconds, connections, 2 * connections / full.rate)
    each = 1e6 / len(full.latencies)
    if before.signing is None or after.signing is None:
        signing = about.signatures * target.raw("signatures", seconds * _RAW_SHARE).cpu
    else:
        signing = (after.signing - before.signing) * each
    checking = raw_cpu if about.raw == "password_checks" else 0
    cpu = (after.cpu - before.cpu) * each - signing - checking
    p50, p99, half_p50, half_p99 = (load.percentile(share) * 1e3 for load in (full, half) for share in (0.5, 0.99))
    return Figures(full.rate / raw, full.rate, cpu, p50, p99, half_p50, half_p99, raw)


def _load(target: Target, operation: str, seconds: float, connections: int, interval: float = 0) -> Load:
    """Send the requests of one measurement, without an interval as fast as the server responds. Raises SystemExit if a
    response is lost or has the wrong status."""
    scripts = [_script(target, operation, number, saves=not interval) for number in range(connections)]
    done: Load = run(load(target.port, scripts, seconds, interval))
    if set(done.statuses) != {OPERATIONS[operation].status} or done.lost:
        raise SystemExit(f"{target.name}, {operation}: {dict(done.statuses)}, {done.lost} lost, {done.failures[:1]}")
    return done


def _script(target: Target, operation: str, number: int, *, saves: bool) -> Script:
    """With `saves`, a third of what the operation uses up, and at least one, is left for the measurement at half the
    rate."""
    clients = target.clients
    reserve = clients.left(operation, number) // 3 or 1 if saves and operation in USES_UP else 0

    def script(last: Response | None) -> bytes | None:
        if last is not None:
            clients.take(operation, number, last)
        return clients.request(operation, number) if clients.left(operation, number) > reserve else None

    return script


def medians(rounds: Iterable[Figures]) -> Figures:
    return Figures(*(statistics.median(column) for column in zip(*rounds, strict=True)))
