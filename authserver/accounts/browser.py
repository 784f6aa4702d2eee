"""What all steps in a browser share: who is signed in, and whether a form came from a page of ours."""

import hmac
from functools import cached_property

from ..domain import languages, session_state
from ..domain.languages import LANGUAGES
from ..domain.models import Session, User
from ..pipeline.attempt import Attempt
from ..pipeline.errors import Refusal
from ..pipeline.event import Event
from ..pipeline.handler import Handler, Services
from ..pipeline.replies import BrowserAnswer, Cookie, Page
from ..store import browser_state
from ..store.browser_state import BrowserKey, BrowserState
from . import done
from .request import BrowserRequest, csrf_token, hashed

BROWSER_TTL = 400 * 86400
"""Seconds for which the cookie of a browser lasts after it was last set: browsers keep none for longer."""


class BrowserRefusal(Refusal):
    """An error that is shown to this person, and never sent to a client. The code is one of those of the page
    `error`."""


def error_page(code: str, status: int, retry_after: int = 0, *, ui_locales: str = "", **values: object) -> Page:
    """Return the page of an error. `retry_after` is in seconds; `values` are further values of the page."""
    error = {"code": code, "status": status, "back": "", "client": None}
    return Page("error", error | values, status, ui_locales, retry_after)


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

    def about(self) -> dict[str, str]:
        return {"subject": self.session.user_id} if self.loaded and self.session else {}

    def username(self) -> str:
        return self.signed_in[1].username if self.loaded and self.signed_in else ""

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

    @property
    def wants_other_account(self) -> bool:
        """Whether the person asks for the sign-in page although somebody is signed in."""
        return self.request.value("account") == "other"

    @cached_property
    def browser(self) -> str:
        """The secret of this browser: a new one if it sent none. The answer then needs `browser_cookie`."""
        return self.request.browser or self.services.new_secret()

    @property
    def browser_cookie(self) -> dict[str, Cookie | None]:
        """Sets the cookie of this browser. It is set again from time to time, so that it does not expire while it is
        used."""
        return {"browser": Cookie(self.browser, BROWSER_TTL)}

    @property
    def ui_locales(self) -> str:
        """The languages that an application asks for, best first; "" leaves it to the browser."""
        return ""

    @property
    def language(self) -> str:
        """The language of mails to this person: that of the pages that they see."""
        return languages.choose(tuple(LANGUAGES), self.ui_locales, self.request.accept_language)

    def form_page(
        self, name: str, action: str, *, shown: str = "", status: int = 200, retry_after: int = 0, **values: object
    ) -> Page:
        """Return a page whose form goes to `action`, a path below the issuer. See `csrf_token` for `shown`."""
        form = {"action": action, "csrf": csrf_token(self.browser, shown)}
        cookies = {} if self.request.browser else self.browser_cookie
        return Page(name, form | values, status, self.ui_locales, retry_after, cookies)

    def done_path(self, path: str, word: str, whose: str = "") -> str:
        """Return the path, below the issuer, of a page that will say what was just done: `word` names that, and `whose`
        is the session of an account page. The page calls `was_done`."""
        return f"{path}?done={done.token(self.browser, word, whose, self.now)}"

    def was_done(self, word: str, whose: str = "") -> bool:
        """Whether a redirect to `done_path` opened the page in this browser a short time ago."""
        browser = self.request.browser
        return browser is not None and done.is_proven(self.request.value("done"), browser, word, whose, self.now)

    def check_form(self) -> None:
        """Raise BrowserRefusal unless a page of ours in this browser posted the form."""
        if self.request.browser is None and self.request.is_same_origin:
            raise BrowserRefusal("cookies", "The browser sent no cookie.")
        token, expected = self.request.value("csrf"), csrf_token(self.request.browser or "", self.request.shown)
        has_token = hmac.compare_digest(token.encode(errors="replace"), expected.encode(errors="replace"))
        if not self.request.is_same_origin or not has_token:
            reason = "The form has a wrong token." if self.request.is_same_origin else "The form is of another origin."
            forged = Event("form_forged", "warning", {"reason": reason})
            raise BrowserRefusal("forged", reason, 403, events=[forged])
