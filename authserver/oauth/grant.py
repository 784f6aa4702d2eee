"""The base of the token endpoint's grants. It is mixed in before Authlib's class of the grant, which validates."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from authlib.oauth2 import AuthorizationServer, OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc6749.grants import BaseGrant

from ..claims_hook import HookCall
from ..domain import claim_rules, claims, refresh_token, scopes
from ..domain.errors import TargetRefused
from ..domain.models import SECOND, Authorization, User
from ..domain.standard_claims import OPENID
from ..domain.times import utc
from ..pipeline.errors import Refusal, Stale
from ..pipeline.event import Event
from ..pipeline.handler import Decision, UnsignedToken
from ..pipeline.replies import Reply
from ..store import authorizations
from ..store.database import Change
from . import id_tokens
from .authlib_request import AuthlibRequest
from .client_auth import METHODS, AuthlibClient
from .client_handler import ClientHandler
from .token_reply import TokenReply


class Grant(ClientHandler):
    """In `decide`, Authlib validates the request and calls the grant's hook; then `issue` makes the decision."""

    GRANT_TYPE: str
    TOKEN_ENDPOINT_AUTH_METHODS = tuple(METHODS)
    validate_token_request: Callable[[], None]
    """Authlib's method: checks the grant's parameters, then calls its hook, which stores its result on the grant."""

    def __init__(self, request: AuthlibRequest, server: AuthorizationServer) -> None:
        """Has the signature that Authlib's registry calls."""
        super().__init__(request.attempt, request.services)
        BaseGrant.__init__(self, request, server)

    def check_client(self) -> None:
        # RFC 6749 s5.2: unauthorized_client. Checked before a password is hashed in vain.
        if self.GRANT_TYPE not in self.client.grant_types:
            raise Refusal("unauthorized_client", f"client not registered for {self.GRANT_TYPE}")

    def decide(self) -> Decision[Reply]:
        try:
            self.validate_token_request()
        except OAuth2Error as error:
            raise Refusal(error.error, _detail_of(error)) from error
        return self.issue()

    def issue(self) -> Decision[Reply]:
        """Return the decision for a valid request. Raises Refusal and Stale."""
        raise NotImplementedError

    def authenticate_token_endpoint_client(self) -> AuthlibClient:
        """Authlib's hook. The pipeline has already accepted the client."""
        return AuthlibClient(self.client)

    def validate_requested_scope(self) -> None:
        """Authlib's hook, which does nothing: `narrow` checks the scope against the client's instead."""

    def still_allowed(self, granted: tuple[str, ...]) -> tuple[str, ...]:
        """Return `granted` without the scopes that were withdrawn from the client. Raises Refusal if none is left."""
        left = tuple(word for word in granted if word in self.client.scope)
        if granted and not left:
            raise Refusal("invalid_grant", "every granted scope was withdrawn from the client")
        return left

    def audience(self, granted: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return the access token's `aud` (RFC 8707 s2). Raises Refusal for a resource that is not allowed."""
        # A client without an audience of its own gets tokens for this server's JSON interface.
        asked, default = self.parsed.resources, f"{self.services.issuer}/api"
        try:
            return claims.audience(asked, self.client, granted, default=default)
        except TargetRefused as error:
            raise Refusal("invalid_target", str(error)) from error

    def token_response(
        self,
        scope: tuple[str, ...],
        authorization: Authorization | None = None,
        user: User | None = None,
        change: Change | None = None,
        events: Iterable[Event] = (),
        *,
        refresh_token: str = "",
        nonce: str = "",
    ) -> Decision[Reply]:
        """Return the token endpoint's successful response (RFC 6749 s5.1), with the tokens still to be signed: the
        access token, and an ID token with `nonce` if a user is signed in by OpenID Connect.

        `user` is whose authorization it is; their claims must have been loaded if the client gets some."""
        ttl = self._ttl(authorization)
        body = {"token_type": "Bearer", "expires_in": ttl} | scopes.member(scope)
        left = (authorization.expires_at - self.now) // SECOND if authorization else 0
        tokens: tuple[UnsignedToken, ...] = (self._access_token(scope, authorization, user, ttl),)
        # OpenID Connect Core s3.1.3.3, s12.2: the response to a code, and that to a refresh, has an ID token.
        if authorization is not None and user is not None and OPENID in scope:
            id_token = id_tokens.unsigned(
                authorization, user, self.client, self.services, now=self.now, ttl=ttl, nonce=nonce
            )
            tokens = (*tokens, id_token)
        with_tokens = partial(_with_tokens, refresh_token, min(self.policy.refresh_idle_ttl, left))
        return Decision(Reply(200, body), change, tokens, with_tokens, events)

    def _access_token(
        self, scope: tuple[str, ...], authorization: Authorization | None, user: User | None, ttl: int
    ) -> UnsignedToken:
        client, names = self.client, self.client.access_token_claims
        payload = claims.access_token(
            issuer=self.services.issuer,
            client=client,
            scope=scope,
            audience=self.audience(authorization.resources if authorization else ()),
            now=self.now,
            ttl=ttl,
            jti=self.services.new_secret(),
            subject=self.services.keyring.subject(client, authorization.subject) if authorization else client.id,
            authorization=authorization,
            custom=claim_rules.selected(_claims_of(user), names) if user and names else {},
        )
        hook = self._hook_call(user, scope)
        return UnsignedToken("access_token", payload, client.access_token_alg, client.access_token_typ, hook)

    def used_again(self, authorization_id: bytes, used_at: int, *, is_active: bool, is_owner: bool) -> Refusal:
        """Return the refusal of a code that was used. `is_active` says whether the authorization that it began is
        active, and `is_owner` whether the request could have redeemed the code. Raises Stale at the first attempt: this
        process may not have seen the whole change yet."""
        if self.attempt.number == 0:
            raise Stale
        elapsed = self.attempt.elapsed.between(used_at, self.parsed.arrived_at)
        if is_owner and elapsed < self.policy.code_retry_window * SECOND:
            return Refusal("invalid_grant", "code sent twice", events=[Event("code_resubmitted")])
        # RFC 6749 s4.1.2: the authorization server MUST deny the request and SHOULD revoke (when possible) all tokens
        # previously issued based on that authorization code.
        revocation = authorizations.revoke(authorization_id, reason="code_replayed") if is_active else None
        event = Event("code_replayed", "error") if revocation else Event("code_resubmitted")
        detail = f"code used again; first used at {utc(used_at)}"
        return Refusal("invalid_grant", detail, writes=revocation, events=[event])

    def events_of_limit(self, ended: list[bytes]) -> Iterator[Event]:
        """Yield the events of the authorizations that ended because this one has begun."""
        reason = f"more than {self.policy.max_authorizations} authorizations of one user and client"
        for id in ended:
            ids = {"grant_id": id.hex(), "new_grant_id": self.about()["grant_id"]}
            yield Event("authorization_ended_by_limit", fields={"reason": reason} | ids)

    def _hook_call(self, user: User | None, scope: tuple[str, ...]) -> HookCall | None:
        """A client whose tokens contain no claims of the user needs no call."""
        names = self.client.access_token_claims
        if user is None or not names or self.services.claims_hook is None:
            return None
        return HookCall(user.id, user.username, self.client.id, scope, _claims_of(user), names)

    @property
    def may_refresh(self) -> bool:
        """Whether the client gets refresh tokens."""
        return "refresh_token" in self.client.grant_types

    def new_authorization(
        self,
        user: User,
        *,
        id: bytes,
        scope: tuple[str, ...],
        resources: tuple[str, ...],
        authenticated_at: int,
        amr: tuple[str, ...],
    ) -> Authorization:
        """Return the authorization of the user that begins now. It ends by the policy for this client."""
        now, policy = self.now, self.policy
        lifetime = policy.refresh_absolute_ttl if self.may_refresh else policy.access_token_ttl
        return Authorization(
            id=id,
            client_id=self.client.id,
            subject=user.id,
            scope=scope,
            resources=resources,
            created_at=now,
            authenticated_at=authenticated_at,
            credential_version=user.credential_version,
            generation=0,
            rotated_at=now,
            rotated_from=self.parsed.network,
            idle_expires_at=now + min(policy.refresh_idle_ttl, lifetime) * SECOND,
            expires_at=now + lifetime * SECOND,
            revoked_at=None,
            revoked_reason=None,
            refresh_key_id=self.services.keyring.newest_refresh_key_id(now),
            salt=self.services.new_key(),
            amr=amr,
        )

    def refresh_token(self, authorization: Authorization, generation: int) -> str:
        """Return the refresh token of `generation`, made with the authorization's own key: a retry gets the same token
        even after the keys have rotated."""
        key = self.services.keyring.refresh_key(authorization.refresh_key_id)
        return refresh_token.render(authorization.id, generation, key=key, salt=authorization.salt)

    def _ttl(self, authorization: Authorization | None) -> int:
        """Return the access token's lifetime in seconds: it never outlives the absolute end of its authorization."""
        ttl = self.policy.access_token_ttl
        if authorization is None:
            return ttl
        left = (authorization.expires_at - self.now) // SECOND
        if left < 1:
            raise Refusal("invalid_grant", "authorization ends within a second")
        return min(ttl, left)


def _claims_of(user: User) -> Mapping[str, Any]:
    if user.claims is None:
        raise LookupError("The user's claims were not loaded.")
    return user.claims


def _with_tokens(refresh_token: str, lifetime: int, reply: Reply, tokens: Mapping[str, str]) -> Reply:
    return TokenReply(reply.status, reply.body, reply.headers, tokens, "", refresh_token, lifetime)


def _detail_of(error: OAuth2Error) -> str:
    """Return the detail for the log. Only Authlib's InvalidRequestError keeps its description, which names the missing
    parameter; other descriptions may repeat what a caller sent."""
    detail = error.description if isinstance(error, InvalidRequestError) else error.error.replace("_", " ")
    return str(detail or "malformed")
