"""POST /interaction/{id}/account: the user goes on with the account that is signed in, or takes another."""

from dataclasses import replace

from ...domain import interaction as interactions
from ...pipeline.handler import Decision
from ...pipeline.replies import BrowserAnswer, GoTo
from ...store.interactions import advance
from .interaction import OTHER_ACCOUNT, InteractionHandler, path_of


class ChooseAccount(InteractionHandler):
    def decide(self) -> Decision[BrowserAnswer]:
        self.check_form()
        interaction, _, _ = self.resume()
        if self.request.value("account") == "other":
            return Decision(GoTo(path_of(interaction) + OTHER_ACCOUNT))
        if self.session is None or self.request.shown != self.shown_digest():
            return Decision(GoTo(path_of(interaction)))
        done = interactions.progress_of(interaction, self.session)
        chosen = replace(
            interaction,
            session_id=self.session.id,
            signed_in=done.signed_in,
            chosen=True,
            agreed=done.agreed,
        )
        return Decision(GoTo(path_of(interaction)), advance(chosen))
