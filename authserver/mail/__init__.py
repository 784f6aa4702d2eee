"""Composes emails from messages in the outbox, and hands them to a mail server or, in development, to a folder.

sender.py      sends one kind of message in the outbox: mails; unconfigured.py  fails to, without a mail server
templates.py   their texts; templates/ and locale/ have the texts themselves
values.py      what the texts are given
composing.py   a mail with its headers
smtp.py        hands it to a mail server; folder.py  writes it to a file

The other modules are imported only by servers that send emails: with them, a server takes 1 MB more.
"""

from .unconfigured import Unconfigured
from .values import Unneeded, Values, as_they_are

__all__ = ["Unconfigured", "Unneeded", "Values", "as_they_are"]
