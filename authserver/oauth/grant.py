"""What the grants of the token endpoint share. Mixed in before Authlib's class of the grant, which validates."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from authlib.oauth2 import AuthorizationServer, OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc6749.grants import BaseGrant

from ..domain import claims, refresh_token, scopes
from ..domain.errors import ScopeRefused, TargetRefused
from ..domain.models import SECOND, Authorization
from ..pipeline.errors import Refusal
from ..pipeline.event import Event
from ..pipeline.handler import Decision, UnsignedToken
from ..pipeline.replies import Reply
from ..store.database import Change
from .authlib_request import AuthlibRequest
from .client_auth import METHODS, AuthlibClient
from .client_handler import ClientHandler


class Grant(ClientHandler):
    """Authlib validates in `decide`, and calls the hook that the grant fills in; then `issue` decides."""

    GRANT_TYPE: str
    TOKEN_ENDPOINT_AUTH_METHODS = tuple(METHODS)
    validate_token_request: Callable[[], None]
    """Authlib's: asks for the grant's parameters, then calls its hook. What the hook finds is kept on the grant."""

    def __init__(self, request: AuthlibRequest, server: AuthorizationServer) -> None:
        """As Authlib's registry calls it."""
        super().__init__(request.attempt, request.services)
        BaseGrant.__init__(self, request, server)

    def check_client(self) -> None:
        # RFC 6749 s5.2: unauthorized_client; here, so that no password is hashed for a client without the grant.
        if self.GRANT_TYPE not in self.client.grant_types:
            raise Refusal("unauthorized_client", f"client not registered for {self.GRANT_TYPE}")

    def decide(self) -> Decision[Reply]:
        try:
            self.validate_token_request()
        except OAuth2Error as error:
            raise Refusal(error.error, _detail_of(error)) from error
        return self.issue()

    def issue(self) -> Decision[Reply]:
        """Decide what a valid request gets. Raises Refusal and Stale."""
        raise NotImplementedError

    def authenticate_token_endpoint_client(self) -> AuthlibClient:
        """Authlib's hook: the pipeline has accepted the client by now."""
        return AuthlibClient(self.client)

    def validate_requested_scope(self) -> None:
        """Authlib's hook: `narrow` decides instead, against what the client may have."""

    def narrow(self, allowed: tuple[str, ...]) -> tuple[str, ...]:
        """The scope that was asked for, or all that is allowed (RFC 6749 s3.3). Raises Refusal."""
        try:
            return scopes.narrow(self.parsed.form.get("scope"), allowed)
        except ScopeRefused as error:
            raise Refusal("invalid_scope", str(error)) from error

    def audience(self, granted: tuple[str, ...] = ()) -> tuple[str, ...]:
        """The access token's `aud` (RFC 8707 s2). Raises Refusal for a resource that may not be had."""
        # A client without an audience of its own gets tokens for the server's own interface.
        asked, default = self.parsed.resources, f"{self.services.issuer}/api"
        try:
            return claims.audience(asked, self.client, granted, default=default)
        except TargetRefused as error:
            raise Refusal("invalid_target", str(error)) from error

    def token_response(
        self,
        scope: tuple[str, ...],
        authorization: Authorization | None = None,
        change: Change | None = None,
        events: Iterable[Event] = (),
        *,
        refresh_token: str = "",
    ) -> Decision[Reply]:
        """The success of the token endpoint (RFC 6749 s5.1): an access token to sign, and what else comes with it."""
        ttl = self._ttl(authorization)
        payload = claims.access_token(
            issuer=self.services.issuer,
            client=self.client,
            scope=scope,
            audience=self.audience(authorization.resources if authorization else ()),
            now=self.now,
            ttl=ttl,
            jti=self.services.new_secret(),
            authorization=authorization,
        )
        body = {"token_type": "Bearer", "expires_in": ttl} | scopes.member(scope)
        left = (authorization.expires_at - self.now) // SECOND if authorization else 0
        reply = Reply(200, body, {}, refresh_token, min(self.policy.refresh_idle_ttl, left))
        token = UnsignedToken("access_token", payload, self.client.access_token_alg, self.client.access_token_typ)
        return Decision(reply, change, (token,), _with_tokens, events)

    def refresh_token(self, authorization: Authorization, generation: int) -> str:
        """Made of the key that the row names, so that a retry gets the same string after the keys have rotated."""
        key = self.services.keyring.refresh_key(authorization.refresh_key_id)
        return refresh_token.render(authorization.id, generation, key=key, salt=authorization.salt)

    def _ttl(self, authorization: Authorization | None) -> int:
        """Seconds; an access token never outlives the absolute end of its authorization."""
        ttl = self.policy.access_token_ttl
        if authorization is None:
            return ttl
        left = (authorization.expires_at - self.now) // SECOND
        if left < 1:
            raise Refusal("invalid_grant", "authorization ends within a second")
        return min(ttl, left)


def _with_tokens(reply: Reply, tokens: Mapping[str, str]) -> Reply:
    return replace(reply, body={**tokens, **(reply.body or {})})


def _detail_of(error: OAuth2Error) -> str:
    """Authlib's own errors describe a parameter that is missing, and may repeat what a caller sent."""
    described = error.description if isinstance(error, InvalidRequestError) else error.error.replace("_", " ")
    return str(described or "malformed")
