"""GET and POST /sign-up/password: a person who opened the link that was sent to an address creates the account with a
password."""

from ..domain import links
from ..domain.models import LinkKind
from ..pipeline.handler import Decision
from ..pipeline.replies import BrowserAnswer, Page
from .account_creation import AccountCreation, check_sign_up
from .account_pages import HOME
from .link_pages import LinkPage

_DONE = "sign_up"


class ShowSignUpPassword(LinkPage):
    kind = LinkKind.SIGN_UP

    def decide(self) -> Decision[BrowserAnswer]:
        check_sign_up(self)
        return Decision(Page("sign_up_done") if self.was_done(_DONE) else self.password_page())

    def password_page(self, error: str = "", status: int = 200, retry_after: int = 0) -> Page:
        """Return the page that asks for the password. `error` is the code of a weakness, or `busy`."""
        return self.link_page(
            "new_password",
            status=status,
            retry_after=retry_after,
            username=self.opened.link.address,
            is_new=True,
            error=error,
            min_length=self.services.password_min_length,
        )


class SignUpWithLink(AccountCreation, ShowSignUpPassword):
    def new_username(self) -> str:
        return self.opened.link.address

    async def authenticate(self) -> None:
        self.check_form()
        check_sign_up(self)
        await super().authenticate()

    def decide(self) -> Decision[BrowserAnswer]:
        link = self.opened.link
        claims = {"email": link.address, "email_verified": True}
        # In any other browser than the one that asked, nobody is signed in: somebody may have forwarded the link.
        done = self.done_path(links.PATHS[self.kind], _DONE)
        goal = (self.goal or HOME) if self.is_same_browser else done
        return self.create(
            claims, goal, link_id=link.id, interaction_id=link.interaction_id, signs_in=self.is_same_browser
        )

    def page_again(self, error: str, status: int, wait: int) -> Page:
        return self.password_page(error, status, wait)
