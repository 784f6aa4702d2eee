"""Threads for work that would block the event loop, with a bounded queue in front of them.

Not concurrent.futures: Python waits for its threads when the process ends, however long their work hangs.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from threading import Condition, Thread
from typing import Any, TypeVar

from .domain.errors import Unavailable

T = TypeVar("T")
_SHUTDOWN_TIMEOUT = 5.0  # seconds to finish running tasks when the pool is closed


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    work: Callable[[], Any]
    done: "asyncio.Future[Any]"


class Pool:
    def __init__(self, name: str, threads: int, queue: int, timeout: float | None = None) -> None:
        """`queue` is how many tasks may wait; more are rejected. `timeout` is how long a caller waits, in seconds."""
        self._name, self._capacity, self._timeout = name, threads + queue, timeout
        self._waiting, self._changed, self._closed = deque[_Task](), Condition(), False
        self._max_threads, self._threads = threads, list[Thread]()

    async def run(self, work: Callable[..., T], *arguments: object) -> T:
        """Run `work` in a thread; return its result or raise its error. Raises Unavailable if the queue is full or the
        timeout expires."""
        if self._capacity <= 0:
            raise Unavailable(f"The {self._name} queue is full.", retry_after=2)
        task = _Task(partial(work, *arguments), asyncio.get_running_loop().create_future())
        self._capacity -= 1
        with self._changed:
            self._waiting.append(task)
            self._changed.notify()
            if len(self._threads) < self._max_threads:
                self._threads.append(Thread(target=self._serve, name=self._name, daemon=True))
                self._threads[-1].start()
        try:
            done: T = await asyncio.wait_for(task.done, self._timeout)
        except TimeoutError:
            raise Unavailable(f"The {self._name} took longer than {self._timeout} s.", retry_after=2) from None
        finally:
            self._withdraw(task)
        return done

    def close(self) -> None:
        """Drop waiting tasks, and wait a few seconds for running ones."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(_SHUTDOWN_TIMEOUT)

    def _withdraw(self, task: _Task) -> None:
        """Drop the task if its caller was cancelled; a running task frees its slot when it finishes."""
        with self._changed, suppress(ValueError):
            self._waiting.remove(task)
            self._capacity += 1

    def _serve(self) -> None:
        while (task := self._next()) is not None:
            try:
                outcome = partial(_succeed, task.done, task.work())
            except Exception as error:
                outcome = partial(_fail, task.done, error)
            with suppress(RuntimeError):  # the loop is closed, so no caller waits
                task.done.get_loop().call_soon_threadsafe(self._leave, outcome)

    def _next(self) -> _Task | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            return self._waiting.popleft() if self._waiting else None

    def _leave(self, settle: Callable[[], None]) -> None:
        self._capacity += 1
        settle()


def _succeed(done: "asyncio.Future[Any]", result: object) -> None:
    if not done.done():
        done.set_result(result)


def _fail(done: "asyncio.Future[Any]", error: Exception) -> None:
    if not done.done():
        done.set_exception(error)
