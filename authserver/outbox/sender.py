"""The interface of what sends one kind of message."""

from typing import Protocol

from ..domain.outbox import Message


class NotSent(Exception):
    """The message was not sent. The text says why, for the operator; it contains no secret.

    With `is_permanent`, repeating it cannot help."""

    def __init__(self, reason: str, *, is_permanent: bool = False) -> None:
        super().__init__(reason)
        self.is_permanent = is_permanent


class Sender(Protocol):
    limit: int
    """How many messages it can send at the same time. One receiver is sent at most two of them."""

    async def send(self, message: Message) -> None:
        """Send the message. Raises NotSent. It takes less than `domain.delivery.LEASE` seconds. Since a crash may
        follow, the same message may be sent again: its `id` and `created_at` say that it is the same."""

    def close(self) -> None: ...
