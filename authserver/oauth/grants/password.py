"""grant_type=password (RFC 6749 s4.3), for first-party clients only: RFC 9700 s2.4 says MUST NOT be used elsewhere."""

from authlib.oauth2.rfc6749 import grants

from ...domain.models import SECOND, Authorization, User
from ...passwords import PasswordCheck, password_form, username_form
from ...store import authorizations, users
from ..errors import InvalidGrantError, because
from ..grant import Decision, Event, Grant


class PasswordGrant(Grant, grants.ResourceOwnerPasswordCredentialsGrant):
    loader = staticmethod(users.load_many)
    loaded: User | None
    match = PasswordCheck(False)
    login: Authorization | None = None
    ended: list[bytes]
    """The authorizations that the new one's begin has ended."""

    def key(self) -> str | None:
        return username_form(self.request.form.get("username", ""))

    async def authenticate(self) -> None:
        form = self.request.form
        password = password_form(form.get("password", ""))
        # Nobody can have a password without a form: that is refused without the work, and tells nothing of any user.
        if "username" in form and password is not None:
            password_hash = self.loaded.password_hash if self.loaded else None
            self.match = await self.tools.passwords.match(password_hash, password)

    def authenticate_user(self, username: str, password: str) -> User:
        """Authlib's hook. It would answer invalid_request."""
        user = self.loaded
        # RFC 6749 s5.2: invalid_grant for invalid resource owner credentials.
        if user is None or not self.match.matches or user.disabled:
            raise because(InvalidGrantError(), self._why_refused(user))
        return user

    def create_token_response(self) -> Decision:
        login = self.login = self._login(self.request.user)
        most, rehashed, self.ended = self.policy.max_authorizations, self.match.rehashed, []
        change = authorizations.begin(login, most=most, rehashed=rehashed, ended=self.ended)
        self.event = Event("login")
        if "refresh_token" not in self.client.grant_types:
            return self.access_token(login.scope, login, change)
        return self.access_token(login.scope, login, change, refresh_token=self.refresh_token(login, 0))

    def about(self) -> dict[str, str]:
        subject = {"subject": self.loaded.id} if self.loaded else {}
        return subject | ({"grant_id": self.login.id.hex()} if self.login else {})

    def events(self) -> list[Event]:
        return [*super().events(), *(self._ended_by_limit(id) for id in (self.ended if self.login else ()))]

    def _ended_by_limit(self, id: bytes) -> Event:
        about = self.about()
        reason = f"more than {self.policy.max_authorizations} logins of one user and client"
        ids = {"grant_id": id.hex(), "new_grant_id": about["grant_id"]}
        return Event("login_ended_by_limit", fields={"reason": reason} | about | ids)

    def _why_refused(self, user: User | None) -> str:
        if user is None:
            return "no such user"
        return "user disabled" if self.match.matches else "wrong password"

    def _login(self, user: User) -> Authorization:
        now, policy = self.request.now, self.policy
        refreshes = "refresh_token" in self.client.grant_types
        lives = policy.refresh_absolute_ttl if refreshes else policy.access_token_ttl
        self.audience()
        return Authorization(
            id=self.tools.new_id(),
            client_id=self.client.id,
            subject=user.id,
            scope=self.narrow(self.client.scope),
            resources=self.request.resources,
            created_at=now,
            authenticated_at=now,
            credential_version=user.credential_version,
            generation=0,
            rotated_at=now,
            rotated_from=self.request.network,
            idle_expires_at=now + min(policy.refresh_idle_ttl, lives) * SECOND,
            expires_at=now + lives * SECOND,
            revoked_at=None,
            revoked_because=None,
            ring_key_id=self.tools.keyring.newest_refresh_key_id(now),
            salt=self.tools.new_key(),
        )
