"""The response to the client, once the client and its redirect URI are known to be right."""

from dataclasses import replace
from hashlib import sha256

from ...accounts.browser import BrowserHandler, BrowserRefusal, error_page
from ...domain import authorization_request, session_state
from ...domain import interaction as interactions
from ...domain.authorization_request import CREATE, AuthorizationRequest, Parameters, ResponseTarget
from ...domain.errors import RequestRefused
from ...domain.interaction import NOTHING_DONE, Progress, Step
from ...domain.models import SECOND, Client, Code, Interaction, Policy, Session, User
from ...domain.standard_claims import OPENID
from ...pipeline.errors import Refusal
from ...pipeline.event import Event
from ...pipeline.handler import Decision
from ...pipeline.replies import BrowserAnswer, Redirect
from ...store import codes
from .. import id_tokens
from ..error_descriptions import SENTENCES
from ..shown import shown

CODE_PREFIX = "ac_"


class AuthorizationHandler(BrowserHandler):
    """Responds to the client once the target of the response is known. Until then, errors are pages."""

    target: ResponseTarget | None = None
    authorization_request: AuthorizationRequest | None = None
    after_form = False

    def refuse(self, refusal: Refusal) -> BrowserAnswer:
        client = self._client_or_none()
        if self.target is None or isinstance(refusal, BrowserRefusal):
            values = {"back": client.client_uri if client else "", "client": shown(client)}
            sentence = self._sentence(refusal)
            code, status, retry_after = refusal.code, refusal.status, refusal.retry_after
            return error_page(code, status, retry_after, ui_locales=self.ui_locales, description=sentence, **values)
        return self.respond(("error", refusal.code), ("error_description", self._sentence(refusal)))

    def respond(self, *params: tuple[str, str]) -> Redirect:
        """Return the authorization response with these parameters."""
        target = self.target
        if target is None:
            raise LookupError("The request has no target for a response.")
        state = [("state", target.state)] if target.state is not None else []
        # RFC 9207 s2: in authorization responses, including error responses, MUST include the iss parameter.
        all_params = (*params, *state, ("iss", self.services.issuer))
        client = shown(self._client_or_none())
        return Redirect(target.redirect_uri, all_params, target.mode, self.after_form, client, self.ui_locales)

    def read(self, parameters: Parameters, client: Client) -> AuthorizationRequest:
        """Read the request, whose target is known. Raises Refusal."""
        if self.target is None:
            raise LookupError("The request has no target for a response.")
        try:
            request = authorization_request.read(parameters, self.target, client)
        except RequestRefused as error:
            raise Refusal(error.code, str(error)) from error
        # Initiating User Registration s4: if the OP receives a prompt value that it does not support ... SHOULD respond
        # with ... an error value of invalid_request.
        if CREATE in request.prompts and not self.services.sign_up:
            raise Refusal("invalid_request", "The prompt is create, and nobody can create an account.")
        self.authorization_request = request = self._for_users(self._for_hinted_user(request), client)
        if OPENID in request.scope:
            id_tokens.check_key(client, self.services)
        return request

    def _for_hinted_user(self, request: AuthorizationRequest) -> AuthorizationRequest:
        """Return the request with the user of its id_token_hint. A hint that is not an ID token of this server is
        ignored, so that an old one keeps nobody out. With prompt=none it is an error, because then no page shows who is
        signed in."""
        if not request.id_token_hint:
            return request
        hint = id_tokens.hint_of(request.id_token_hint, self.services)
        if hint is not None:
            return replace(request, subjects=authorization_request.narrowed(request.subjects, hint.subject))
        if "none" in request.prompts:
            raise Refusal("login_required", "The id_token_hint is not an ID token of this server.")
        return request

    def _for_users(self, request: AuthorizationRequest, client: Client) -> AuthorizationRequest:
        """Return the request with user ids in place of the subjects by which the client knows its users. A subject can
        only be compared with that of the user who is signed in, which is enough."""
        if request.subjects is None:
            return request
        user_id = self.session.user_id if self.session else ""
        is_meant = bool(user_id) and self.services.keyring.subject(client, user_id) in request.subjects
        return replace(request, subjects=frozenset({user_id} if is_meant else ()))

    def next_step(self, request: AuthorizationRequest, client: Client, progress: Progress = NOTHING_DONE) -> Step:
        return interactions.next_step(
            request, client, progress, session=self.session, consent=self.loaded.consent, now=self.now
        )

    def answer_with_code(
        self, request: AuthorizationRequest, client: Client, interaction: Interaction | None = None
    ) -> Decision[BrowserAnswer]:
        """Return the decision that gives the client a code. Somebody must be signed in."""
        if self.signed_in is None:
            raise LookupError("Nobody is signed in.")
        session, user = self.signed_in
        policy = client.policy_over(self.services.policy)
        text = CODE_PREFIX + self.services.new_secret()
        code = self._code(text, request, client, session, user, policy)
        idle_end = session_state.idle_end(self.now, policy, kept=session.kept, expires_at=session.expires_at)
        change = codes.issue(code, idle_expires_at=idle_end, interaction=interaction)
        return Decision(self.respond(("code", text)), change, events=[Event("code_issued")])

    def _sentence(self, refusal: Refusal) -> str:
        return refusal.description or SENTENCES.get(refusal.code, SENTENCES["invalid_request"])

    def _client_or_none(self) -> Client | None:
        """Return the client of the request, once it is known to be right."""
        raise NotImplementedError

    def _code(
        self, text: str, request: AuthorizationRequest, client: Client, session: Session, user: User, policy: Policy
    ) -> Code:
        return Code(
            hash=sha256(text.encode()).digest(),
            authorization_id=self.services.new_id(),
            client_id=client.id,
            user_id=user.id,
            session_id=session.id,
            redirect_uri=request.target.redirect_uri,
            scope=request.scope,
            # Without a resource in the request, the user agreed to the default one, and to no other.
            resources=request.resources or client.audiences[:1],
            requested_claims=request.claims_text,
            nonce=request.nonce,
            code_challenge=request.code_challenge,
            authenticated_at=session.authenticated_at,
            amr=session.amr,
            credential_version=session.credential_version,
            created_at=self.now,
            expires_at=self.now + policy.code_ttl * SECOND,
        )
