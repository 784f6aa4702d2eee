"""GET /interaction/{id}: the next page, or the response to the client."""

import json
from urllib.parse import urlsplit

from ...accounts.browser import BrowserRefusal
from ...accounts.done import PASSWORD_RESET
from ...accounts.interaction import (
    OTHER_ACCOUNT,
    InteractionStep,
    current_interaction,
    path_of,
    waiting_interaction,
)
from ...accounts.other_ways import other_ways
from ...domain import authorization_request, redirect_uri
from ...domain import interaction as interactions
from ...domain.authorization_request import CREATE, AuthorizationRequest, Parameters
from ...domain.interaction import ERRORS, Step
from ...domain.models import Client, Interaction
from ...pipeline.errors import Refusal
from ...pipeline.handler import Decision
from ...pipeline.replies import BrowserAnswer, GoTo, Page
from ..shown import asked_for, shown
from .begin import begin
from .response import AuthorizationHandler

_AGAIN = "?again=yes"
"""The query by which a person begins the request again, in a browser that the interaction is not bound to."""


class InteractionHandler(InteractionStep, AuthorizationHandler):
    """A step of an interaction that an authorization request began."""

    after_form = True

    def waiting(self) -> tuple[Interaction, Client]:
        return _of_request(waiting_interaction(self.loaded, self.request, self.now))

    def begin_again_path(self) -> str:
        return path_of(self._current()[0]) + _AGAIN

    def resume(self) -> tuple[Interaction, Client, AuthorizationRequest]:
        """Return the interaction, its client and its request, which is read again as if it had just come: the client
        may have changed in the meantime. Raises Refusal."""
        interaction, client = self.waiting()
        parameters = parameters_of(interaction)
        uri = parameters.values["redirect_uri"]
        if not redirect_uri.is_registered(uri, client):
            raise BrowserRefusal("expired", "The redirect_uri is no longer registered.")
        self.target = authorization_request.target(parameters, uri)
        request = self.read(parameters, client)
        if self.loaded.waiting is None or self.loaded.waiting.is_redeemed:
            raise BrowserRefusal("completed", "The interaction was completed.", 409)
        if interaction.denied:  # this response is repeated, too: it may have been lost
            raise Refusal("access_denied", "The user did not agree, and came back.")
        return interaction, client, request

    def step_of(self, interaction: Interaction, client: Client, request: AuthorizationRequest) -> Step:
        """Return the next step. Raises Refusal if there is none."""
        step = self.next_step(request, client, interactions.progress_of(interaction, self.session))
        if step is Step.OTHER_USER:
            raise Refusal(ERRORS[step], "Another user signed in than the one whom the request names.")
        return step

    def page(self, name: str, status: int = 200, retry_after: int = 0, **values: object) -> Page:
        """Return a page with a form of this interaction."""
        interaction, client = self.waiting()
        path = path_of(interaction)
        shared = {"client": shown(client), "other_account": path + OTHER_ACCOUNT}
        return self.form_page(
            name,
            f"{path}/{ACTIONS[name]}",
            shown="" if name == "sign_in" else self.shown_digest(),
            status=status,
            retry_after=retry_after,
            **shared | values,
        )

    def sign_in_page(
        self, username: str = "", error: str = "", status: int = 200, wait: int = 0, *, keep: bool = False
    ) -> Page:
        """Return the sign-in page; `wait` is in seconds. Users who must sign in again type only the password."""
        fixed = self.fixed_username if username in ("", self.fixed_username) else ""
        request = self.authorization_request
        hint = request.login_hint if request and not self.wants_other_account else ""
        values = {"username": username or fixed or hint, "fixed_username": fixed, "keep": keep}
        others = other_ways(self.services, self.request.interaction_id)
        values["was_reset"] = self.was_done(PASSWORD_RESET)
        return self.page("sign_in", status, wait, error=error, wait=wait, **values, **others)

    @property
    def ui_locales(self) -> str:
        waiting = self.loaded.waiting if self.loaded else None
        return waiting.interaction.ui_locales if waiting else ""

    def shown_digest(self) -> str:
        request = self.authorization_request
        return self.digest_of((request.scope, sorted(request.claim_names), request.resources) if request else ())

    @property
    def fixed_username(self) -> str:
        """The user who is signed in, if the sign-in page is for nobody else; "" if anyone may sign in, since the person
        or the request wants a choice, or means somebody else."""
        request = self.authorization_request
        if self.signed_in is None or request is None or self.wants_other_account:
            return ""
        session, user = self.signed_in
        is_meant = request.accepts(session.user_id) and request.login_hint in ("", user.username)
        return user.username if is_meant and "select_account" not in request.prompts else ""

    def _current(self) -> tuple[Interaction, Client]:
        """Raises BrowserRefusal if the interaction does not exist, or is over."""
        return _of_request(current_interaction(self.loaded, self.now))

    def _client_or_none(self) -> Client | None:
        return self.loaded.client if self.target is not None else None


class ContinueInteraction(InteractionHandler):
    def decide(self) -> Decision[BrowserAnswer]:
        if self.request.value("again"):
            interaction, client = self._current()
            return begin(self, client.id, interaction.request)
        interaction, client, request = self.resume()
        step = self.step_of(interaction, client, request)
        if step is Step.SIGN_IN and CREATE in request.prompts and not self.wants_other_account:
            # Initiating User Registration s4: the client desires that the user be shown the account creation UX.
            return Decision(GoTo(other_ways(self.services, interaction.id)["sign_up_path"]))
        if self.wants_other_account or step is Step.SIGN_IN:
            is_kept = self.session is not None and self.session.kept
            return Decision(self.sign_in_page(keep=is_kept and bool(self.fixed_username)))
        if step is Step.CHOOSE_ACCOUNT:
            return Decision(self.page("choose_account", username=self.username()))
        if step is Step.CONSENT:
            return Decision(self._consent_page(request))
        return self.answer_with_code(request, client, interaction)

    def _consent_page(self, request: AuthorizationRequest) -> Page:
        before = self.loaded.consent
        origin = urlsplit(request.target.redirect_uri).netloc or request.target.redirect_uri.partition(":")[0]
        return self.page(
            "consent",
            username=self.username(),
            origin=origin,
            scopes=asked_for(request.scope, before.scope if before else ()),
            claims=asked_for(sorted(request.claim_names), before.claims if before else ()),
            resources=asked_for(request.resources, before.resources if before else ()),
        )


ACTIONS = {"sign_in": "sign-in", "choose_account": "account", "consent": "consent"}
"""Where the form of each page goes, below the interaction."""


def _of_request(waiting: tuple[Interaction, Client]) -> tuple[Interaction, Client]:
    """Raises BrowserRefusal for an interaction that an authorization request has not begun."""
    if waiting[0].device_code_hash is not None:
        raise BrowserRefusal("expired", "The interaction is for a device.")
    return waiting


def text_of(parameters: Parameters) -> str:
    """Return the parameters as they are stored. They are stored only if none of them is repeated or
    malformed."""
    values = {name: value for name, value in parameters.values.items() if name in authorization_request.NAMES}
    return json.dumps([values, parameters.resources], separators=(",", ":"))


def parameters_of(interaction: Interaction) -> Parameters:
    values, resources = json.loads(interaction.request)
    return Parameters(values, tuple(resources))
