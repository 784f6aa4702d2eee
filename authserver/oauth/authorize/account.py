"""POST /interaction/{id}/account: the user continues with the account that is signed in, or chooses another."""

from ...accounts.interaction import OTHER_ACCOUNT, path_of
from ...domain.interaction import with_progress
from ...pipeline.handler import Decision
from ...pipeline.replies import BrowserAnswer, GoTo
from ...store.interactions import advance
from .interaction import InteractionHandler


class ChooseAccount(InteractionHandler):
    def decide(self) -> Decision[BrowserAnswer]:
        self.check_form()
        interaction, _, _ = self.resume()
        if self.wants_other_account:
            return Decision(GoTo(path_of(interaction) + OTHER_ACCOUNT))
        if self.session is None or self.request.shown != self.shown_digest():
            return Decision(GoTo(path_of(interaction)))
        chosen = with_progress(interaction, self.session, chosen=True)
        return Decision(GoTo(path_of(interaction)), advance(chosen))
