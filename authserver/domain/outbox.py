"""Messages in the outbox, such as emails and logout tokens: when an attempt to send one is due, and
when it is given up."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .delivery import LEASE, wait
from .models import SECOND

LOGOUT, MAIL = "logout", "mail"
"""The kinds of messages: their names in the database, in the log and in metrics."""
KINDS = (LOGOUT, MAIL)
DELIVERED, FAILED, GIVEN_UP = OUTCOMES = ("delivered", "failed", "given_up")
"""How an attempt ended. One that failed is repeated."""
GIVE_UP_AFTER = 86400
"""Seconds after which an attempt that fails is the last one."""
LONGEST_WAIT = 600
"""Seconds between two attempts after many failures: a receiver that is back is told soon."""


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to be stored in the transaction of the change that it tells of."""

    kind: str
    receiver: str
    """Whom it is for, such as a client's id. Messages for one receiver never hold back those for another."""
    content: Mapping[str, Any] = field(default_factory=dict)
    """What the sender of this kind needs to make the message, as JSON. No secret: that is made when it is sent."""
    user_id: str | None = None
    client_id: str | None = None
    session_id: bytes | None = None

    @property
    def queue(self) -> str:
        """The name of its queue: the kind and the receiver. It is in the log, and so should be the receiver."""
        return f"{self.kind} {self.receiver}"


@dataclass(frozen=True, slots=True)
class Message:
    """A stored message. Times are in microseconds."""

    id: int
    queue: str
    content: Mapping[str, Any]
    user_id: str | None
    client_id: str | None
    session_id: bytes | None
    created_at: int
    next_at: int | None
    """When the next attempt is due; None if it was delivered or given up."""
    failures: int = 0
    """How many attempts have failed."""
    reason: str = ""
    """Why the last one did."""
    finished_at: int | None = None
    """When it was delivered or given up."""
    is_delivered: bool = False

    @property
    def kind(self) -> str:
        return kind_of(self.queue)

    @property
    def receiver(self) -> str:
        return self.queue.partition(" ")[2]

    @property
    def outcome(self) -> str | None:
        """How the last attempt ended; None if none has."""
        if self.finished_at is not None:
            return DELIVERED if self.is_delivered else GIVEN_UP
        return FAILED if self.failures else None

    def begun(self, now: int) -> "Message":
        """An attempt has begun. If a crash interrupts it, it is repeated when its lease has ended."""
        return replace(self, next_at=now + LEASE * SECOND)

    def delivered(self, now: int) -> "Message":
        return replace(self, next_at=None, finished_at=now, is_delivered=True, reason="")

    def failed(self, reason: str, now: int, *, is_permanent: bool = False) -> "Message":
        """An attempt has failed. After a day, or if repeating it cannot help, it was the last one."""
        failures = self.failures + 1
        failed = replace(self, failures=failures, reason=reason)
        if is_permanent or now - self.created_at >= GIVE_UP_AFTER * SECOND:
            return replace(failed, next_at=None, finished_at=now)
        return replace(failed, next_at=now + wait(failures, LONGEST_WAIT) * SECOND)


def kind_of(queue: str) -> str:
    return queue.partition(" ")[0]


def latest_next_at(now: int) -> int:
    """Return the latest time that would be written now as a `next_at`. A message with a later one is due: the clock
    was set back."""
    return now + LONGEST_WAIT * SECOND
