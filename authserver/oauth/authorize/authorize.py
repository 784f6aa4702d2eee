"""GET and POST /authorize (RFC 6749 s3.1, OpenID Connect Core s3.1.2).

Until the client and its redirect URI are known to be right, errors are pages. From then on, the client is told.
"""

from ...accounts.request import hashed
from ...domain import authorization_request, redirect_uri
from ...domain.interaction import ERRORS, Step
from ...domain.models import Client
from ...pipeline.errors import Refusal
from ...pipeline.handler import Decision
from ...pipeline.replies import BrowserAnswer
from ...store import browser_state
from ...store.browser_state import BrowserKey
from .begin import begin
from .interaction import text_of
from .response import AuthorizationHandler

GRANT_TYPE = "authorization_code"


class Authorize(AuthorizationHandler):
    loader = staticmethod(browser_state.load_for_client_many)

    def client_id(self) -> str:
        return self.request.value("client_id")

    def accept_client(self, client: Client | None) -> None:
        parameters = self.request.parameters
        # RFC 6749 s4.1.2.1: MUST NOT automatically redirect the user-agent to the invalid redirection URI.
        if {"client_id", "redirect_uri"} & (parameters.repeated | parameters.malformed):
            raise Refusal("invalid_request", "The client_id or the redirect_uri is repeated, or not UTF-8.")
        if client is None or client.disabled:
            detail = "no such client" if client is None else "client disabled"
            raise Refusal("invalid_client", detail, description="The client is unknown or disabled.")
        uri = self.request.value("redirect_uri")
        if not uri or not redirect_uri.is_registered(uri, client):
            raise Refusal("invalid_redirect_uri", "The redirect_uri is missing or not registered.")
        target = authorization_request.target(parameters, uri)
        if not authorization_request.is_possible(target):
            raise Refusal("invalid_request", "A form cannot be posted to this redirect_uri, or changes this state.")
        self.target = target

    def check_client(self) -> None:
        if GRANT_TYPE not in self.client.grant_types:
            raise Refusal("unauthorized_client", f"client not registered for {GRANT_TYPE}")

    def key(self) -> BrowserKey:
        return BrowserKey(hashed(self.request.session), client_id=self.client.id)

    def decide(self) -> Decision[BrowserAnswer]:
        request = self.read(self.request.parameters, self.client)
        step = self.next_step(request, self.client)
        if step is Step.ANSWER:
            return self.answer_with_code(request, self.client)
        # OpenID Connect Core s3.1.2.1: none: the Authorization Server MUST NOT display any authentication or consent
        # user interface pages.
        if "none" in request.prompts:
            raise Refusal(ERRORS[step], "The user would have to act, and prompt is none.")
        return begin(self, self.client.id, text_of(self.request.parameters))

    @property
    def ui_locales(self) -> str:
        return self.request.value("ui_locales")

    def _client_or_none(self) -> Client | None:
        return self.accepted
