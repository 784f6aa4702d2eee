"""Sends the messages that the server owes to others, such as mails and logout tokens."""

from .sender import NotSent, Sender
from .worker import OutboxWorker

__all__ = ["NotSent", "OutboxWorker", "Sender"]
