"""Composes an email: its headers, a plain text and the same as HTML."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

from ..domain.mail import Mailbox, is_address
from ..domain.models import SECOND
from ..outbox import NotSent


@dataclass(frozen=True, slots=True)
class Text:
    subject: str
    plain: str
    html: str
    language: str


def compose(sender: Mailbox, recipient: str, text: Text, *, id: int, created_at: int, encoding: str) -> EmailMessage:
    """Return the email. `id` and `created_at` (microseconds) are those of the message in the outbox: if it is sent
    again, mailboxes that compare the header Message-ID show it once. Raises NotSent if the recipient is no valid
    address."""
    if not is_address(recipient):
        raise NotSent("the recipient is not an address", is_permanent=True)
    mail = EmailMessage(SMTP)
    mail["From"] = Address(sender.name, addr_spec=sender.address)
    mail["To"] = Address(addr_spec=recipient)
    mail["Subject"] = " ".join(text.subject.split())  # a line break would begin another header
    mail["Date"] = datetime.fromtimestamp(created_at // SECOND, UTC)
    mail["Message-ID"] = f"<{created_at}.{id}@{sender.domain}>"
    # RFC 3834 s5: so that no out-of-office reply comes back
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text.plain, cte=_encoding(text.plain, encoding))
    mail.add_alternative(text.html, subtype="html", cte=_encoding(text.html, encoding))
    mail["Content-Language"] = text.language  # last: the lines above move such headers into the part
    return mail


def _encoding(text: str, encoding: str) -> str:
    """Return the encoding of the text. Plain ASCII stays readable, and its links stay in one piece."""
    # RFC 5322 s2.1.1: Each line of characters MUST be no more than 998 characters
    fits = all(len(line) <= 998 for line in text.splitlines())
    return "7bit" if text.isascii() and fits else encoding
