"""Runs a piece of work once for many concurrent callers, and at most once in an interval."""

import asyncio
from collections.abc import Awaitable, Callable


class SharedCall:
    """Each call waits for a run that begins after it, so that the run sees everything that happened before the call."""

    def __init__(self, work: Callable[[], Awaitable[None]], seconds: float) -> None:
        """`seconds` is the minimum time between the starts of two runs."""
        self._work, self._seconds = work, seconds
        self._waiting: asyncio.Task[None] | None = None
        self._began_at = float("-inf")

    async def __call__(self) -> None:
        """Wait for a run. Raises what the run raises."""
        if self._waiting is None:
            self._waiting = asyncio.create_task(self._run())
            self._waiting.add_done_callback(_look_at_error)
        await asyncio.shield(self._waiting)

    async def _run(self) -> None:
        now = asyncio.get_running_loop().time
        try:
            await asyncio.sleep(self._began_at + self._seconds - now())
            self._began_at = now()
        finally:
            self._waiting = None
        await self._work()


def _look_at_error(task: "asyncio.Task[None]") -> None:
    """Retrieve the error, so that asyncio does not warn if every caller was cancelled."""
    if not task.cancelled():
        task.exception()
