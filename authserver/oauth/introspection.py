"""POST /introspect (RFC 7662): tells a client whether a token is valid now. It changes nothing.

A client may introspect its own tokens, and access tokens with an audience that is also one of the client's. For any
other token it gets `{"active": false}`, as for a token that does not exist.
"""

from typing import Any

from ..domain import refresh_token
from ..domain.claim_rules import RESERVED
from ..domain.claims import audiences_of
from ..domain.models import SECOND, Client
from ..domain.rotation import Verdict, is_allowed, is_over
from ..pipeline.errors import Refusal
from ..pipeline.handler import Decision
from ..pipeline.replies import Reply
from ..store import token_state
from ..store.authorizations import AuthorizationRecord
from ..store.token_state import TokenKey, TokenState
from .client_handler import ClientHandler

# RFC 7662 s2.2: the authorization server MUST NOT include any additional information about an inactive token.
INACTIVE = {"active": False}
_ACTIVE = (Verdict.ROTATE, Verdict.RETRY, Verdict.USE)
_CLAIMS = ("iss", "sub", "aud", "client_id", "scope", "iat", "exp", "jti", "auth_time", "grant_id")


class Introspection(ClientHandler):
    loader = staticmethod(token_state.load_many)
    loaded: TokenState | None
    presented: refresh_token.Presented | None = None
    claims: dict[str, Any] | None = None

    def check_client(self) -> None:
        # RFC 7662 s2.1: the endpoint MUST also require some form of authorization to access this endpoint.
        if self.client.auth_method == "none":
            raise Refusal("invalid_client", "a public client cannot introspect", 401)

    def key(self) -> TokenKey | None:
        token = self.parsed.form.get("token", "")
        self.presented = refresh_token.parse(token)
        if self.presented:
            return TokenKey(None, self.presented.authorization_id, None)
        self.claims = self.verified(token)
        if self.claims is None:
            return None
        return TokenKey(self.claims["jti"], bytes.fromhex(self.claims.get("grant_id", "")), self.claims["client_id"])

    def decide(self) -> Decision[Reply]:
        if "token" not in self.parsed.form:
            raise Refusal("invalid_request", "no token")
        if self.loaded is None:
            return Decision(Reply(200, INACTIVE))
        members = self._refresh_token(self.loaded.record) if self.presented else self._access_token(self.loaded)
        return Decision(Reply(200, members or INACTIVE))

    def _access_token(self, state: TokenState) -> dict[str, Any] | None:
        claims = self.claims
        # Keys remain valid when the issuer's URL changes; the guard rejects such a token by its `iss`.
        if claims is None or claims["iss"] != self.services.issuer:
            return None
        if not _may_see(self.client, claims) or self.has_come(claims["exp"] * SECOND):
            return None
        if state.denied or state.client is None or state.client.disabled:
            return None
        if "grant_id" in claims and not _is_active(state.record, self.now):
            return None
        # RFC 7662 s2.2: implementations MAY extend this structure with their own service-specific response names.
        custom = {name: claims[name] for name in claims if name not in RESERVED}
        members = {name: claims[name] for name in _CLAIMS if name in claims} | custom
        return {"active": True, "token_type": "Bearer"} | members | _username(state.record, state.client)

    def _refresh_token(self, loaded: AuthorizationRecord | None) -> dict[str, Any] | None:
        record = self.genuine(self.presented, loaded)
        if record is None or self.presented is None:
            return None
        if self.judge(self.presented.generation, record) not in _ACTIVE:
            return None
        authorization = record.authorization
        ends_at = min(authorization.idle_expires_at, authorization.expires_at)
        return {
            "active": True,
            "iss": self.services.issuer,
            "client_id": authorization.client_id,
            "sub": self.services.keyring.subject(self.client, authorization.subject),
            "scope": " ".join(authorization.scope),
            "iat": authorization.created_at // SECOND,
            "exp": ends_at // SECOND,
            "grant_id": authorization.id.hex(),
        } | _username(record, self.client)


def _may_see(client: Client, claims: dict[str, Any]) -> bool:
    return client.id == claims["client_id"] or not set(audiences_of(claims)).isdisjoint(client.audiences)


def _is_active(record: AuthorizationRecord | None, now: int) -> bool:
    if record is None or is_over(record.authorization, now):
        return False
    return is_allowed(record.authorization, record.user)


def _username(record: AuthorizationRecord | None, client: Client) -> dict[str, str]:
    """Return the user's name, unless the client's tokens must not reveal who the user is."""
    is_told = client.subject_type == "public"
    return {"username": record.user.username} if is_told and record and record.user else {}
