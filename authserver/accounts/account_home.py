"""GET /account: what a person can do here."""

from ..domain.models import Session, User
from ..pipeline.handler import Decision
from ..pipeline.replies import BrowserAnswer
from .account_pages import AccountPage


class AccountHome(AccountPage):
    def answer(self, session: Session, user: User) -> Decision[BrowserAnswer]:
        return Decision(self.account_page("account", has_mail=self.services.mail))
