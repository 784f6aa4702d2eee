"""Mails of a server in this process: they become files in a folder."""

from pathlib import Path
from typing import Any

from authserver.settings import Settings
from authserver.store.database import Database
from tests.harness.browser import FROM_OUR_PAGE, Browser, form_of
from tests.harness.mails import mails_in, text_of
from tests.web.serving import rows, wait_until


def mailing_to(folder: Path) -> dict[str, Any]:
    """The settings of a server that writes its mails into this folder."""
    return {"smtp_url": Settings(smtp_url=f"file:{folder}").smtp_url}  # type: ignore[arg-type]


def post_address(person: Browser, path: str, address: str, **headers: str) -> Any:
    """The response to the form of this page, when it is posted with the address."""
    action, fields = form_of(person.get(path))
    data = fields | {"email": address}
    return person.http.post(action, data=data, headers=FROM_OUR_PAGE | headers, follow_redirects=False)


class Mailbox:
    """All mails that a server has sent."""

    def __init__(self, folder: Path, database: Database) -> None:
        self._folder, self._database = folder, database

    def mails(self) -> list[Any]:
        """Everything that was sent so far, once nothing waits to be sent any more."""
        wait_until(lambda: all(row["finished_at"] is not None for row in rows(self._database, "outbox")))
        return mails_in(self._folder)

    def link(self) -> str:
        """The link in the newest mail."""
        (link,) = [line for line in text_of(self.mails()[-1]).splitlines() if "?link=" in line]
        return link
