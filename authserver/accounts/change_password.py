"""GET and POST /account/password: a new password, for a person who knows the old one. It ends all other sessions."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from ..domain.models import SECOND, Session, User
from ..domain.session_end import EndedBy
from ..pipeline.errors import Refusal
from ..pipeline.event import Event, LateEvents
from ..pipeline.handler import Decision
from ..pipeline.replies import BrowserAnswer, Cookie, GoTo, Page
from ..store.account_changes import ReplacePassword, replace_password
from .account_pages import AccountForm, AccountPage
from .ended import session_ended
from .new_password import NewPassword, WeakPassword
from .notices import notices
from .request import hashed
from .sign_in_form import PasswordForm

PATH = "/account/password"


class _PasswordPage(AccountPage):
    path = PATH

    def password_page(self, error: str = "", status: int = 200, wait: int = 0) -> Page:
        """Return the page; `error` says what was wrong with which password, and `wait` is in seconds."""
        return self.account_page(
            "password",
            status=status,
            retry_after=wait,
            error=error,
            wait=wait,
            min_length=self.services.password_min_length,
            done=self.done("password_changed"),
        )


class ShowPassword(_PasswordPage):
    def answer(self, session: Session, user: User) -> Decision[BrowserAnswer]:
        return Decision(self.password_page())


class ChangePassword(AccountForm, PasswordForm, _PasswordPage):
    """The old password is checked as at sign-in, with the same limits."""

    password_field = "current_password"  # noqa: S105
    new_hash = ""

    @property
    def is_checked(self) -> bool:
        """Whether the form is of the user who is signed in: another may have signed in since, in another tab."""
        return self.signed_in is not None and self.sign_in.record.subject == self.signed_in[1].id

    async def authenticate(self) -> None:
        await super().authenticate()
        if self.sign_in.check.matches:
            typed, present = self.request.value("new_password"), self.request.value(self.password_field)
            new = NewPassword(self.services, typed, self.sign_in.record.username, present)
            self.new_hash = await new.hash(self.request.network)

    def answer(self, session: Session, user: User) -> Decision[BrowserAnswer]:
        if not self.is_checked:
            return Decision(GoTo(PATH))
        self.user_of_password()
        return self._changed(session, user)

    def refuse(self, refusal: Refusal) -> BrowserAnswer:
        if isinstance(refusal, WeakPassword):
            return self.password_page(refusal.code, refusal.status)
        return super().refuse(refusal)

    def page_again(self, error: str, status: int, wait: int) -> Page:
        return self.password_page(error, status, wait)

    def _changed(self, session: Session, user: User) -> Decision[BrowserAnswer]:
        secret = self.services.new_secret()
        mails = notices(self.services, "password_changed", self.sign_in.user or user, self.language)
        kept = replace(session, secret_hash=hashed(secret) or b"", authenticated_at=self.now)
        replaced = ReplacePassword(user.id, user.credential_version, self.new_hash, kept, mails)
        max_age = (session.expires_at - self.now) // SECOND if session.kept else None
        return Decision(
            self.go_to_done(PATH, "password_changed", session, {"session": Cookie(secret, max_age)}),
            replace_password(replaced),
            events=LateEvents(partial(_events, replaced)),
        )


def _events(replaced: ReplacePassword) -> Iterator[Event]:
    """The commit fills `ended` before these events are read."""
    yield Event("user_password_changed")
    for id in replaced.ended:
        yield session_ended(id, EndedBy.PASSWORD_CHANGE)
