"""The forms after which the server sends a mail to an address that anybody may type.

What such a form does never depends on whether somebody has an account with the address: the same is counted and
stored, and who gets which mail is found out when it is sent (mailed_links.py). So neither the response nor its time
tells.
"""

from functools import cached_property
from typing import Any

from ..domain import email_address
from ..domain.attempts import AttemptLimits, Budget
from ..domain.mail import new_mail
from ..domain.models import SECOND, Interaction
from ..pipeline.errors import Refusal, TooManyAttempts
from ..pipeline.handler import Services
from ..pipeline.replies import BrowserAnswer, Page
from ..store import outbox, sign_ins
from ..store.browser_state import BrowserKey
from ..store.changes import Change
from ..store.sign_ins import Attempt, SignInKey
from .browser import BrowserHandler, BrowserRefusal
from .interaction import interaction_id_of, own_interaction
from .request import hashed

MAILS = Budget(4, 3600 * SECOND)
"""How many mails one address gets that anybody can ask for: four at once, and then one an hour."""


class NotAnAddress(Refusal):
    """Mail cannot be sent to what was typed."""

    def __init__(self) -> None:
        super().__init__("address", "no mail can be sent to the address", 422)


class MailForm(BrowserHandler):
    counted: Attempt

    def page_again(self, error: str, status: int, wait: int) -> Page:
        """Return the page of the form with what was wrong: `address`, or `delayed` (with `wait`, in seconds)."""
        raise NotImplementedError

    def check_offered(self) -> None:
        """Raise BrowserRefusal if the server does not do this at all."""
        check_mail(self.services)

    def key(self) -> BrowserKey:
        account = f"mail {self.address or ''}"
        keys = self.services.keyring.attempt_keys(account, self.request.network, self.now)
        limits = AttemptLimits(MAILS, self.services.attempt_limits.network)
        self.counted = Attempt(keys, is_known=False, limits=limits)
        # No user is looked for: only the counters are loaded.
        counters = SignInKey(None, self.request.network, keys)
        interaction_id = interaction_id_of(self.request.value("interaction"))
        return BrowserKey(hashed(self.request.session), interaction_id, sign_in=counters)

    def count(self) -> Change | None:
        """Count the mail against its address, and against the network like a wrong password."""
        self.check_form()
        self.check_offered()
        if self.address is None:
            raise NotAnAddress
        if self.is_counted:
            return None
        rows = self.loaded.sign_in.rows if self.loaded.sign_in else {}
        judged = self.counted.judge(rows, self.now)
        if judged.counters is None:
            self.counted.judged[:] = [judged]
            self.check_counted()
            return None
        return sign_ins.count(self.counted)

    def check_counted(self) -> None:
        """Raise TooManyAttempts if the network must wait. An address that has got enough mails is not told apart."""
        (judged,) = self.counted.judged
        if judged.full == "network":
            raise TooManyAttempts("network must wait", judged.wait)

    def mail(self, template: str, **values: Any) -> Change | None:
        """Return the change that lets the mail be sent; None if the address has got enough for now."""
        if any(judged.full for judged in self.counted.judged):
            return None
        interaction = self.interaction
        asked_in = {
            "link": self.services.new_id().hex(),
            "interaction": interaction.id.hex() if interaction else "",
            "browser": (hashed(self.request.browser) or b"").hex(),
        }
        return outbox.add(new_mail(template, self.address or "", self.language, **asked_in, **values))

    @cached_property
    def address(self) -> str | None:
        """The address that was typed, in its canonical form; None if it is none."""
        return email_address.canonical(self.request.value("email").strip())

    @cached_property
    def interaction(self) -> Interaction | None:
        """The interaction of this browser in which the form was opened."""
        return own_interaction(self.loaded.waiting, self.request, self.now)

    def refuse(self, refusal: Refusal) -> BrowserAnswer:
        if isinstance(refusal, NotAnAddress | TooManyAttempts):
            error = "address" if isinstance(refusal, NotAnAddress) else "delayed"
            return self.page_again(error, refusal.status, refusal.retry_after)
        return super().refuse(refusal)


def check_mail(services: Services) -> None:
    """Raise BrowserRefusal if the server cannot send mails."""
    if not services.mail:
        raise BrowserRefusal("no_mail", "The server sends no mail.", 404)
