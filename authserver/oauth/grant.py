"""What the road asks of every grant. A grant is made anew for each walk; it may keep what it loads on itself."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ..domain import claims, refresh_token, scopes
from ..domain.errors import KeyMissing, ScopeRefused, TargetRefused
from ..domain.models import SECOND, Authorization, Client, Policy
from ..domain.rotation import Verdict, judge
from ..keyring import Keyring
from ..passwords import Passwords
from ..store.authorizations import AuthorizationRecord
from ..store.database import Change, Loader
from .client_auth import METHODS
from .errors import InvalidGrantError, InvalidScopeError, InvalidTargetError, Reply, UnauthorizedClientError, because
from .request import Walk


@dataclass(frozen=True, slots=True)
class Tools:
    """What a grant may use to decide: no database, no clock (the request's time is `request.now`)."""

    issuer: str
    policy: Policy
    keyring: Keyring
    passwords: Passwords
    new_id: Callable[[], bytes]
    new_key: Callable[[], bytes]
    new_secret: Callable[[], str]


class Server(Protocol):
    tools: Tools


@dataclass(frozen=True, slots=True)
class Decision:
    """What deciding yields. `claims` are signed into the reply's access token by the road."""

    reply: Reply
    claims: dict[str, Any] | None = None
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A log event, written once its change is durable; docs/reference/events.md lists all of them."""

    name: str
    level: str = "info"
    fields: dict[str, str] = field(default_factory=dict)


class WalkAgain(Exception):
    """What was loaded is not enough to decide by: load once more."""


class Traveller:
    """What travels the road: it names what it loads, then looks only at what was loaded."""

    request: Walk
    server: Server
    validate_token_request: Callable[[], None]
    """Authlib's, for its grants."""
    loader: Loader[Any, Any] | None = None
    loaded: Any = None
    on_refusal: Change | None = None
    """What is written if deciding refuses (reuse revokes). What a success writes is in its Decision, and only there."""
    event: Event | None = None
    refusal_event: Event | None = None
    """What the log says of a refusal beside its own line."""

    def key(self) -> Hashable:
        """What `loader` loads for this request; None for nothing."""
        return None

    def check_client(self) -> None:
        """Whether the authenticated client may do this at all, before any costly work is done for it."""

    async def authenticate(self) -> None:
        """The user, where the request presents one; the client is authenticated."""

    def create_token_response(self) -> Decision:
        raise NotImplementedError

    def about(self) -> dict[str, str]:
        """The subject and the authorization, as far as they are proven: fields of every line about this request."""
        return {}

    def events(self) -> list[Event]:
        """What the log says of a success."""
        return [self.event] if self.event else []

    def genuine(
        self, presented: refresh_token.Presented | None, loaded: AuthorizationRecord | None
    ) -> AuthorizationRecord | None:
        """What was loaded, if the presented refresh token, of whatever generation, was really made for it."""
        if presented is None or loaded is None:
            return None
        login = loaded.authorization
        key = self.tools.keyring.refresh_key(login.ring_key_id)
        return loaded if refresh_token.is_genuine(presented, key=key, salt=login.salt) else None

    def verified(self, access_token: str) -> dict[str, Any] | None:
        """The claims of an access token of ours, expired or not. Raises KeyMissing, once, for a key that this process
        may not have read yet: another one may sign with it already, after `keys revoke --all`."""
        keyring = self.tools.keyring
        own_claims = keyring.verify(access_token)
        if own_claims is None and self.request.number == 0 and keyring.may_be_newer(access_token):
            raise KeyMissing("The key of the access token is not known here yet.")
        return own_claims if own_claims and claims.is_ours(own_claims, self.tools.issuer) else None

    def judge(self, generation: int, login: AuthorizationRecord) -> Verdict:
        """What a genuine token of `generation` means when this client presents it now. Raises WalkAgain, once, for what
        is reuse unless the database's clock was set back, and another process, which had read it since, rotated."""
        row, now = login.authorization, self.request.now
        verdict = judge(
            generation,
            row,
            client=self.client,
            user=login.user,
            policy=self.policy,
            now=now,
            elapsed=self.request.elapsed.between(row.rotated_at, now),
        )
        if verdict is Verdict.REUSE and self.request.number == 0:
            raise WalkAgain
        return verdict

    @property
    def tools(self) -> Tools:
        return self.server.tools

    @property
    def client(self) -> Client:
        """The authenticated client."""
        client: Client = self.request.client.client
        return client

    @property
    def policy(self) -> Policy:
        """The client's own policy over the server's."""
        return replace(self.tools.policy, **self.client.policy) if self.client.policy else self.tools.policy


class Grant(Traveller):
    """Mixed in before Authlib's class of the grant, whose validation runs; its hooks only look at what is here."""

    GRANT_TYPE: str
    TOKEN_ENDPOINT_AUTH_METHODS = tuple(METHODS)

    def check_client(self) -> None:
        # RFC 6749 s5.2: unauthorized_client; here, so that no password is hashed for a client without the grant.
        if self.GRANT_TYPE not in self.client.grant_types:
            raise because(UnauthorizedClientError(), f"client not registered for {self.GRANT_TYPE}")

    def validate_requested_scope(self) -> None:
        """Not Authlib's: `narrow` decides, against what the client may have."""

    def narrow(self, allowed: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return scopes.narrow(self.request.form.get("scope"), allowed)
        except ScopeRefused as error:
            raise because(InvalidScopeError(), str(error)) from error

    def audience(self, granted: tuple[str, ...] = ()) -> tuple[str, ...]:
        # A client without an audience of its own gets tokens for the server's own interface.
        asked, default = self.request.resources, f"{self.tools.issuer}/api"
        try:
            return claims.audience(asked, self.client, granted, default=default)
        except TargetRefused as error:
            raise because(InvalidTargetError(), str(error)) from error

    def access_token(
        self,
        scope: tuple[str, ...],
        login: Authorization | None = None,
        change: Change | None = None,
        **members: str,
    ) -> Decision:
        """The successful answer: the road signs its access token and commits `change` before it leaves."""
        ttl = self._ttl(login)
        payload = claims.access_token(
            issuer=self.tools.issuer,
            client=self.client,
            scope=scope,
            audience=self.audience(login.resources if login else ()),
            now=self.request.now,
            ttl=ttl,
            jti=self.tools.new_secret(),
            login=login,
        )
        body = {"token_type": "Bearer", "expires_in": ttl} | scopes.member(scope) | members
        left = (login.expires_at - self.request.now) // SECOND if login else 0
        reply = Reply(200, body, refresh_token_expires_in=min(self.policy.refresh_idle_ttl, left))
        return Decision(reply, payload, change)

    def refresh_token(self, login: Authorization, generation: int) -> str:
        """Made of the key that the row names, so that a retry gets the same string after the ring has turned."""
        key = self.tools.keyring.refresh_key(login.ring_key_id)
        return refresh_token.render(login.id, generation, key=key, salt=login.salt)

    def _ttl(self, login: Authorization | None) -> int:
        """Seconds; an access token never outlives the absolute end of its login."""
        ttl = self.policy.access_token_ttl
        if login is None:
            return ttl
        left = (login.expires_at - self.request.now) // SECOND
        if left < 1:
            raise because(InvalidGrantError(), "authorization ends within a second")
        return min(ttl, left)
