"""What handlers share whose caller is a client that authenticates itself: the grants, revocation, introspection."""

from dataclasses import replace
from functools import cached_property
from typing import Any

from ..domain import claims, refresh_token
from ..domain.errors import KeyMissing
from ..domain.models import Client, Policy
from ..domain.rotation import Verdict, judge
from ..pipeline.attempt import Attempt
from ..pipeline.errors import Stale
from ..pipeline.handler import Handler, Services
from ..pipeline.replies import Reply
from ..store.authorizations import AuthorizationRecord
from .client_auth import authenticate
from .request import ClientRequest


class ClientHandler(Handler[Reply]):
    def __init__(self, attempt: Attempt[ClientRequest], services: Services) -> None:
        super().__init__(attempt, services)
        self.parsed = attempt.request

    def client_id(self) -> str:
        return self.parsed.credentials.client_id

    def accept_client(self, client: Client | None) -> None:
        authenticate(self.parsed.credentials, client, self.now)

    def genuine(
        self, presented: refresh_token.Presented | None, record: AuthorizationRecord | None
    ) -> AuthorizationRecord | None:
        """The loaded record, if the presented refresh token, of whatever generation, was really made for it."""
        if presented is None or record is None:
            return None
        authorization = record.authorization
        key = self.services.keyring.refresh_key(authorization.refresh_key_id)
        return record if refresh_token.is_genuine(presented, key=key, salt=authorization.salt) else None

    def verified(self, access_token: str) -> dict[str, Any] | None:
        """The claims of an access token of ours, expired or not. Raises KeyMissing, once, for a key that this process
        may not have read yet: another one may sign with it already, after `keys revoke --all`."""
        keyring = self.services.keyring
        own_claims = keyring.verify(access_token)
        if own_claims is None and self.attempt.number == 0 and keyring.may_be_newer(access_token):
            raise KeyMissing("The key of the access token is not known here yet.")
        return own_claims if own_claims and claims.is_ours(own_claims, self.services.issuer) else None

    def judge(self, generation: int, record: AuthorizationRecord) -> Verdict:
        """What a genuine token of `generation` means when this client presents it now. Raises Stale, once, for what is
        reuse unless the database's clock was set back, and another process, which had read it since, rotated."""
        authorization = record.authorization
        verdict = judge(
            generation,
            authorization,
            client=self.client,
            user=record.user,
            policy=self.policy,
            now=self.now,
            elapsed=self.attempt.elapsed.between(authorization.rotated_at, self.now),
        )
        if verdict is Verdict.REUSE and self.attempt.number == 0:
            raise Stale
        return verdict

    @cached_property
    def policy(self) -> Policy:
        """The client's own policy over the server's."""
        own, servers = self.client.policy, self.services.policy
        return replace(servers, **own) if own else servers
