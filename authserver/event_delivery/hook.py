"""Calls the operator's function with each event."""

from collections.abc import Callable, Sequence
from typing import Any

from ..domain.delivery import HOOK
from ..domain.errors import Unavailable
from ..hook_function import place
from ..pool import Pool
from ..store.events import StoredEvent, described
from .receiver import NotReceived

TIMEOUT = 5.0
"""Seconds that one call may take."""


class Hook:
    name, limit = HOOK, 10

    def __init__(self, function: Callable[[dict[str, Any]], object]) -> None:
        self._function, self._pool = function, Pool("audit hook", threads=1, queue=1, timeout=TIMEOUT)

    async def send(self, events: Sequence[StoredEvent]) -> None:
        """Call the function with one event after another, in a thread. Raises NotReceived if it raises an error or
        takes too long."""
        for received, event in enumerate(events):
            try:
                await self._pool.run(self._function, {"id": event.id, **described(event)})
            except Exception as error:  # the function is the operator's, and may raise anything
                reason = str(error) if isinstance(error, Unavailable) else place(error)
                raise NotReceived(reason, received) from error

    def close(self) -> None:
        self._pool.close()
