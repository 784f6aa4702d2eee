"""GET and POST /account/delete: a person deletes the account. Signing in during the grace period keeps it.

GET /account/deleted tells the person, who is signed out by then, that it was done."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from ..domain.models import SECOND, Session, User
from ..domain.outbox import NewMessage
from ..domain.session_end import EndedBy
from ..domain.times import minute, utc
from ..passwords import username_form
from ..pipeline.event import Event, LateEvents
from ..pipeline.handler import Decision, Services
from ..pipeline.replies import BrowserAnswer, GoTo, Page
from ..store.account_changes import RequestDeletion, request_deletion
from ..store.account_data import Part
from .account_pages import DELETED, HOME, AccountForm, AccountPage
from .browser import BrowserHandler
from .ended import session_ended
from .notices import notices

_DONE = "deletion_requested"
_DAY = 86400  # seconds


class _DeletionPage(AccountPage):
    path = "/account/delete"
    parts = (Part.CLAIMS,)
    needs_recent_sign_in = True

    def deletion_page(self, error: str = "") -> Decision[BrowserAnswer]:
        days = _days(self.services)
        status = 422 if error else 200
        return Decision(self.account_page("delete_account", status=status, error=error, days=days))


class ShowDeletion(_DeletionPage):
    def answer(self, session: Session, user: User) -> Decision[BrowserAnswer]:
        return self.deletion_page()


class DeleteAccount(AccountForm, _DeletionPage):
    def answer(self, session: Session, user: User) -> Decision[BrowserAnswer]:
        if username_form(self.request.value("confirmation").strip()) != user.username:
            return self.deletion_page("wrong")
        delete_at = self.now + self.services.accounts.deletion_grace * SECOND
        request = RequestDeletion(user.id, user.credential_version, delete_at, self._mails(user, delete_at))
        events = LateEvents(partial(_events, request))
        return Decision(
            GoTo(self.done_path(DELETED, _DONE), {"session": None}), request_deletion(request), events=events
        )

    def _mails(self, user: User, delete_at: int) -> list[NewMessage]:
        person, day = replace(user, claims=self.account.claims), minute(delete_at) if _days(self.services) else ""
        return notices(self.services, "deletion_requested", person, self.language, day=day)


class Deleted(BrowserHandler):
    def decide(self) -> Decision[BrowserAnswer]:
        if self.signed_in is not None or not self.was_done(_DONE):
            return Decision(GoTo(HOME))
        return Decision(Page("account_deleted", {"days": _days(self.services)}))


def _days(services: Services) -> int:
    """Return the grace period in days, rounded up."""
    return -(-services.accounts.deletion_grace // _DAY)


def _events(request: RequestDeletion) -> Iterator[Event]:
    """The commit fills `ended` before these events are read."""
    yield Event("user_deletion_requested", fields={"delete_at": utc(request.delete_at)})
    for id in request.ended:
        yield session_ended(id, EndedBy.DELETION_REQUEST)
