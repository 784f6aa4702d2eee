"""What takes a mail."""

from email.message import EmailMessage
from typing import Protocol


class Transport(Protocol):
    encoding: str
    """The content transfer encoding of texts that are not ASCII."""

    def deliver(self, mail: EmailMessage, recipient: str) -> None:
        """Hand the mail over; called in a thread. Raises NotSent."""

    def check(self) -> None:
        """Find out whether it would be taken. Raises NotSent."""

    def __str__(self) -> str:
        """Return what takes it, without a secret."""
