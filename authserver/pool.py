"""Threads for work that would block the event loop, with a bounded and fair queue in front of them.

Not concurrent.futures: Python waits for its threads when the process ends, however long their work hangs.
"""

import asyncio
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from threading import Condition, Thread
from typing import Any, TypeVar

from . import cpu
from .domain.errors import Unavailable
from .domain.fair_queue import PreferringQueue

T = TypeVar("T")
_SHUTDOWN_TIMEOUT = 5.0  # seconds to finish running tasks when the pool is closed
_RETRY_AFTER = 2  # seconds


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    work: Callable[[], Any]
    done: "asyncio.Future[Any]"
    sender: Hashable


class Pool:
    def __init__(
        self,
        name: str,
        threads: int,
        queue: int,
        timeout: float | None = None,
        *,
        finishes_work: bool = False,
        yields: bool = False,
    ) -> None:
        """`queue` is how many tasks may wait. If the queue is full, the sender with the most waiting tasks loses its
        newest one; of equal senders, one whose tasks are not preferred.

        `timeout` is how long a caller waits, in seconds; with `finishes_work`, only until its work begins. The threads
        of a pool that `yields` have a lower priority than the rest of the process."""
        self._name, self._limit, self._timeout = name, threads + queue, timeout
        self._finishes_work, self._yields = finishes_work, yields
        self._waiting, self._changed, self._closed = PreferringQueue[_Task](), Condition(), False
        self._max_threads, self._threads, self._busy = threads, list[Thread](), 0

    async def run(
        self, work: Callable[..., T], *arguments: object, sender: Hashable = None, preferred: bool = False
    ) -> T:
        """Run `work` in a thread; return its result or raise its error. Tasks of different senders take turns; while
        preferred ones wait, every second task is one of them. An error that has a special meaning to asyncio or to the
        process (StopIteration, CancelledError, SystemExit) becomes a RuntimeError.

        A caller that is cancelled withdraws its task, unless it is already running. Raises Unavailable if the queue is
        full or the timeout expires."""
        loop = asyncio.get_running_loop()
        task = _Task(partial(work, *arguments), loop.create_future(), sender)
        self._submit(task, preferred)
        timer = loop.call_later(self._timeout, self._expire, task) if self._timeout is not None else None
        try:
            done: T = await task.done
        finally:
            self._withdraw(task)
            if timer is not None:
                timer.cancel()
        return done

    @property
    def waiting(self) -> int:
        """How many tasks wait for a thread."""
        return len(self._waiting)

    def close(self) -> None:
        """Drop waiting tasks, and wait a few seconds for running ones."""
        with self._changed:
            self._closed, self._waiting = True, PreferringQueue()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(_SHUTDOWN_TIMEOUT)

    def _submit(self, task: _Task, preferred: bool) -> None:
        with self._changed:
            self._waiting.put(task.sender, task, preferred=preferred)
            rejected = self._waiting.drop() if len(self._waiting) + self._busy > self._limit else None
            self._changed.notify()
            if len(self._threads) < self._max_threads:
                self._threads.append(Thread(target=self._serve, name=self._name, daemon=True))
                self._threads[-1].start()
        if rejected is not None:
            self._reject(rejected)

    def _reject(self, task: _Task) -> None:
        _fail(task.done, Unavailable(f"The {self._name} queue is full.", retry_after=_RETRY_AFTER))

    def _expire(self, task: _Task) -> None:
        if self._withdraw(task) or not self._finishes_work:
            late = f"The {self._name} took longer than {self._timeout} s."
            _fail(task.done, Unavailable(late, retry_after=_RETRY_AFTER))

    def _withdraw(self, task: _Task) -> bool:
        """Drop the task if it still waits; a running task keeps its place until it finishes."""
        with self._changed:
            return self._waiting.remove(task.sender, task)

    def _serve(self) -> None:
        if self._yields:
            cpu.yield_to_others()
        while (task := self._next()) is not None:
            try:
                outcome = partial(_succeed, task.done, task.work())
            except BaseException as error:  # SystemExit, too, must end neither this thread nor the server
                outcome = partial(_fail, task.done, as_failure(error))
            with self._changed:
                self._busy -= 1
            with suppress(RuntimeError):  # the loop is closed, so no caller waits
                task.done.get_loop().call_soon_threadsafe(outcome)

    def _next(self) -> _Task | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            self._busy += 1
            return self._waiting.take()


def as_failure(error: BaseException) -> Exception:
    """Return an error that fails only the caller. A future does not take StopIteration; CancelledError would look like
    a caller that has gone."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    return RuntimeError(f"The work ended with {type(error).__name__}.").with_traceback(error.__traceback__)


def _succeed(done: "asyncio.Future[Any]", result: object) -> None:
    if not done.done():
        done.set_result(result)


def _fail(done: "asyncio.Future[Any]", error: Exception) -> None:
    if not done.done():
        done.set_exception(error)
