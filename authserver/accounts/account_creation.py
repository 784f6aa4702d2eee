"""Creates an account, however its owner proved that they may have one."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from ..domain.models import Session, User
from ..domain.session_end import EndedBy
from ..domain.user_rules import new_id
from ..pipeline.errors import Refusal
from ..pipeline.event import Event, LateEvents
from ..pipeline.handler import Decision
from ..pipeline.replies import BrowserAnswer, GoTo, Page
from ..store.sessions import BeginSession
from ..store.sign_ups import sign_up
from .browser import BrowserHandler, BrowserRefusal
from .ended import session_ended
from .new_password import NewPassword, WeakPassword
from .new_session import cookie_of, new_session
from .sign_in_form import Busy

_NOT_OFFERED = "Nobody can create an account here."


class AccountCreation(BrowserHandler):
    """A posted form with the password of a new account."""

    password_hash = ""
    created: User | None = None

    def new_username(self) -> str:
        """Return the name that the account will have, in its canonical form. Raises Refusal."""
        raise NotImplementedError

    def page_again(self, error: str, status: int, wait: int) -> Page:
        """Return the page of the form with what was wrong: the code of a weakness, or `busy`."""
        raise NotImplementedError

    async def authenticate(self) -> None:
        password = NewPassword(self.services, self.request.value("password"), self.new_username())
        self.password_hash = await password.hash(self.request.network)

    def create(
        self,
        claims: dict[str, Any],
        goal: str,
        *,
        link_id: bytes | None = None,
        interaction_id: bytes | None = None,
        signs_in: bool = True,
    ) -> Decision[BrowserAnswer]:
        """Return the decision that creates the account, begins a session if `signs_in`, and redirects to `goal`."""
        id, name = new_id(self.services.new_id()), self.new_username()
        user = self.created = User(id, name, self.password_hash, created_at=self.now, claims=claims)
        if not signs_in:
            event = Event("sign_up", fields={"sid": ""})
            return Decision(GoTo(goal), sign_up(user, link_id=link_id), events=[event])
        secret = self.services.new_secret()
        session = new_session(self.services, self.request, user, secret, now=self.now)
        begin = BeginSession(session, self.session, interaction_id, None, self.services.policy.max_sessions)
        return Decision(
            GoTo(goal, {"session": cookie_of(session, secret, self.now)}),
            sign_up(user, link_id=link_id, begin=begin),
            events=LateEvents(partial(self._events, session)),
        )

    def refuse(self, refusal: Refusal) -> BrowserAnswer:
        if isinstance(refusal, WeakPassword | Busy):
            error = refusal.code if isinstance(refusal, WeakPassword) else "busy"
            return self.page_again(error, refusal.status, refusal.retry_after)
        return super().refuse(refusal)

    def about(self) -> dict[str, str]:
        return {**super().about(), **({"subject": self.created.id} if self.created else {})}

    def username(self) -> str:
        return self.created.username if self.created else ""

    def _events(self, session: Session) -> Iterator[Event]:
        yield Event("sign_up", fields={"sid": session.id.hex()})
        before = self.session
        if before is not None:
            yield session_ended(before.id, EndedBy.ANOTHER_USER, subject=before.user_id)


def check_sign_up(handler: BrowserHandler) -> None:
    """Raise BrowserRefusal if nobody can create an account."""
    if not handler.services.sign_up:
        raise BrowserRefusal("no_sign_up", _NOT_OFFERED, 404)
