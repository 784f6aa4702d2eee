"""What all steps in a browser share: who is signed in, and that a form came from a page of ours."""

import hmac
from functools import cached_property

from ..domain import session_state
from ..domain.models import Session, User
from ..pipeline.attempt import Attempt
from ..pipeline.errors import Refusal
from ..pipeline.event import Event
from ..pipeline.handler import Handler, Services
from ..pipeline.replies import BrowserAnswer, Page
from ..store import browser_state
from ..store.browser_state import BrowserKey, BrowserState
from .request import BrowserRequest, hashed


class BrowserRefusal(Refusal):
    """An error that this person is told, and never a client. The code is one of those of the page `error`."""


def error_page(code: str, status: int, retry_after: int = 0, *, ui_locales: str = "", **values: object) -> Page:
    """Return the page of an error. `retry_after` is in seconds; `values` are those that it has beyond the error's."""
    shown = {"code": code, "status": status, "back": "", "client": None}
    return Page("error", shown | values, status, ui_locales, retry_after)


class BrowserHandler(Handler[BrowserAnswer]):
    from_client = False
    loader = staticmethod(browser_state.load_many)
    loaded: BrowserState

    def __init__(self, attempt: Attempt[BrowserRequest], services: Services) -> None:
        super().__init__(attempt, services)
        self.request = attempt.request

    def key(self) -> BrowserKey:
        return BrowserKey(hashed(self.request.session))

    def refuse(self, refusal: Refusal) -> BrowserAnswer:
        return error_page(refusal.code, refusal.status, refusal.retry_after)

    @cached_property
    def signed_in(self) -> tuple[Session, User] | None:
        """The active session of this browser, and its user."""
        loaded = self.loaded.signed_in
        if loaded is None or not session_state.is_active(loaded.session, loaded.user, self.now):
            return None
        return loaded.session, loaded.user

    @property
    def session(self) -> Session | None:
        return self.signed_in[0] if self.signed_in else None

    def check_form(self) -> None:
        """Raise BrowserRefusal unless a page of ours in this browser posted the form."""
        token, expected = self.request.value("csrf"), self.request.csrf_token(self.request.shown)
        has_token = hmac.compare_digest(token.encode(errors="replace"), expected.encode(errors="replace"))
        if not self.request.is_same_origin or not has_token:
            reason = "The form has a wrong token." if self.request.is_same_origin else "The form is of another origin."
            forged = Event("form_forged", "warning", {"reason": reason})
            raise BrowserRefusal("forged", reason, 403, events=[forged])
