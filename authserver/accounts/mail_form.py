"""Forms that make the server send a mail to an address that anybody may type.

What such a form does never depends on whether the address has an account: it counts and stores the same, and which mail
to send is decided only when it is sent (mailed_links.py). So neither the response nor its timing reveals anything.
"""

from functools import cached_property
from typing import Any

from ..domain import email_address, links
from ..domain.attempts import Budget
from ..domain.mail import new_mail
from ..domain.models import SECOND
from ..pipeline.errors import Refusal, TooManyAttempts
from ..pipeline.handler import Services
from ..pipeline.replies import BrowserAnswer, Page
from ..store import outbox
from ..store.browser_state import BrowserKey
from ..store.changes import Change
from ..store.sign_ins import SignInKey
from .browser import BrowserRefusal
from .counted_form import CountedForm
from .in_interaction import InInteraction
from .interaction import interaction_id_of
from .request import hashed

MAILS = Budget(4, 3600 * SECOND)
"""How many mails of one kind an address gets at anybody's request: four at once, and then one an hour. Each kind has
its own count, so that nobody can use up the mails with which somebody else recovers an account."""


class NotAnAddress(Refusal):
    """Mail cannot be sent to what was typed."""

    def __init__(self) -> None:
        super().__init__("address", "no mail can be sent to the address", 422)


class MailForm(CountedForm, InInteraction):
    budget = MAILS
    template: str
    """The mail's template."""

    def page_again(self, error: str, status: int, wait: int) -> Page:
        """Return the page of the form with what was wrong: `address`, or `delayed` (with `wait`, in seconds)."""
        raise NotImplementedError

    def key(self) -> BrowserKey:
        interaction_id = interaction_id_of(self.request.value("interaction"))
        return BrowserKey(hashed(self.request.session), interaction_id, sign_in=self.counters())

    def counters(self) -> SignInKey:
        return self.counted_key(f"mail {self.template} {self.address or ''}")

    def check_offered(self) -> None:
        check_mail(self.services)

    def count(self) -> Change | None:
        change = super().count()
        if self.address is None:
            raise NotAnAddress
        return change

    def mail(self, **values: Any) -> Change | None:
        """Return the change that lets the mail be sent; None if the address has had enough for now."""
        if any(judged.full for judged in self.counted.judged):
            return None
        interaction = self.interaction
        asked_in = {
            "link": self.services.new_id().hex(),
            "interaction": interaction.id.hex() if interaction else "",
            "browser": (hashed(self.request.browser) or b"").hex(),
        }
        return outbox.add(new_mail(self.template, self.address or "", self.language, **asked_in, **values))

    @property
    def of_interaction(self) -> str:
        """What the address of the next page ends with, so that it is in the same language."""
        return f"&interaction={self.interaction.id.hex()}" if self.interaction else ""

    @cached_property
    def address(self) -> str | None:
        """The address that was typed, in its canonical form; None if it is not an address."""
        return email_address.canonical(self.request.value("email").strip())

    def refuse(self, refusal: Refusal) -> BrowserAnswer:
        if isinstance(refusal, NotAnAddress | TooManyAttempts):
            error = "address" if isinstance(refusal, NotAnAddress) else "delayed"
            return self.page_again(error, refusal.status, refusal.retry_after)
        return super().refuse(refusal)


def sent_page(name: str, ui_locales: str) -> Page:
    """Return the page that says that an email with a link is on its way."""
    return Page(name, {"minutes": links.MINUTES}, ui_locales=ui_locales)


def check_mail(services: Services) -> None:
    """Raise BrowserRefusal if the server cannot send mails."""
    if not services.mail:
        raise BrowserRefusal("no_mail", "The server sends no mail.", 404)
