"""GET and POST /account/email: a person enters a new email address, to which a link is sent. The address is changed
only when they open the link and confirm it (confirm_email.py)."""

from ..domain import email_address
from ..domain.models import Session, User
from ..pipeline.event import Event
from ..pipeline.handler import Decision
from ..pipeline.replies import BrowserAnswer, Page
from ..store.account_data import AccountKey, Part
from ..store.browser_state import BrowserKey
from .account_pages import EMAIL, AccountForm, AccountPage
from .mail_form import MailForm, check_mail
from .request import hashed

PATH = EMAIL


class _EmailPage(AccountPage):
    path = PATH
    parts = (Part.CLAIMS,)
    needs_recent_sign_in = True

    def email_page(self, error: str = "", status: int = 200, wait: int = 0) -> Page:
        """Return the page that asks for the new address; `wait` is in seconds."""
        claims = self.account.claims
        return self.account_page(
            "email",
            status=status,
            retry_after=wait,
            current=claims.get("email", ""),
            is_verified=email_address.verified_in(claims) is not None,
            email=self.request.value("email"),
            sent=self.done("email_sent"),
            done=self.done("email_changed"),
            error=error,
            wait=wait,
        )


class ShowEmail(_EmailPage):
    def answer(self, session: Session, user: User) -> Decision[BrowserAnswer]:
        check_mail(self.services)
        return Decision(self.email_page())


class ChangeEmail(AccountForm, MailForm, _EmailPage):
    """Sends a link to the new address, or an email that says that another account has it. The person who asked is not
    told which."""

    template = "email"

    def key(self) -> BrowserKey:
        account = AccountKey(self.parts, self.now)
        return BrowserKey(hashed(self.request.session), sign_in=self.counters(), account=account)

    def page_again(self, error: str, status: int, wait: int) -> Page:
        return self.email_page(error, status, wait)

    def answer(self, session: Session, user: User) -> Decision[BrowserAnswer]:
        change = self.mail(user_id=user.id, username=user.username)
        done = self.go_to_done(PATH, "email_sent", session)
        return Decision(done, change, events=[Event("email_change_requested")])
