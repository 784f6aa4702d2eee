"""The base of handlers whose caller is an authenticated client: the grants, device authorization, revocation and
introspection."""

from functools import cached_property

from ..domain import refresh_token, scopes
from ..domain.errors import ScopeRefused
from ..domain.models import Client, Policy
from ..domain.rotation import Verdict, judge
from ..pipeline.attempt import Attempt
from ..pipeline.errors import Refusal, Stale, TooManyAttempts
from ..pipeline.event import Event
from ..pipeline.handler import Services
from ..store.authorizations import AuthorizationRecord
from .client_auth import WrongSecret, authenticate
from .request import ClientRequest
from .token_handler import TokenHandler


class ClientHandler(TokenHandler):
    def __init__(self, attempt: Attempt[ClientRequest], services: Services) -> None:
        super().__init__(attempt, services)
        self.parsed = attempt.request

    def client_id(self) -> str:
        return self.parsed.credentials.client_id

    def accept_client(self, client: Client | None) -> None:
        try:
            authenticate(self.parsed.credentials, client, self.now)
        except WrongSecret as refusal:
            if self.is_current(client):  # otherwise the client may just have been given this secret
                self._count_wrong_secret(refusal)
            raise

    def _count_wrong_secret(self, refusal: WrongSecret) -> None:
        """Raise TooManyAttempts if the network has sent too many."""
        judged = self.services.wrong_secrets.count(self.parsed.network, self.now)
        if judged.full:
            raise TooManyAttempts("network must wait: too many wrong client secrets", judged.wait) from refusal
        if judged.fills_network:
            delayed = Event("network_delayed", "warning", {"reason": "wrong client secrets"})
            refusal.events = [*refusal.events, delayed]

    def narrow(self, allowed: tuple[str, ...], implied: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Return the requested scope; if none was requested, `implied`, or without it everything that is allowed (RFC
        6749 s3.3). Raises Refusal."""
        try:
            return scopes.narrow(self.parsed.form.get("scope"), allowed, implied)
        except ScopeRefused as error:
            raise Refusal("invalid_scope", str(error)) from error

    def first_scope(self) -> tuple[str, ...]:
        """Return the scope of a request that no earlier one has narrowed. Raises Refusal."""
        return self.narrow(self.client.scope, scopes.implied(self.client.scope))

    def genuine(
        self, presented: refresh_token.Presented | None, record: AuthorizationRecord | None
    ) -> AuthorizationRecord | None:
        """Return the loaded record if this server made the presented refresh token for it, whatever its generation;
        otherwise None."""
        if presented is None or record is None:
            return None
        authorization = record.authorization
        key = self.services.keyring.refresh_key(authorization.refresh_key_id)
        return record if refresh_token.is_genuine(presented, key=key, salt=authorization.salt) else None

    def judge(self, generation: int, record: AuthorizationRecord) -> Verdict:
        """Return the verdict on a genuine token of `generation` that this client presents now.

        Raises Stale at the first attempt for reuse, and for an authorization that has ended: see `has_come`."""
        authorization = record.authorization
        verdict = judge(
            generation,
            authorization,
            client=self.client,
            user=record.user,
            policy=self.policy,
            now=self.now,
            elapsed=self.attempt.elapsed.between(authorization.rotated_at, self.parsed.arrived_at),
        )
        if verdict in (Verdict.REUSE, Verdict.DEAD) and self.attempt.number == 0:
            raise Stale
        return verdict

    @cached_property
    def policy(self) -> Policy:
        """The policy for this client."""
        return self.client.policy_over(self.services.policy)
