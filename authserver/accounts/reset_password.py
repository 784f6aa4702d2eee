"""GET and POST /reset/password: a person with a link chooses a new password."""

from collections.abc import Iterator
from functools import partial

from ..domain import links
from ..domain.models import LinkKind, User
from ..domain.session_end import EndedBy
from ..pipeline.errors import Refusal
from ..pipeline.event import Event, LateEvents
from ..pipeline.handler import Decision
from ..pipeline.replies import BrowserAnswer, GoTo, Page
from ..store.password_resets import reset
from .done import PASSWORD_RESET
from .ended import session_ended
from .link_pages import LinkPage
from .new_password import NewPassword, WeakPassword
from .notices import notices
from .sign_in_form import Busy


class ShowReset(LinkPage):
    kind = LinkKind.RESET

    def decide(self) -> Decision[BrowserAnswer]:
        return Decision(Page("reset_done") if self.was_done(PASSWORD_RESET) else self.password_page())

    def password_page(self, error: str = "", status: int = 200, retry_after: int = 0) -> Page:
        """Return the page that asks for the password. `error` is the code of a weakness, or `busy`."""
        return self.link_page(
            "new_password",
            status=status,
            retry_after=retry_after,
            username=self.user.username,
            is_new=False,
            error=error,
            min_length=self.services.password_min_length,
        )

    @property
    def user(self) -> User:
        """The user of the link. Raises BrowserRefusal if it does not work."""
        if self.opened.user is None:
            raise LookupError("A link for a new password is for a user.")
        return self.opened.user


class ResetPassword(ShowReset):
    password_hash = ""

    async def authenticate(self) -> None:
        self.check_form()
        password = NewPassword(self.services, self.request.value("password"), self.user.username)
        self.password_hash = await password.hash(self.request.network)

    def decide(self) -> Decision[BrowserAnswer]:
        link, user, ended = self.opened.link, self.user, list[bytes]()
        mails = notices(self.services, "password_changed", user, self.language)
        change = reset(link, user, self.password_hash, *mails, ended=ended)
        events = LateEvents(partial(_events, "mail" if link.address else "operator", ended))
        # All sessions of the user have ended, this browser's too; another user's session continues.
        goal = self.done_path(self.goal or links.PATHS[self.kind], PASSWORD_RESET)
        has_ended = self.session is not None and self.session.user_id == self.user.id
        return Decision(GoTo(goal, {"session": None} if has_ended else {}), change, events=events)

    def refuse(self, refusal: Refusal) -> BrowserAnswer:
        if isinstance(refusal, WeakPassword | Busy):
            error = refusal.code if isinstance(refusal, WeakPassword) else "busy"
            return self.password_page(error, refusal.status, refusal.retry_after)
        return super().refuse(refusal)


def _events(by: str, ended: list[bytes]) -> Iterator[Event]:
    """The commit fills `ended` before these events are read."""
    yield Event("password_reset", fields={"by": by})
    for id in ended:
        yield session_ended(id, EndedBy.PASSWORD_RESET)
