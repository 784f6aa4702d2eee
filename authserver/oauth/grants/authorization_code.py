"""grant_type=authorization_code (RFC 6749 s4.1.3), with PKCE (RFC 7636) and an ID token (OpenID Connect Core s3.1.3).

A code of another client changes nothing, and neither does a wrong redirect URI or verifier while the code is unused. A
code that was used is refused, and ends the authorization that it began: somebody else may have used it. But if its own
client sends the same valid request again within seconds, nothing ends.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from hashlib import sha256

from authlib.oauth2.rfc6749 import grants

from ...domain import pkce
from ...domain.models import Authorization, Code, User
from ...domain.standard_claims import OFFLINE_ACCESS, OPENID
from ...domain.times import utc
from ...pipeline.errors import Refusal
from ...pipeline.event import Event, LateEvents
from ...pipeline.handler import Decision
from ...pipeline.replies import Reply
from ...store import codes
from ...store.codes import CodeRecord
from ..grant import Grant

_FORM = re.compile(r"ac_[A-Za-z0-9_-]{43}")


class AuthorizationCodeGrant(Grant, grants.AuthorizationCodeGrant):
    loader = staticmethod(codes.load_many)
    loaded: CodeRecord | None
    record: CodeRecord | None = None
    """The loaded record, once it has proved to be this client's."""

    def key(self) -> bytes | None:
        text = self.parsed.form.get("code", "")
        return sha256(text.encode()).digest() if _FORM.fullmatch(text) else None

    def query_authorization_code(self, text: str, client: object) -> "Credential":
        """Authlib's hook, after which it compares the redirect URIs."""
        record = self.loaded
        if record is None:
            raise Refusal("invalid_grant", "no such code")
        if record.code.client_id != self.client.id:
            foreign = Event("code_foreign", "warning")
            raise Refusal("invalid_grant", "code of another client", events=[foreign])
        self.record = record
        if record.code.used_at is not None:
            is_active, is_owner = record.has_active_authorization, self._proves_owner(record.code)
            id, used_at = record.code.authorization_id, record.code.used_at
            raise self.used_again(id, used_at, is_active=is_active, is_owner=is_owner)
        return Credential(record.code)

    def issue(self) -> Decision[Reply]:
        if self.record is None:
            raise LookupError("Authlib accepted a request without a code.")
        code, user = self.record.code, self.record.user
        self._check_verifier(code)
        self._check_state(self.record)
        authorization = self._new_authorization(code, user)
        limit, ended = self.policy.max_authorizations, list[bytes]()
        change = codes.redeem(code, authorization, limit=limit, ended=ended, signs_in=OPENID in authorization.scope)
        token = self.refresh_token(authorization, 0) if self.may_refresh else ""
        events = LateEvents(partial(self._events, ended))
        return self.token_response(
            authorization.scope, authorization, user, change, events, refresh_token=token, nonce=code.nonce
        )

    def about(self) -> Mapping[str, str]:
        if self.record is None:
            return {}
        code = self.record.code
        return {"grant_id": code.authorization_id.hex(), "subject": code.user_id}

    def username(self) -> str:
        return self.record.user.username if self.record else ""

    def _proves_owner(self, code: Code) -> bool:
        """Whether the request could have redeemed the code. The client is authenticated."""
        form, verifier = self.parsed.form, self.parsed.form.get("code_verifier", "")
        if form.get("redirect_uri") != code.redirect_uri:
            return False
        if not code.code_challenge:
            return not verifier
        return pkce.is_verifier(verifier) and pkce.proves(verifier, code.code_challenge)

    def _check_verifier(self, code: Code) -> None:
        verifier = self.parsed.form.get("code_verifier", "")
        if not code.code_challenge and not verifier:
            return
        # RFC 9700 s2.1.1: if there was no code_challenge in the authorization request, the authorization server MUST
        # reject a token request with a code_verifier.
        if not code.code_challenge or not pkce.is_verifier(verifier):
            raise Refusal("invalid_request", "code_verifier missing, malformed or not expected")
        # RFC 7636 s4.6: if the values are not equal, an error response indicating "invalid_grant" MUST be returned.
        if not pkce.proves(verifier, code.code_challenge):
            raise Refusal("invalid_grant", "wrong code_verifier")

    def _check_state(self, record: CodeRecord) -> None:
        code, user = record.code, record.user
        if self.has_come(code.expires_at):
            raise Refusal("invalid_grant", f"code expired at {utc(code.expires_at)}")
        if user.disabled or user.credential_version != code.credential_version:
            raise Refusal("invalid_grant", "user disabled" if user.disabled else "password changed")

    def _events(self, ended: list[bytes]) -> Iterator[Event]:
        """The commit fills `ended` before these events are read."""
        yield Event("code_redeemed")
        yield from self.events_of_limit(ended)

    def _new_authorization(self, code: Code, user: User) -> Authorization:
        scope = self.still_allowed(code.scope)
        begun = self.new_authorization(
            user,
            id=code.authorization_id,
            scope=scope,
            resources=code.resources,
            authenticated_at=code.authenticated_at,
            amr=code.amr,
        )
        return replace(
            begun,
            session_id=code.session_id,
            # OpenID Connect Core s11: offline_access requests access even when the End-User is not present.
            ends_with_session=OPENID in scope and OFFLINE_ACCESS not in scope,
            requested_claims=code.requested_claims,
        )


class Credential:
    """Adapts a code to the one method that Authlib calls on it."""

    def __init__(self, code: Code) -> None:
        self.code = code

    def get_redirect_uri(self) -> str:
        return self.code.redirect_uri
