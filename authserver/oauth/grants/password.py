"""grant_type=password (RFC 6749 s4.3), meant for first-party clients only: RFC 9700 s2.4 says "MUST NOT be used"."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from authlib.oauth2.rfc6749 import grants

from ...accounts.sign_in import PasswordSignIn
from ...domain import authentication
from ...domain.attempts import AttemptLimits
from ...domain.forwarded import address_of_node
from ...domain.forwarded import network as network_of
from ...domain.models import Authorization, User
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
        """Refuse a scope or resource before the password is tried: afterwards, the error would reveal that the password
        is right, and neither a login nor a failure would be in the audit trail."""
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
        reason = self.sign_in.why_refused()
        if user is None or reason:
            failed = Event("login_failed", fields={"reason": reason})
            raise Refusal("invalid_grant", reason, events=[failed, *self.sign_in.events_of_failure()])
        return user

    def issue(self) -> Decision[Reply]:
        user: User = self.request.user
        authorization = self.authorization = self.new_authorization(
            user,
            id=self.services.new_id(),
            scope=self.first_scope(),
            resources=self.parsed.resources,
            authenticated_at=self.now,
            amr=authentication.PASSWORD,
        )
        limit, ended = self.policy.max_authorizations, list[bytes]()
        change = self.sign_in.begin(authorization, limit=limit, ended=ended)
        token = self.refresh_token(authorization, 0) if self.may_refresh else ""
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
