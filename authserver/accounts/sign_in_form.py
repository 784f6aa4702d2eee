"""The forms with a username and a password, whatever the person signs in for."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from ..domain.errors import Unavailable
from ..domain.models import Session, User
from ..domain.outbox import NewMessage
from ..domain.session_end import EndedBy
from ..domain.times import minute
from ..passwords import password_form
from ..pipeline.errors import Refusal, TooManyAttempts
from ..pipeline.event import Event, LateEvents
from ..pipeline.handler import Decision
from ..pipeline.replies import BrowserAnswer, GoTo, Page
from ..store.browser_state import BrowserKey
from ..store.database import Change
from .browser import BrowserHandler
from .ended import session_ended
from .new_session import cookie_of, new_session
from .notices import notices
from .request import hashed
from .sign_in import PasswordSignIn

_WRONG = 422
"""Not 401, which RFC 9110 s15.5.2 allows only with a challenge, for which browsers open a dialog of their own. Not 200
either: Chromium offers to save a password unless the status is an error."""
_ERRORS = {_WRONG: "wrong", 429: "delayed", 503: "busy"}
"""What the page says, by the status of the refusal."""


class WrongPassword(Refusal):
    """The username or the password is wrong, or the user is disabled."""


class Busy(Refusal):
    """The password could not be checked in time."""

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__("temporarily_unavailable", detail, 503, retry_after=retry_after)


class BeingDeleted(Refusal):
    """The password is right, but its user asked to be deleted, and has not said that they want to stay."""

    def __init__(self, delete_at: int) -> None:
        """`delete_at` is in microseconds."""
        super().__init__("access_denied", "the user asked to be deleted", 403)
        self.delete_at = delete_at


class PasswordForm(BrowserHandler):
    """A posted form with a username and a password, which is checked with the limits of every such form."""

    password_field = "password"  # noqa: S105
    sign_in: PasswordSignIn

    def check_goal(self) -> None:
        """Raise Refusal if the form leads nowhere, before a password is hashed for it."""

    @property
    def is_checked(self) -> bool:
        """Whether the password is to be checked."""
        return True

    def page_again(self, error: str, status: int, wait: int) -> Page:
        """Return the page of the form with what was wrong: `wrong`, `delayed` (with `wait`, in seconds), `busy`, or
        `deleting` for a user who asked to be deleted."""
        raise NotImplementedError

    def key(self) -> BrowserKey:
        self.sign_in = PasswordSignIn(
            self.services,
            self.request.value("username"),
            password_form(self.request.value(self.password_field)),
            network=self.request.network,
            limits=self.services.attempt_limits,
            now=self.now,
        )
        return BrowserKey(hashed(self.request.session), self.request.interaction_id, sign_in=self.sign_in.key)

    def count(self) -> Change | None:
        """Count the attempt, unless the form is forged or leads nowhere."""
        self.check_form()
        self.check_goal()
        self.sign_in.record = self.loaded.sign_in or self.sign_in.record
        return self.sign_in.count() if self.is_checked and not self.is_counted else None

    def check_counted(self) -> None:
        self.sign_in.check_counted()

    async def authenticate(self) -> None:
        if not self.is_checked:
            return
        try:
            await self.sign_in.authenticate()
        except Unavailable as error:
            raise Busy(str(error), error.retry_after) from error

    def user_of_password(self) -> User:
        """Return the user whose password was right. Raises WrongPassword."""
        user, reason = self.sign_in.user, self.sign_in.why_refused()
        if user is None or reason:
            failed = Event("sign_in_failed", fields={"reason": reason})
            raise WrongPassword("access_denied", reason, _WRONG, events=[failed, *self.sign_in.events_of_failure()])
        return user

    def refuse(self, refusal: Refusal) -> BrowserAnswer:
        if isinstance(refusal, WrongPassword | TooManyAttempts | Busy):
            return self.page_again(_ERRORS[refusal.status], refusal.status, refusal.retry_after)
        return super().refuse(refusal)

    def about(self) -> dict[str, str]:
        return {**super().about(), "subject": self.sign_in.record.subject}

    def username(self) -> str:
        return self.sign_in.record.username


class SignInForm(PasswordForm):
    """The form of the sign-in page."""

    new_session: Session | None = None

    def goal(self) -> str:
        """Return the path at which a user who has signed in continues. Raises Refusal."""
        raise NotImplementedError

    def deleted_user(self) -> User | None:
        """Return the user whose password was right, and who asked to be deleted. Raises BeingDeleted unless they want
        to stay after all."""
        user = self.sign_in.user
        if user is None or user.delete_at is None or not self.sign_in.check.matches:
            return None
        if not self.request.value("keep_account"):
            raise BeingDeleted(user.delete_at)
        return user

    def decide(self) -> Decision[BrowserAnswer]:
        deleted = self.deleted_user()
        user, goal = deleted or self.user_of_password(), self.goal()
        secret = self.services.new_secret()
        session = self.new_session = new_session(
            self.services, self.request, user, secret, now=self.now, kept=self.keep
        )
        limit, ended = self.services.policy.max_sessions, list[bytes]()
        change = self.sign_in.begin_session(
            session,
            before=self.session,
            interaction_id=self.request.interaction_id,
            limit=limit,
            ended=ended,
            restores=deleted is not None,
            mails=self._mails(deleted) if deleted else (),
        )
        return Decision(
            GoTo(goal, {"session": cookie_of(session, secret, self.now)}),
            change,
            events=LateEvents(partial(self._events, session, ended, restores=deleted is not None)),
        )

    @property
    def keep(self) -> bool:
        """Whether the user asked to stay signed in."""
        return bool(self.request.value("keep"))

    def _mails(self, restored: User) -> list[NewMessage]:
        return notices(self.services, "deletion_cancelled", restored, self.language, by_operator=False)

    def refuse(self, refusal: Refusal) -> BrowserAnswer:
        if isinstance(refusal, BeingDeleted):
            page = self.page_again("deleting", 403, 0)
            return replace(page, values={**page.values, "deleted_at": minute(refusal.delete_at)})
        return super().refuse(refusal)

    def _events(self, session: Session, ended: list[bytes], *, restores: bool) -> Iterator[Event]:
        """The commit fills `ended` before these events are read."""
        before = self.session
        if restores:
            yield Event("user_deletion_cancelled")
        yield Event("sign_in", fields={"sid": (before.id if before and self._renews else session.id).hex()})
        if before is not None and not self._renews:
            yield session_ended(before.id, EndedBy.ANOTHER_USER, subject=before.user_id)
        for id in ended:
            yield session_ended(id, EndedBy.TOO_MANY)

    @property
    def _renews(self) -> bool:
        return bool(self.session and self.new_session and self.session.user_id == self.new_session.user_id)
