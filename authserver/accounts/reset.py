"""GET and POST /reset: a person who forgot the password asks for a link to choose a new one."""

from ..pipeline.event import Event
from ..pipeline.handler import Decision
from ..pipeline.replies import BrowserAnswer, GoTo, Page
from ..store.browser_state import BrowserKey
from .in_interaction import InInteraction
from .interaction import interaction_id_of, path_of
from .mail_form import MailForm, check_mail, sent_page
from .request import hashed

PATH = "/reset"
_SENT = "reset_sent"


class _ResetPage(InInteraction):
    def reset_page(self, error: str = "", status: int = 200, wait: int = 0) -> Page:
        """Return the page that asks for the address; `wait` is in seconds."""
        interaction = self.interaction
        return self.form_page(
            "reset",
            PATH,
            status=status,
            retry_after=wait,
            email=self.request.value("email"),
            interaction=interaction.id.hex() if interaction else "",
            back=path_of(interaction) if interaction else "/account",
            error=error,
            wait=wait,
        )


class ShowResetRequest(_ResetPage):
    def key(self) -> BrowserKey:
        return BrowserKey(hashed(self.request.session), interaction_id_of(self.request.value("interaction")))

    def decide(self) -> Decision[BrowserAnswer]:
        check_mail(self.services)
        return Decision(sent_page("reset_sent", self.ui_locales) if self.was_done(_SENT) else self.reset_page())


class RequestReset(MailForm, _ResetPage):
    template = "reset"

    def page_again(self, error: str, status: int, wait: int) -> Page:
        return self.reset_page(error, status, wait)

    def decide(self) -> Decision[BrowserAnswer]:
        return Decision(
            GoTo(self.done_path(PATH, _SENT) + self.of_interaction), self.mail(), events=[Event("reset_requested")]
        )
