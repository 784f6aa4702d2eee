"""grant_type=password (RFC 6749 s4.3), for first-party clients only: RFC 9700 s2.4 says MUST NOT be used elsewhere."""

from collections.abc import Iterator, Mapping
from functools import partial

from authlib.oauth2.rfc6749 import grants

from ...domain.models import SECOND, Authorization, User
from ...passwords import PasswordCheck, password_form, username_form
from ...pipeline.errors import Refusal
from ...pipeline.event import Event, LateEvents
from ...pipeline.handler import Decision
from ...pipeline.replies import Reply
from ...store import authorizations, users
from ...store.database import Loader
from ..grant import Grant


class PasswordGrant(Grant, grants.ResourceOwnerPasswordCredentialsGrant):
    loaded: User | None
    check = PasswordCheck(False)
    authorization: Authorization | None = None
    """The new authorization, once the request was accepted."""

    @property
    def loader(self) -> Loader[str, User]:
        return users.load_with_claims_many if self.client.access_token_claims else users.load_many

    def key(self) -> str | None:
        return username_form(self.parsed.form.get("username", ""))

    async def authenticate(self) -> None:
        form = self.parsed.form
        password = password_form(form.get("password", ""))
        # No user can have a password without a canonical form, so it is rejected without hashing. That reveals nothing
        # about any user.
        if "username" in form and password is not None:
            password_hash = self.loaded.password_hash if self.loaded else None
            self.check = await self.services.passwords.match(password_hash, password, self.parsed.network)

    def authenticate_user(self, username: str, password: str) -> User:
        """Authlib's hook, which raises our own error: Authlib's would be invalid_request."""
        user = self.loaded
        # RFC 6749 s5.2: invalid_grant for invalid resource owner credentials.
        if user is None or not self.check.matches or user.disabled:
            reason = self._why_refused(user)
            raise Refusal("invalid_grant", reason, events=[Event("login_failed", fields={"reason": reason})])
        return user

    def issue(self) -> Decision[Reply]:
        authorization = self.authorization = self._new_authorization(self.request.user)
        limit, ended = self.policy.max_authorizations, list[bytes]()
        change = authorizations.begin(authorization, limit=limit, rehashed=self.check.rehashed, ended=ended)
        may_refresh = "refresh_token" in self.client.grant_types
        token = self.refresh_token(authorization, 0) if may_refresh else ""
        events = LateEvents(partial(self._events, ended))
        return self.token_response(authorization.scope, authorization, self.loaded, change, events, refresh_token=token)

    def about(self) -> Mapping[str, str]:
        subject = {"subject": self.loaded.id} if self.loaded else {}
        return subject | ({"grant_id": self.authorization.id.hex()} if self.authorization else {})

    def username(self) -> str:
        return self.loaded.username if self.loaded else ""

    def _events(self, ended: list[bytes]) -> Iterator[Event]:
        """The commit fills `ended` before these events are read."""
        yield Event("login")
        reason = f"more than {self.policy.max_authorizations} authorizations of one user and client"
        for id in ended:
            ids = {"grant_id": id.hex(), "new_grant_id": self.about()["grant_id"]}
            yield Event("authorization_ended_by_limit", fields={"reason": reason} | ids)

    def _why_refused(self, user: User | None) -> str:
        if user is None:
            return "no such user"
        return "user disabled" if self.check.matches else "wrong password"

    def _new_authorization(self, user: User) -> Authorization:
        now, policy = self.now, self.policy
        may_refresh = "refresh_token" in self.client.grant_types
        lifetime = policy.refresh_absolute_ttl if may_refresh else policy.access_token_ttl
        self.audience()
        return Authorization(
            id=self.services.new_id(),
            client_id=self.client.id,
            subject=user.id,
            scope=self.narrow(self.client.scope),
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
        )
