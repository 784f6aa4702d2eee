"""GET /account/sessions: where a person is signed in. GET, POST /account/sessions/end: ending one of
these, or all others.

Ending the session of this browser is signing out, which has a page of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from ..domain import device
from ..domain.models import Session, User
from ..domain.session_end import EndedBy
from ..domain.times import minute
from ..pipeline.event import Event, LateEvents
from ..pipeline.handler import Decision
from ..pipeline.replies import BrowserAnswer, GoTo
from ..store import sessions
from ..store.account_data import Part
from .account_pages import AccountForm, AccountPage
from .ended import session_ended

LIST, END = "/account/sessions", "/account/sessions/end"
OTHERS = "others"
"""In place of a session's id: all but that of this browser."""


@dataclass(frozen=True, slots=True)
class SessionShown:
    """What a page shows about a session; "" for what is not known."""

    id: str
    browser: str
    system: str
    network: str
    began: str
    used: str
    """When it began and was last used, as text."""
    is_this: bool
    """Whether it is the session of this browser."""


def shown(session: Session, this: Session) -> SessionShown:
    browser, _, system = session.device.partition(device.ON)
    times = minute(session.created_at), minute(session.seen_at)
    return SessionShown(session.id.hex(), browser, system, session.network, *times, session.id == this.id)


class SessionPage(AccountPage):
    parts = (Part.SESSIONS,)

    def others(self, this: Session) -> list[Session]:
        return [session for session in self.account.sessions if session.id != this.id]


class ShowSessions(SessionPage):
    path = LIST

    def answer(self, session: Session, user: User) -> Decision[BrowserAnswer]:
        rows = [shown(session, session), *(shown(other, session) for other in self.others(session))]
        return Decision(self.account_page("sessions", sessions=rows, done=self.done("session_ended")))


class AskToEndSession(SessionPage):
    path = END

    def answer(self, session: Session, user: User) -> Decision[BrowserAnswer]:
        asked = self.request.value("session")
        ending = [shown(other, session) for other in self.others(session) if asked in (OTHERS, other.id.hex())]
        if not ending:
            return Decision(GoTo(LIST))
        return Decision(self.account_page("end_session", sessions=ending, session=asked))


class EndSession(AccountForm, SessionPage):
    path = END

    def answer(self, session: Session, user: User) -> Decision[BrowserAnswer]:
        asked, done = self.request.value("session"), self.go_to_done(LIST, "session_ended", session)
        offline = bool(self.request.value("offline"))
        if asked == OTHERS:
            ended: list[bytes] = []
            change = sessions.end_others(user.id, keep=session.id, offline=offline, ended=ended)
            return Decision(done, change, events=LateEvents(partial(_events, ended)))
        ending = [other for other in self.others(session) if other.id.hex() == asked]
        if not ending:
            return Decision(GoTo(LIST))
        return Decision(done, sessions.end(ending[0].id, offline=offline), events=list(_events([ending[0].id])))


def _events(ended: list[bytes]) -> Iterator[Event]:
    """The commit may fill `ended` before these events are read."""
    for id in ended:
        yield session_ended(id, EndedBy.USER)
