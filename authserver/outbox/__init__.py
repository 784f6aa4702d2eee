"""Sends the messages in the outbox: emails and logout tokens."""

from .sender import NotSent, Sender
from .worker import OutboxWorker

__all__ = ["NotSent", "OutboxWorker", "Sender"]
