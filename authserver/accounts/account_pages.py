"""What the pages below /account share: whoever is signed in sees their own account, and nobody else's."""

import re
from collections.abc import Mapping
from urllib.parse import urlencode

from ..domain import session_state
from ..domain.models import Session, User
from ..pipeline.handler import Decision
from ..pipeline.replies import BrowserAnswer, Cookie, GoTo, Page
from ..store.account_data import AccountData, AccountKey, Part
from ..store.browser_state import BrowserKey
from .browser import BrowserHandler
from .request import hashed

HOME = "/account"
SIGN_IN = "/account/sign-in"
RECENT = 300
"""Seconds for which a sign-in counts as recent, as sensitive pages require: a stolen or forgotten session must not be
enough to take over an account."""
EMAIL = "/account/email"
DOWNLOAD = "/account/data/download"
DELETED = "/account/deleted"
_NEVER_NEXT = frozenset({SIGN_IN, DOWNLOAD, DELETED})
"""Signing in never leads to these: after a download, a browser stays on the form, with the password in it."""
_OWN_PATH = re.compile(r"/account(/[a-z-]{1,40}){0,2}")


class AccountPage(BrowserHandler):
    """A page, or a form of one, for whoever is signed in. Anyone else is asked to sign in first."""

    path = HOME
    """The page's own path, to which signing in leads back."""
    parts: tuple[Part, ...] = ()
    """What of the account is loaded."""
    needs_recent_sign_in = False
    """Whether the user must have signed in within RECENT."""

    def key(self) -> BrowserKey:
        account = AccountKey(self.parts, self.now) if self.parts else None
        return BrowserKey(hashed(self.request.session), account=account)

    @property
    def account(self) -> AccountData:
        """The parts of the account of whoever is signed in."""
        return self.loaded.account or AccountData()

    def done(self, word: str) -> bool:
        """Whether a form has just done what the word says, for this session."""
        return self.session is not None and self.was_done(word, self.session.id.hex())

    def go_to_done(
        self, path: str, word: str, session: Session, cookies: Mapping[str, Cookie | None] | None = None
    ) -> GoTo:
        """Return the redirect to the page that says so."""
        return GoTo(self.done_path(path, word, session.id.hex()), cookies or {})

    def decide(self) -> Decision[BrowserAnswer]:
        if self.signed_in is None or (self.needs_recent_sign_in and not self.is_recent):
            return Decision(GoTo(sign_in_path(next_path(self.path))))
        return self.answer(*self.signed_in)

    def answer(self, session: Session, user: User) -> Decision[BrowserAnswer]:
        """Decide for the user who is signed in. Raises Refusal."""
        raise NotImplementedError

    @property
    def is_recent(self) -> bool:
        return self.session is not None and session_state.is_recent(self.session, RECENT, self.now)

    def account_page(self, name: str, *, status: int = 200, retry_after: int = 0, **values: object) -> Page:
        """Return a page with a form that acts for this user alone: in another tab, somebody else may have signed in
        since."""
        session, user = self.signed_in or (None, None)
        return self.form_page(
            name,
            self.path,
            shown=session.id.hex() if session else "",
            status=status,
            retry_after=retry_after,
            username=user.username if user else "",
            **values,
        )


class AccountForm(AccountPage):
    """A form that was posted by one of these pages."""

    def decide(self) -> Decision[BrowserAnswer]:
        self.check_form()
        if self.session is not None and self.request.shown != self.session.id.hex():
            return Decision(GoTo(self.path))
        return super().decide()


def sign_in_path(next_path: str) -> str:
    """Return the path of the sign-in page that leads on to `next_path`."""
    return SIGN_IN if next_path == HOME else f"{SIGN_IN}?{urlencode({'next': next_path})}"


def next_path(text: str) -> str:
    """Return where signing in leads: to `text` if that is the path of an account page, otherwise to the first page. It
    never leads to another site."""
    return text if _OWN_PATH.fullmatch(text) and text not in _NEVER_NEXT else HOME
