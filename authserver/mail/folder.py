"""Writes each email to a file, for development."""

import os
from email.message import EmailMessage
from pathlib import Path

from ..outbox import NotSent


class MailFolderTransport:
    encoding = "8bit"  # easy to read

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __str__(self) -> str:
        return str(self._folder)

    def check(self) -> None: ...

    def deliver(self, mail: EmailMessage, recipient: str) -> None:
        """Write a new file `DATE-ID.eml`, readable by this user only. Raises NotSent."""
        name = str(mail["Message-ID"]).strip("<>").partition("@")[0]
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            unfinished = self._folder / f".{name}"
            with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(mail.as_bytes())
            unfinished.replace(self._folder / f"{name}.eml")
        except OSError as error:
            raise NotSent(f"{self._folder} cannot be written: {error.strerror}") from error
