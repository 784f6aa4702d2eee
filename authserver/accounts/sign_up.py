"""GET and POST /sign-up: a person creates an account.

If the server can send mail, the account gets the person's address. They must open a link that is sent there before the
account exists, so that nobody can prepare one with somebody else's address. Without mail, the person chooses a
username, which is never an address.
"""

from ..passwords import username_form
from ..pipeline.attempt import Attempt
from ..pipeline.errors import Refusal, TooManyAttempts
from ..pipeline.event import Event
from ..pipeline.handler import Decision, Services
from ..pipeline.replies import BrowserAnswer, GoTo, Page
from ..store.browser_state import BrowserKey
from ..store.sign_ins import SignInKey
from .account_creation import AccountCreation, check_sign_up
from .account_pages import HOME
from .browser import BrowserHandler
from .counted_form import CountedForm
from .in_interaction import InInteraction
from .interaction import interaction_id_of, path_of
from .mail_form import MailForm, check_mail, sent_page
from .request import BrowserRequest, hashed

PATH = "/sign-up"
_SENT = "sign_up_sent"


class _SignUpPage(InInteraction):
    def sign_up_page(self, error: str = "", status: int = 200, wait: int = 0) -> Page:
        """Return the page that asks for the address, or, without mail, for a username and a password."""
        interaction = self.interaction
        return self.form_page(
            "sign_up",
            PATH,
            status=status,
            retry_after=wait,
            has_mail=self.services.mail,
            email=self.request.value("email"),
            username=self.request.value("username"),
            min_length=self.services.password_min_length,
            interaction=interaction.id.hex() if interaction else "",
            back=f"{path_of(interaction)}?account=other" if interaction else HOME,
            error=error,
            wait=wait,
        )


class ShowSignUp(_SignUpPage):
    def key(self) -> BrowserKey:
        return BrowserKey(hashed(self.request.session), interaction_id_of(self.request.value("interaction")))

    def decide(self) -> Decision[BrowserAnswer]:
        check_sign_up(self)
        return Decision(sent_page("sign_up_sent", self.ui_locales) if self.was_done(_SENT) else self.sign_up_page())


class RequestSignUp(MailForm, _SignUpPage):
    """With mail: the address gets a link, or is told that it has an account."""

    template = "sign_up"

    def check_offered(self) -> None:
        check_sign_up(self)
        check_mail(self.services)

    def page_again(self, error: str, status: int, wait: int) -> Page:
        return self.sign_up_page(error, status, wait)

    def decide(self) -> Decision[BrowserAnswer]:
        return Decision(
            GoTo(self.done_path(PATH, _SENT) + self.of_interaction), self.mail(), events=[Event("sign_up_requested")]
        )


class NameRefused(Refusal):
    """The username is not allowed, or is in use."""

    def __init__(self, code: str) -> None:
        super().__init__(code, f"username refused: {code}", 422)


class SignUpWithoutMail(AccountCreation, CountedForm, _SignUpPage):
    """Without mail: the account is created at once. The page reveals which usernames exist, since people choose one."""

    def key(self) -> BrowserKey:
        key = self.counted_key("sign-up")
        name = SignInKey(username_form(self.request.value("username")), self.request.network, key.keys)
        return BrowserKey(
            hashed(self.request.session), interaction_id_of(self.request.value("interaction")), sign_in=name
        )

    def check_offered(self) -> None:
        check_sign_up(self)

    def new_username(self) -> str:
        name = username_form(self.request.value("username"))
        # An account named like an address would seem to belong to the person who reads its mail.
        if name is None or "@" in name:
            raise NameRefused("name_malformed")
        if self.loaded.sign_in and self.loaded.sign_in.subject:
            raise NameRefused("name_taken")
        return name

    def decide(self) -> Decision[BrowserAnswer]:
        interaction = self.interaction
        goal = path_of(interaction) if interaction else HOME
        return self.create({}, goal, interaction_id=interaction.id if interaction else None)

    def page_again(self, error: str, status: int, wait: int) -> Page:
        return self.sign_up_page(error, status, wait)

    def refuse(self, refusal: Refusal) -> BrowserAnswer:
        if isinstance(refusal, NameRefused | TooManyAttempts):
            error = refusal.code if isinstance(refusal, NameRefused) else "delayed"
            return self.page_again(error, refusal.status, refusal.retry_after)
        return super().refuse(refusal)


def sign_up(attempt: Attempt[BrowserRequest], services: Services) -> BrowserHandler:
    """Return the handler of the form, which depends on whether the server can send mail."""
    return (RequestSignUp if services.mail else SignUpWithoutMail)(attempt, services)
