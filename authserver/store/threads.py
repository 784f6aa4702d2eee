"""Threads for calls to the database, which may block.

Not concurrent.futures: Python waits for its threads when the process ends, however long their work hangs.
"""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

from ..domain.models import SECOND
from ..system import steady

_SHUTDOWN_TIMEOUT = 5 * SECOND  # for running work, when the threads are closed


class Threads:
    def __init__(self, name: str, limit: int) -> None:
        """There are at most `limit` threads; each is started when it is first needed."""
        self._name, self._limit, self._threads = name, limit, list[Thread]()
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def submit(self, work: Callable[[], None]) -> None:
        self._work.put(work)
        if len(self._threads) < self._limit:
            self._threads.append(Thread(target=self._serve, name=self._name, daemon=True))
            self._threads[-1].start()

    def close(self) -> None:
        """Wait for running work for a few seconds, and abandon it if it hangs."""
        for _ in self._threads:
            self._work.put(None)
        ends_at = steady() + _SHUTDOWN_TIMEOUT
        for thread in self._threads:
            thread.join(max(0, ends_at - steady()) / SECOND)

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            work()
