"""Reads the mails that a server wrote into a folder."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path


def mails_in(folder: Path) -> list[EmailMessage]:
    """Return them in the order in which they were asked for."""
    files = sorted(folder.glob("*.eml"), key=lambda file: [int(part) for part in file.stem.split(".")])
    return [message_from_bytes(file.read_bytes(), policy=default) for file in files]


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    """Return the plain text, or the HTML."""
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")
