"""The interface of receivers, to which `delivery` hands the events of the audit trail."""

from collections.abc import Sequence
from typing import Protocol

from ..store.events import StoredEvent


class NotReceived(Exception):
    """The receiver did not accept all events. `received` is how many of the first ones it accepted; the text tells the
    operator why it did not accept the others."""

    def __init__(self, reason: str, received: int = 0) -> None:
        super().__init__(reason)
        self.received = received


class Receiver(Protocol):
    name: str
    """The receiver's name in the database and in the log."""
    limit: int
    """The largest number of events that one call of `send` may get."""

    async def send(self, events: Sequence[StoredEvent]) -> None:
        """Send the events. Raises NotReceived. It must return within `domain.delivery.LEASE` seconds."""

    def close(self) -> None: ...
