"""The observers of the server: metrics, traces, both or none."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ..pipeline.observed import ObservedPipeline, Observer, Observers
from ..pipeline.pipeline import Pipeline
from .metrics import TIMED_EVERY
from .recorder import Recorder
from .requests import App, RequestMetrics

if TYPE_CHECKING:
    from .tracing import Tracing  # needs an extra


@dataclass(frozen=True, slots=True)
class Instruments:
    recorder: Recorder | None
    tracing: "Tracing | None"

    def new_pipeline(self, *parts: Any) -> Pipeline:
        """`parts` are the arguments of `Pipeline`. With tracing, the steps of every attempt are timed."""
        observers: list[Observer] = [each for each in (self.recorder, self.tracing) if each is not None]
        if not observers:
            return Pipeline(*parts)
        observer = Observers(observers) if observers[1:] else observers[0]
        return ObservedPipeline(*parts, observer=observer, timed_every=TIMED_EVERY if self.tracing is None else 1)

    def middleware(self, base: str) -> tuple[Callable[[App], App], ...]:
        """Return the middleware that observes requests, the outermost first. `base` is the path of the issuer."""
        traces = () if self.tracing is None else (self.tracing.middleware(base),)
        counts = () if self.recorder is None else (partial(RequestMetrics, recorder=self.recorder, base=base),)
        return (*traces, *counts)

    def close(self) -> None:
        if self.tracing is not None:
            self.tracing.close()
