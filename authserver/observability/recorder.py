"""Counts what one process does, in its row of the sheet."""

import os
from bisect import bisect_left
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from resource import RLIMIT_NOFILE, RUSAGE_SELF, getrlimit, getrusage

from ..domain.rotation import Verdict
from ..pipeline.event import Event
from ..pipeline.observed import StepEnded
from . import metrics
from .metrics import OTHER, Metric
from .reasons import reason_code
from .sheet import Row, place

_NANOSECOND, _MICROSECOND = 1e-9, 1e-6


@dataclass(frozen=True, slots=True)
class Sources:
    """Values that are read once a second instead of being counted."""

    password_queue: Callable[[], int]
    database_queue: Callable[[], int]
    malformed_requests: Callable[[], int]
    """How many there have been since the process began."""


class Recorder:
    """An observer of the pipeline, of requests and of the database. Every method runs in the event loop."""

    def __init__(self, row: Row, now: int) -> None:
        """`now` is in microseconds since the epoch."""
        self._row, self._numbers = row, row.numbers
        self._events = _places(metrics.EVENTS_LOGGED)
        self._requests = _pair_places(metrics.REQUESTS)
        self._durations = _places(metrics.REQUEST_DURATION)
        self._verdicts: dict[Enum, int] = {verdict: place(metrics.VERDICTS, verdict.value) for verdict in Verdict}
        self._refusals = _places(metrics.REFUSALS)
        self._conflicts = place(metrics.CONFLICTS)
        self._last: dict[Metric, float] = {metrics.CPU: _cpu(), metrics.MALFORMED: 0.0}
        self._numbers[place(metrics.STARTS)] += 1
        self._set(metrics.START_TIME, now * _MICROSECOND)

    def step(self, name: str) -> StepEnded:
        numbers, start = self._numbers, place(metrics.STEP_DURATION, name)
        total = start + metrics.STEP_DURATION.cells - 1

        def ended(began: int, ended: int) -> None:
            taken = ended - began
            numbers[start + bisect_left(_STEP_BOUNDS, taken)] += 1
            numbers[total] += taken * _NANOSECOND

        return ended

    def conflicted(self) -> None:
        self._numbers[self._conflicts] += 1

    def judged(self, verdict: Enum) -> None:
        self._numbers[self._verdicts[verdict]] += 1

    def happened(self, event: Event) -> None:
        self._numbers[self._events.get(event.name, self._events[OTHER])] += 1
        if event.name == "refused":
            code = reason_code(event.fields["error"], event.fields["reason"])
            self._numbers[self._refusals[code]] += 1

    def request_ended(self, endpoint: str, status: int, taken: int) -> None:
        """`endpoint` is one of ENDPOINTS, `status` 0 if no response began, and `taken` in nanoseconds."""
        start, numbers = self._durations[endpoint], self._numbers
        numbers[self._requests[endpoint, status // 100]] += 1
        numbers[start + bisect_left(_REQUEST_BOUNDS, taken)] += 1
        numbers[start + _REQUEST_SUM] += taken * _NANOSECOND

    def group_ended(self, size: int, taken: int) -> None:
        """`size` changes shared a transaction that took `taken` microseconds."""
        numbers, seconds = self._numbers, taken * _MICROSECOND
        numbers[_GROUP_SIZE + bisect_left(_SIZES, size)] += 1
        numbers[_GROUP_SIZE_SUM] += size
        numbers[_GROUP_DURATION + bisect_left(_DURATIONS, seconds)] += 1
        numbers[_GROUP_DURATION_SUM] += seconds

    def attempt_ended(self, kind: str, outcome: str) -> None:
        """An attempt to send a message of this kind from the outbox ended; `outcome` is one of OUTCOMES."""
        self._numbers[place(metrics.MESSAGES, kind, outcome)] += 1

    def sample(self, sources: Sources, steady: Callable[[], int]) -> None:
        """Sample the values that are not counted. A process that does not call this every second is shown as one that
        has ended. `steady` returns microseconds."""
        self._set(metrics.PASSWORD_QUEUE, sources.password_queue())
        self._set(metrics.DATABASE_QUEUE, sources.database_queue())
        self._add_since(metrics.MALFORMED, sources.malformed_requests())
        self._add_since(metrics.CPU, _cpu())
        self._set(metrics.MAX_FILES, getrlimit(RLIMIT_NOFILE)[0])
        with suppress(OSError):  # only Linux has these
            self._set(metrics.MEMORY, _resident_memory())
            self._set(metrics.OPEN_FILES, len(os.listdir("/proc/self/fd")))
        self._row.say_alive(steady())

    def _set(self, metric: Metric, value: float) -> None:
        self._numbers[place(metric)] = value

    def _add_since(self, metric: Metric, total: float) -> None:
        """Add what was counted elsewhere in this process since the last call."""
        self._numbers[place(metric)] += total - self._last[metric]
        self._last[metric] = total


def _places(metric: Metric) -> Mapping[str, int]:
    """Return the place of each series of a metric with one label, by the label's value."""
    return {value: place(metric, value) for (value,) in metric.series()}


def _pair_places(metric: Metric) -> Mapping[tuple[str, int], int]:
    """Return the place of each series of `REQUESTS`, by endpoint and the first digit of the status; 0 is `none`."""
    digits = {status: int(status[0]) if status[0].isdigit() else 0 for status in metrics.STATUSES}
    return {(endpoint, digits[status]): place(metric, endpoint, status) for endpoint, status in metric.series()}


def _cpu() -> float:
    usage = getrusage(RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _resident_memory() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _bounds(metric: Metric) -> list[int]:
    """Return the upper bounds of the buckets in nanoseconds."""
    return [round(bound / _NANOSECOND) for bound in metric.buckets]


def _sum_of(metric: Metric) -> int:
    """Return the place of the sum in a histogram without labels."""
    return place(metric) + metric.cells - 1


_SIZES, _DURATIONS = metrics.GROUP_SIZE.buckets, metrics.GROUP_DURATION.buckets
_GROUP_SIZE, _GROUP_SIZE_SUM = place(metrics.GROUP_SIZE), _sum_of(metrics.GROUP_SIZE)
_GROUP_DURATION, _GROUP_DURATION_SUM = place(metrics.GROUP_DURATION), _sum_of(metrics.GROUP_DURATION)
_STEP_BOUNDS = _bounds(metrics.STEP_DURATION)
_REQUEST_BOUNDS, _REQUEST_SUM = _bounds(metrics.REQUEST_DURATION), metrics.REQUEST_DURATION.cells - 1
