"""The interface of a mail transport: a mail server or a folder."""

from email.message import EmailMessage
from typing import Protocol


class Transport(Protocol):
    encoding: str
    """The content transfer encoding of texts that are not ASCII."""

    def deliver(self, mail: EmailMessage, recipient: str) -> None:
        """Hand the email over; called in a thread. Raises NotSent."""

    def check(self) -> None:
        """Find out whether an email would be accepted. Raises NotSent."""

    def __str__(self) -> str:
        """Return the name of the mail server or folder, without a secret."""
