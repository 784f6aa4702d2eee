"""Threads for work that would hold up the event loop, with a bounded queue before them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from .domain.errors import Unavailable

T = TypeVar("T")


class Pool:
    def __init__(self, name: str, threads: int, queue: int, patience: float | None = None) -> None:
        """`queue` is how many may wait; more are refused. `patience` is how long a caller waits, in seconds."""
        self._name, self._room, self._patience = name, threads + queue, patience
        self._threads = ThreadPoolExecutor(threads, name)

    async def run(self, work: Callable[..., T], *arguments: object) -> T:
        """What `work` returns or raises. Raises Unavailable when the queue is full or patience ends."""
        if self._room <= 0:
            raise Unavailable(f"The {self._name} queue is full.", retry_after=2)
        self._room -= 1
        done = self._threads.submit(work, *arguments)
        loop = asyncio.get_running_loop()
        # Room comes back when the work is over, not when the caller has gone.
        done.add_done_callback(lambda _: loop.call_soon_threadsafe(self._leave))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(done), self._patience)
        except TimeoutError:
            raise Unavailable(f"The {self._name} took longer than {self._patience} s.", retry_after=2) from None

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)

    def _leave(self) -> None:
        self._room += 1
