"""POST /interaction/{id}/consent: the user allows or denies what the client asks for."""

from dataclasses import replace

from ...accounts.interaction import path_of
from ...domain.authorization_request import AuthorizationRequest
from ...domain.interaction import Step, with_progress
from ...domain.models import Client, Consent, Interaction, Session
from ...pipeline.event import Event
from ...pipeline.handler import Decision
from ...pipeline.replies import BrowserAnswer, GoTo
from ...store import consents
from ...store.interactions import advance
from ..error_descriptions import SENTENCES
from .interaction import InteractionHandler


class AnswerConsent(InteractionHandler):
    def decide(self) -> Decision[BrowserAnswer]:
        self.check_form()
        interaction, client, request = self.resume()
        step = self.step_of(interaction, client, request)
        answer = self.request.value("answer")
        is_current = step is Step.CONSENT and self.request.shown == self.shown_digest()
        if self.session is None or not is_current or answer not in ("allow", "deny"):
            return Decision(GoTo(path_of(interaction)))
        if answer == "deny":
            denied = advance(replace(interaction, denied=True))
            response = self.respond(("error", "access_denied"), ("error_description", SENTENCES["access_denied"]))
            return Decision(response, denied, events=[Event("consent_denied")])
        return self._agree(interaction, client, request, self.session)

    def _agree(
        self, interaction: Interaction, client: Client, request: AuthorizationRequest, session: Session
    ) -> Decision[BrowserAnswer]:
        agreed = with_progress(interaction, session, agreed=True)
        claims = tuple(sorted(request.claim_names))
        consent = Consent(session.user_id, client.id, request.scope, claims, request.resources, self.now)
        event = Event(
            "consent_given",
            fields={
                "scope": " ".join(request.scope),
                "claims": " ".join(claims),
                "resources": " ".join(request.resources),
            },
        )
        return Decision(
            GoTo(path_of(interaction)),
            consents.agree(consent.with_earlier(self.loaded.consent), agreed),
            events=[event],
        )
