"""The interface of a receiver of events."""

from collections.abc import Sequence
from typing import Protocol

from ..store.events import StoredEvent


class NotReceived(Exception):
    """The receiver did not accept all events. `received` is how many it accepted, in order; the text tells the operator
    why it accepted no more."""

    def __init__(self, reason: str, received: int = 0) -> None:
        super().__init__(reason)
        self.received = received


class Receiver(Protocol):
    name: str
    """Its name in the database and in the log."""
    limit: int
    """How many events it takes at a time."""

    async def send(self, events: Sequence[StoredEvent]) -> None:
        """Hand over the events. Raises NotReceived. It takes less than `domain.delivery.LEASE` seconds."""

    def close(self) -> None: ...
