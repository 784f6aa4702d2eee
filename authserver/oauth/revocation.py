"""POST /revoke (RFC 7009): ends the authorization of a refresh token of any generation, or denies one access token.

`token_type_hint` is not looked at: our two kinds of token cannot be mistaken for each other.
"""

from ..domain import refresh_token
from ..domain.models import SECOND
from ..store import authorizations, signing_keys
from ..store.authorizations import AuthorizationRecord
from ..store.database import Change
from .errors import InvalidGrantError, InvalidRequestError, Reply, because
from .grant import Decision, Event, Traveller
from .request import Walk

# RFC 7009 s2.2: invalid tokens do not cause an error response ... since the client cannot handle such an error. The
# content of the response body is ignored by the client; some parse it as JSON all the same.
DONE = Decision(Reply(200, {}))


class Revocation(Traveller):
    loader = staticmethod(authorizations.load_many)
    loaded: AuthorizationRecord | None
    presented: refresh_token.Presented | None = None
    subject = grant_id = ""

    def __init__(self, request: Walk) -> None:
        self.request = request

    def key(self) -> bytes | None:
        self.presented = refresh_token.parse(self.request.form.get("token", ""))
        return self.presented.authorization_id if self.presented else None

    def validate_token_request(self) -> None:
        if "token" not in self.request.form:
            raise because(InvalidRequestError(), "no token")

    def create_token_response(self) -> Decision:
        change = self._end_login() if self.presented else self._deny_access_token()
        return Decision(DONE.reply, change=change) if change else DONE

    def about(self) -> dict[str, str]:
        known = {"subject": self.subject, "grant_id": self.grant_id}
        return {name: value for name, value in known.items() if value}

    def _end_login(self) -> Change | None:
        login = self.genuine(self.presented, self.loaded)
        if login is None:
            return None
        self._is_about(login.authorization.subject, login.authorization.id.hex())
        self._check_owner(login.authorization.client_id)
        self.event = Event("revoked")
        return authorizations.revoke(login.authorization.id, because="revoked")

    def _deny_access_token(self) -> Change | None:
        claims = self.verified(self.request.form["token"])
        if claims is None or claims["exp"] * SECOND <= self.request.now:
            return None
        self._is_about(claims["sub"], claims.get("grant_id", ""))
        self._check_owner(claims["client_id"])
        self.event = Event("access_token_denied", fields={"jti": claims["jti"]})
        return signing_keys.deny(claims["jti"], claims["exp"] * SECOND)

    def _is_about(self, subject: str, grant_id: str) -> None:
        self.subject, self.grant_id = subject, grant_id

    def _check_owner(self, client_id: str) -> None:
        # RFC 7009 s2.1: verifies ... whether the token was issued to the client making the revocation request.
        if client_id != self.client.id:
            raise because(InvalidGrantError(), "token of another client")
