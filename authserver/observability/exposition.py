"""The metrics of the whole server as Prometheus reads them."""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from math import inf

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from .. import __version__
from ..clock import Clock
from ..domain.algorithms import ALGORITHMS
from ..domain.key_schedule import KeyPolicy, Keys, due
from ..domain.models import SECOND
from ..store.outbox import Backlog
from . import metrics
from .metrics import COUNTED, SAMPLED, Metric
from .sheet import Row, Sheet, place

ALIVE = 10_000_000
"""A process that has not reported for this many microseconds counts as dead."""
_CHANGES = {"promotable_at": "promotable", "activated_at": "promote", "destroyed_at": "destroy", "removed_at": "remove"}


class Exposition:
    def __init__(
        self,
        sheet: Sheet,
        clock: Clock,
        keys: Callable[[], Keys],
        policy: KeyPolicy,
        backlog: Callable[[], Mapping[str, Backlog]],
    ) -> None:
        """`keys` returns the signing keys as this process knows them, and `backlog` the messages that wait in the
        outbox, by kind."""
        self._sheet, self._clock, self._keys, self._policy, self._backlog = sheet, clock, keys, policy, backlog
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Families(self._families))

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return the text, in a format that the header Accept allows, and its content type."""
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # from a version or an escaping that it does not know
            encode, content_type = choose_encoder("")
        return encode(self._registry), content_type

    def _families(self) -> Iterator[Family]:
        used = list(self._sheet.used())
        alive = [(number, row) for number, row in used if self._clock.steady() - row.alive_at < ALIVE]
        yield from (_summed(metric, [row for _, row in used]) for metric in COUNTED)
        yield from (_sampled(metric, alive) for metric in SAMPLED)
        yield _gauge(metrics.BUILD, [((__version__, platform.python_version()), 1)])
        yield _gauge(metrics.WORKERS, [((), len(alive))])
        keys = self._keys()
        yield _gauge(metrics.KEYS, _key_states(keys))
        yield _gauge(metrics.KEY_CHANGES, _next_changes(keys, self._policy))
        backlog, now = self._backlog(), self._clock()
        yield _gauge(metrics.WAITING, [((kind,), waiting.messages) for kind, waiting in backlog.items()])
        yield _gauge(metrics.OLDEST, [((kind,), _age(waiting, now)) for kind, waiting in backlog.items()])


class _Families(Collector):
    def __init__(self, collect: Callable[[], Iterable[Family]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Family]:
        return self._collect()


def _summed(metric: Metric, rows: list[Row]) -> Family:
    labels = list(metric.labels)
    family: CounterMetricFamily | HistogramMetricFamily
    if metric.kind == "counter":
        family = CounterMetricFamily(metric.name, metric.help, labels=labels)
    else:
        family = HistogramMetricFamily(metric.name, metric.help, labels=labels)
    for values in metric.series():
        start = place(metric, *values)
        sums = [sum(row[start + cell] for row in rows) for cell in range(metric.cells)]
        if isinstance(family, CounterMetricFamily):
            family.add_metric(values, sums[0])
        else:
            bounds = map(floatToGoString, (*metric.buckets, inf))
            family.add_metric(values, list(zip(bounds, accumulate(sums[:-1]), strict=True)), sums[-1])
    return family


def _sampled(metric: Metric, alive: list[tuple[int, Row]]) -> Family:
    family = GaugeMetricFamily(metric.name, metric.help, labels=["worker"])
    for number, row in alive:
        family.add_metric([str(number)], row[place(metric)])
    return family


def _gauge(metric: Metric, series: Iterable[tuple[tuple[str, ...], float]]) -> Family:
    family = GaugeMetricFamily(metric.name, metric.help, labels=list(metric.labels))
    for values, number in series:
        family.add_metric(values, number)
    return family


def _age(waiting: Backlog, now: int) -> float:
    """Return the age of the oldest message in seconds."""
    return 0.0 if waiting.oldest is None else max(now - waiting.oldest, 0) / SECOND


def _key_states(keys: Keys) -> Iterator[tuple[tuple[str, ...], int]]:
    for alg, state in metrics.KEYS.series():
        yield (alg, state), sum(key.alg == alg and key.state == state for key in keys)


def _next_changes(keys: Keys, policy: KeyPolicy) -> Iterator[tuple[tuple[str, str], float]]:
    soonest: dict[tuple[str, str], int] = {}
    for key in keys:
        for name, at in due(key, keys, policy).items():
            if key.alg in ALGORITHMS and name in _CHANGES:
                series = key.alg, _CHANGES[name]
                soonest[series] = min(at, soonest.get(series, at))
    return ((series, at / 1_000_000) for series, at in soonest.items())
