"""The pipeline with an observer, for metrics and traces. Without one the server runs `Pipeline` itself, at no cost."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from copy import copy
from enum import Enum
from typing import Any, Protocol, TypeVar

from ..system import stopwatch
from .errors import Refusal, Stale
from .event import Event
from .handler import Handler
from .pipeline import Pipeline

A = TypeVar("A")
STEPS = ("accept_client", "load", "count", "authenticate", "decide", "sign", "commit")
"""The steps of `Pipeline._attempt`, in their order."""


StepEnded = Callable[[int, int], None]
"""Called when a step has ended, with a result or an exception. Both times are nanoseconds of `system.stopwatch`."""


class Observer(Protocol):
    """Every request calls these methods, in the event loop, so they must cost little. They must not raise."""

    def step(self, name: str) -> StepEnded:
        """Return the function that is called after each step of that name."""
        ...

    def conflicted(self) -> None:
        """An attempt was in vain, because the loaded data was out of date or another request committed first."""

    def judged(self, verdict: Enum) -> None:
        """A request is over whose handler had this verdict."""

    def happened(self, event: Event) -> None:
        """An event is about to be logged; the level of the log does not matter."""


class Observers:
    """Several observers as one."""

    def __init__(self, observers: Collection[Observer]) -> None:
        self._observers = observers

    def step(self, name: str) -> StepEnded:
        ends = [observer.step(name) for observer in self._observers]

        def ended(began: int, ended: int) -> None:
            for end in ends:
                end(began, ended)

        return ended

    def conflicted(self) -> None:
        for observer in self._observers:
            observer.conflicted()

    def judged(self, verdict: Enum) -> None:
        for observer in self._observers:
            observer.judged(verdict)

    def happened(self, event: Event) -> None:
        for observer in self._observers:
            observer.happened(event)


def _observed(run: Callable[..., Awaitable[Any]], ended: StepEnded) -> Callable[..., Awaitable[Any]]:
    """Return the step with a stopwatch around it."""

    async def observed(*arguments: Any) -> Any:
        began = stopwatch()
        try:
            return await run(*arguments)
        finally:
            ended(began, stopwatch())

    return observed


class ObservedPipeline(Pipeline):
    def __init__(self, *parts: Any, observer: Observer, timed_every: int = 1) -> None:
        """`parts` are the arguments of `Pipeline`. The steps of one in `timed_every` attempts are timed: timing costs
        as much as everything else that is observed, and the distribution is the same."""
        super().__init__(*parts)
        self._observer = observer
        self._timed_every, self._turn = timed_every, 0
        self._timed = copy(self)
        for step in STEPS:
            setattr(self._timed, f"_{step}", _observed(getattr(self, f"_{step}"), observer.step(step)))

    async def _attempt(self, handler: Handler[A]) -> A:
        turn, self._turn = self._turn, (self._turn + 1) % self._timed_every
        try:
            return await Pipeline._attempt(self if turn else self._timed, handler)
        except Stale:
            self._observer.conflicted()
            raise

    async def _refuse(self, handler: Handler[A], refusal: Refusal) -> A:
        try:
            return await super()._refuse(handler, refusal)
        except Stale:
            self._observer.conflicted()
            raise

    def _log(self, handler: Handler[Any], events: Iterable[Event]) -> None:
        """The pipeline calls this once for each request, when its outcome is durable."""
        if handler.verdict is not None:
            self._observer.judged(handler.verdict)
        if events:  # most requests have none
            super()._log(handler, self._noting(events))

    def _noting(self, events: Iterable[Event]) -> Iterator[Event]:
        for event in events:
            self._observer.happened(event)
            yield event
