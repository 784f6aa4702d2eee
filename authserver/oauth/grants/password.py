"""grant_type=password (RFC 6749 s4.3), for first-party clients only: RFC 9700 s2.4 says MUST NOT be used elsewhere."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from authlib.oauth2.rfc6749 import grants

from ...accounts.sign_in import PasswordSignIn
from ...domain import authentication
from ...domain.attempts import AttemptLimits
from ...domain.forwarded import address_of_node
from ...domain.forwarded import network as network_of
from ...domain.models import SECOND, Authorization, User
from ...passwords import password_form
from ...pipeline.errors import Refusal
from ...pipeline.event import Event, LateEvents
from ...pipeline.handler import Decision
from ...pipeline.replies import Reply
from ...store import sign_ins
from ...store.database import Change
from ...store.sign_ins import SignInKey, SignInRecord
from ..grant import Grant


class PasswordGrant(Grant, grants.ResourceOwnerPasswordCredentialsGrant):
    loader = staticmethod(sign_ins.load_many)
    loaded: SignInRecord | None
    sign_in: PasswordSignIn
    authorization: Authorization | None = None
    """The new authorization, once the request was accepted."""

    def check_client(self) -> None:
        """Refuse a scope or resource before the password is tried: afterwards, the error would tell that it is right,
        and neither a login nor a failure would be in the audit trail."""
        super().check_client()
        self.first_scope()
        self.audience()

    def key(self) -> SignInKey | None:
        form, (network, limits) = self.parsed.form, self._network_and_limits()
        password = password_form(form.get("password", "")) if "username" in form else None
        self.sign_in = PasswordSignIn(
            self.services, form.get("username", ""), password, network=network, limits=limits, now=self.now
        )
        return self.sign_in.key if "username" in form else None

    def count(self) -> Change | None:
        self.sign_in.record = self.loaded or self.sign_in.record
        return None if self.is_counted else self.sign_in.count()

    def check_counted(self) -> None:
        self.sign_in.check_counted()

    async def authenticate(self) -> None:
        await self.sign_in.authenticate()

    def authenticate_user(self, username: str, password: str) -> User:
        """Authlib's hook, which raises our own error: Authlib's would be invalid_request."""
        user = self.sign_in.user
        # RFC 6749 s5.2: invalid_grant for invalid resource owner credentials.
        if user is None or not self.sign_in.check.matches or user.disabled:
            reason = self._why_refused(user)
            failed = Event("login_failed", fields={"reason": reason})
            raise Refusal("invalid_grant", reason, events=[failed, *self.sign_in.events_of_failure()])
        return user

    def issue(self) -> Decision[Reply]:
        user: User = self.request.user
        authorization = self.authorization = self._new_authorization(user)
        limit, ended = self.policy.max_authorizations, list[bytes]()
        change = self.sign_in.begin(authorization, limit=limit, ended=ended)
        may_refresh = "refresh_token" in self.client.grant_types
        token = self.refresh_token(authorization, 0) if may_refresh else ""
        events = LateEvents(partial(self._events, ended))
        return self.token_response(authorization.scope, authorization, user, change, events, refresh_token=token)

    def about(self) -> Mapping[str, str]:
        subject = {"subject": self.loaded.subject} if self.loaded else {}
        return subject | ({"grant_id": self.authorization.id.hex()} if self.authorization else {})

    def username(self) -> str:
        return self.loaded.username if self.loaded else ""

    def _network_and_limits(self) -> tuple[str, AttemptLimits]:
        """Return the user's network, and the limits that apply there. A confidential client may stand in front of all
        its users: no limit applies to its own network, but it may name the user's address."""
        network, limits = self.parsed.network, self.services.attempt_limits
        if self.client.auth_method == "none":
            return network, limits
        named = self.parsed.headers.get(self.client.user_address_header, ())
        address = address_of_node(named[0]) if len(named) == 1 else None
        return (network_of(address), limits) if address else (network, replace(limits, network=None))

    def _events(self, ended: list[bytes]) -> Iterator[Event]:
        """The commit fills `ended` before these events are read."""
        yield Event("login")
        yield from self.events_of_limit(ended)

    def _why_refused(self, user: User | None) -> str:
        if user is None:
            return "no such user"
        return "user disabled" if self.sign_in.check.matches else "wrong password"

    def _new_authorization(self, user: User) -> Authorization:
        now, policy = self.now, self.policy
        may_refresh = "refresh_token" in self.client.grant_types
        lifetime = policy.refresh_absolute_ttl if may_refresh else policy.access_token_ttl
        return Authorization(
            id=self.services.new_id(),
            client_id=self.client.id,
            subject=user.id,
            scope=self.first_scope(),
            resources=self.parsed.resources,
            created_at=now,
            authenticated_at=now,
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
            amr=authentication.PASSWORD,
        )
