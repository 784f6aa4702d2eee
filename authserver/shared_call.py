"""A piece of work that many may ask for at once, and that is done for all of them together, every so often at most."""

import asyncio
from collections.abc import Awaitable, Callable


class SharedCall:
    """Every call waits for a run that begins after it, so that it sees what was true when it was made."""

    def __init__(self, work: Callable[[], Awaitable[None]], seconds: float) -> None:
        """`seconds` is the least time between the beginnings of two runs."""
        self._work, self._seconds = work, seconds
        self._waiting: asyncio.Task[None] | None = None
        self._began_at = float("-inf")

    async def __call__(self) -> None:
        """Raises what the run raises."""
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
    """Whoever waited may have gone."""
    if not task.cancelled():
        task.exception()
