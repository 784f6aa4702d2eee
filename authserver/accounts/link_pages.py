"""The base of the pages that a link in an email opens. Opening one changes nothing, because programs that scan email
open links, too. The page's form carries the link's secret, and works once.
"""

import hmac
from dataclasses import replace
from functools import cached_property

from ..domain import links
from ..domain.models import LinkKind
from ..pipeline.errors import Refusal
from ..pipeline.replies import BrowserAnswer, Page
from ..store.browser_state import BrowserKey
from ..store.links import LinkRecord
from .account_pages import EMAIL
from .browser import BrowserRefusal
from .in_interaction import InInteraction
from .interaction import path_of
from .other_ways import other_ways
from .request import hashed

NAME = "link"
"""The parameter of the secret, in the link and in the form."""


class LinkPage(InInteraction):
    kind: LinkKind

    def key(self) -> BrowserKey:
        return BrowserKey(hashed(self.request.session), link_id=links.id_of(self.request.value(NAME)))

    @cached_property
    def opened(self) -> LinkRecord:
        """The link that was opened, and its user. Raises BrowserRefusal if it does not work, and KeyMissing."""
        record = self.loaded.link
        reason = links.why_dead(record.link, record.user, self.kind, self.now) if record else "no such link"
        if record and record.is_taken and self.kind is not LinkKind.RESET:
            reason = reason or "link to an address that is in use by now"
        # The reason is for the log alone: a person with a made-up secret is told the same as one who is too late.
        if record is None or reason or not self._is_genuine(record):
            raise BrowserRefusal("link", reason or "link with a wrong secret")
        return record

    def link_page(self, name: str, *, status: int = 200, retry_after: int = 0, **values: object) -> Page:
        """Return a page whose form goes to the address of the link, with its secret."""
        path, secret = links.PATHS[self.kind], self.request.value(NAME)
        page = self.form_page(name, path, shown="", status=status, retry_after=retry_after, link=secret, **values)
        return replace(page, has_secret_address=True)

    def refuse(self, refusal: Refusal) -> BrowserAnswer:
        answer = super().refuse(refusal)
        if isinstance(answer, Page) and refusal.code == "link":
            answer = replace(answer, values={**answer.values, "again": self._path_to_new_link()})
        return replace(answer, has_secret_address=True) if isinstance(answer, Page) else answer

    @property
    def is_same_browser(self) -> bool:
        """Whether this is the browser in which the link was asked for."""
        asked_in, browser = self.opened.link.browser_hash, hashed(self.request.browser)
        return asked_in is not None and browser is not None and hmac.compare_digest(asked_in, browser)

    @property
    def goal(self) -> str:
        """The path at which the person continues: that of the interaction in which this browser asked for the link, if
        it is not over; otherwise ""."""
        return path_of(self.interaction) if self.interaction and self.is_same_browser else ""

    def _path_to_new_link(self) -> str:
        """Return the path at which a person asks for another link of this kind; "" if the server offers none."""
        ways = other_ways(self.services, self.interaction.id if self.loaded and self.interaction else None)
        return {
            LinkKind.RESET: ways["reset_path"],
            LinkKind.SIGN_UP: ways["sign_up_path"],
            LinkKind.EMAIL: EMAIL if self.services.mail else "",
        }[self.kind]

    def about(self) -> dict[str, str]:
        user = self._proven.user if self._proven else None
        return {**super().about(), **({"subject": user.id} if user else {})}

    def username(self) -> str:
        user = self._proven.user if self._proven else None
        return user.username if user else ""

    @property
    def _proven(self) -> LinkRecord | None:
        """The link, once it is known to work."""
        proven: LinkRecord | None = self.__dict__.get("opened")
        return proven

    def _is_genuine(self, record: LinkRecord) -> bool:
        expected = self.services.keyring.link_secret(record.link)
        return hmac.compare_digest(self.request.value(NAME).encode(errors="replace"), expected.encode())
