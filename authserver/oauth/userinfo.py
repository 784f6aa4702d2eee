"""GET and POST /userinfo (OpenID Connect Core s5.3): what the bearer of an access token may know about its user."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..domain import claims_parameter, standard_claims
from ..domain.claims import audiences_of, userinfo_audience
from ..domain.end_reason import end_reason
from ..domain.id_token import TYP
from ..domain.models import SECOND, Client
from ..domain.record import record
from ..pipeline.attempt import Attempt
from ..pipeline.errors import Refusal
from ..pipeline.handler import Decision, Services, UnsignedToken
from ..pipeline.replies import Reply
from ..store import token_state
from ..store.authorizations import AuthorizationRecord
from ..store.token_state import TokenKey, TokenState
from .token_handler import TokenHandler


@record(frozen=True, slots=True)
class UserInfoRequest:
    access_token: str
    arrived_at: int
    """When the request had arrived, in microseconds."""
    network: str


class UserInfo(TokenHandler):
    loader = staticmethod(token_state.load_with_claims_many)
    loaded: TokenState | None
    claims: Mapping[str, Any] | None = None
    """The claims of the access token, once it has proved to be one of this server's."""

    def __init__(self, attempt: Attempt[UserInfoRequest], services: Services) -> None:
        super().__init__(attempt, services)
        self.access_token = attempt.request.access_token

    def key(self) -> TokenKey | None:
        claims = self.claims = self.verified(self.access_token)
        if claims is None or "grant_id" not in claims:
            return None
        return TokenKey(claims["jti"], bytes.fromhex(claims["grant_id"]), claims["client_id"])

    def decide(self) -> Decision[Reply]:
        claims, (record, client) = self._current_claims(), self._authorization()
        scope = tuple(claims.get("scope", "").split())
        if standard_claims.OPENID not in scope:
            raise Refusal("insufficient_scope", "access token without the scope openid", 403)
        # RFC 9068 s4: the resource server MUST validate that the "aud" claim contains a resource indicator for itself.
        if userinfo_audience(self.services.issuer) not in audiences_of(claims):
            raise Refusal("invalid_token", "access token for another audience", 401)
        # OpenID Connect Core s5.3.2: the sub (subject) Claim MUST always be returned in the UserInfo Response.
        subject = self.services.keyring.subject(client, record.authorization.subject)
        return self._answer({"sub": subject} | _shown(record, scope), client)

    def about(self) -> Mapping[str, str]:
        named = {"client_id": "client_id", "grant_id": "grant_id", "subject": "sub"}
        claims = self.claims or {}
        about = {field: claims[name] for field, name in named.items() if name in claims}
        # The log and the audit trail identify users by their id, not by the subject that a client knows.
        record = self.loaded.record if self.loaded else None
        return about | ({"subject": record.authorization.subject} if record else {})

    def username(self) -> str:
        record = self.loaded.record if self.loaded else None
        return record.user.username if record and record.user else ""

    def _current_claims(self) -> Mapping[str, Any]:
        """Return the claims of the access token. Raises Refusal unless it is one that has not expired."""
        if self.claims is None:
            raise Refusal("invalid_token", "not an access token of this server", 401)
        if self.has_come(self.claims["exp"] * SECOND):
            raise Refusal("invalid_token", "access token has expired", 401)
        return self.claims

    def _authorization(self) -> tuple[AuthorizationRecord, Client]:
        """Return the authorization that the token belongs to, and its client. Raises Refusal unless it is active."""
        state = self.loaded
        if state is None or state.record is None or state.client is None:
            raise Refusal("invalid_token", "no such authorization", 401)
        if state.denied:
            raise Refusal("invalid_token", "access token was revoked", 401)
        record, client = state.record, state.client
        policy = client.policy_over(self.services.policy)
        why = end_reason(record.authorization, client=client, user=record.user, policy=policy, now=self.now)
        if why:
            raise Refusal("invalid_token", why, 401)
        return record, client

    def _answer(self, claims: dict[str, Any], client: Client) -> Decision[Reply]:
        """Respond with JSON, or with a JWT if the client registered an algorithm for it."""
        alg = client.userinfo_alg
        if not alg:
            return Decision(Reply(200, claims))
        # OpenID Connect Core s5.3.2: if signed, the UserInfo Response MUST contain the Claims iss and aud as members.
        # Without `exp` nobody can take it for an ID token.
        members = claims | {"iss": self.services.issuer, "aud": client.id}
        token = UnsignedToken("userinfo", members, alg, TYP, exact=True)
        return Decision(Reply(200, None), tokens=(token,), with_tokens=_as_jwt)


def _shown(record: AuthorizationRecord, scope: tuple[str, ...]) -> dict[str, Any]:
    authorization, user = record.authorization, record.user
    requested = authorization.requested_claims
    # OpenID Connect Core s5.5: the userinfo member requests individual claims, in addition to those of the scope.
    more = claims_parameter.parse(requested).userinfo if requested else ()
    names = (*standard_claims.of_scope(scope), *more)
    return standard_claims.of_user(user.username, user.claims or {}, names) if user else {}


def _as_jwt(reply: Reply, tokens: Mapping[str, str]) -> Reply:
    return replace(reply, jwt=tokens["userinfo"])
