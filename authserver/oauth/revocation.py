"""POST /revoke (RFC 7009): ends the authorization of a refresh token of any generation, or denies one access token.

`token_type_hint` is ignored: our two kinds of token cannot be confused with each other.
"""

from collections.abc import Mapping

from ..domain import refresh_token
from ..domain.models import SECOND
from ..pipeline.errors import Refusal
from ..pipeline.event import Event, LateEvents
from ..pipeline.handler import Decision
from ..pipeline.replies import Reply
from ..store import authorizations, signing_keys
from ..store.authorizations import AuthorizationRecord
from .client_handler import ClientHandler

# RFC 7009 s2.2: invalid tokens do not cause an error response ... since the client cannot handle such an error. The
# content of the response body is ignored by the client; some parse it as JSON all the same.
DONE = Reply(200, {})
_NOTHING_TO_DO = Decision(DONE)


class Revocation(ClientHandler):
    loader = staticmethod(authorizations.load_many)
    loaded: AuthorizationRecord | None
    presented: refresh_token.Presented | None = None
    subject = grant_id = ""

    def key(self) -> bytes | None:
        token = self.parsed.form.get("token", "")
        self.presented = refresh_token.parse(token)
        if self.presented:
            return self.presented.authorization_id
        # Only the authorization tells the user of a pairwise subject.
        claims = self.verified(token) if self.client.subject_type == "pairwise" else None
        return bytes.fromhex(claims["grant_id"]) if claims and "grant_id" in claims else None

    def decide(self) -> Decision[Reply]:
        if "token" not in self.parsed.form:
            raise Refusal("invalid_request", "no token")
        return self._end_authorization() if self.presented else self._deny_access_token()

    def about(self) -> Mapping[str, str]:
        proven = {"subject": self.subject, "grant_id": self.grant_id}
        return {name: value for name, value in proven.items() if value}

    def username(self) -> str:
        return self.loaded.user.username if self.grant_id and self.loaded and self.loaded.user else ""

    def _end_authorization(self) -> Decision[Reply]:
        record = self.genuine(self.presented, self.loaded)
        if record is None:
            return _NOTHING_TO_DO
        authorization = record.authorization
        self._is_about(authorization.subject, authorization.id.hex())
        self._check_owner(authorization.client_id)
        if authorization.revoked_at is not None:
            return _NOTHING_TO_DO
        change = authorizations.revoke(authorization.id, reason="revoked")
        return Decision(DONE, change, events=[Event("revoked")])

    def _deny_access_token(self) -> Decision[Reply]:
        claims = self.verified(self.parsed.form["token"])
        if claims is None or self.has_come(claims["exp"] * SECOND):
            return _NOTHING_TO_DO
        subject = self.loaded.authorization.subject if self.loaded else claims["sub"]
        self._is_about(subject, claims.get("grant_id", ""))
        self._check_owner(claims["client_id"])
        denied: list[str] = []
        change = signing_keys.deny(claims["jti"], claims["exp"] * SECOND, denied)
        # Only the first revocation of a token changes something, as the commit finds out.
        events = LateEvents(lambda: [Event("access_token_denied", fields={"jti": jti}) for jti in denied])
        return Decision(DONE, change, events=events)

    def _is_about(self, subject: str, grant_id: str) -> None:
        self.subject, self.grant_id = subject, grant_id

    def _check_owner(self, client_id: str) -> None:
        # RFC 7009 s2.1: verifies ... whether the token was issued to the client making the revocation request.
        if client_id != self.client.id:
            raise Refusal("invalid_grant", "token of another client")


class Logout(Revocation):
    """A revocation that ignores access tokens: denying only an access token would not log the user out."""

    def _deny_access_token(self) -> Decision[Reply]:
        return _NOTHING_TO_DO
