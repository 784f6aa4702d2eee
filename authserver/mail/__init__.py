"""Composes emails from messages in the outbox, and hands them to a mail server or, in development, to a folder.

sender.py      sends one kind of message in the outbox: mails
templates.py   their texts; templates/ and locale/ have the texts themselves
composing.py   a mail with its headers
smtp.py        hands it to a mail server; folder.py  writes it to a file
"""

from .sender import MailSender, Unconfigured, Unneeded, Values
from .templates import MailTemplates
from .transport import Transport

__all__ = ["MailSender", "MailTemplates", "Transport", "Unconfigured", "Unneeded", "Values"]
