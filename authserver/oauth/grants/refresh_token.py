"""grant_type=refresh_token (RFC 6749 s6): rotation with a retry window (RFC 9700 s4.14.2)."""

from authlib.oauth2.rfc6749 import grants

from ...domain import refresh_token
from ...domain.end_reason import end_reason
from ...domain.models import Authorization
from ...domain.rotation import Verdict
from ...domain.times import utc
from ...store import authorizations
from ...store.authorizations import AuthorizationRecord
from ...store.database import Change
from ..errors import InvalidGrantError, because
from ..grant import Decision, Event, Grant, WalkAgain

_ACCEPTED = (Verdict.ROTATE, Verdict.RETRY, Verdict.USE, Verdict.AHEAD)
_EVENTS = {
    Verdict.RETRY: Event("refresh_token_retried"),
    Verdict.AHEAD: Event("refresh_token_ahead", "warning"),
}
_REFUSAL_EVENTS = {
    Verdict.FOREIGN: Event("refresh_token_foreign", "warning"),
    Verdict.REUSE: Event("refresh_token_reused", "error"),
}


class RefreshTokenGrant(Grant, grants.RefreshTokenGrant):
    loader = staticmethod(authorizations.load_many)
    loaded: AuthorizationRecord | None
    presented: refresh_token.Presented | None = None
    record: AuthorizationRecord | None = None
    """The authorization, once the presented token's MAC was right."""
    verdict = Verdict.UNKNOWN

    def key(self) -> bytes | None:
        self.presented = refresh_token.parse(self.request.form.get("refresh_token", ""))
        return self.presented.authorization_id if self.presented else None

    def authenticate_refresh_token(self, text: str) -> "Credential":
        """Authlib's hook."""
        self.verdict = self._judge()
        self.event, self.refusal_event = _EVENTS.get(self.verdict), _REFUSAL_EVENTS.get(self.verdict)
        login = self.record.authorization if self.record else None
        if login and self.verdict is Verdict.REUSE:
            # RFC 9700 s4.14.2: the authorization server ... revokes the active refresh token as well.
            self.on_refusal = authorizations.revoke(login.id, because="reuse")
        if login is None or self.verdict not in _ACCEPTED:
            raise because(InvalidGrantError(), self._why_refused())
        return Credential(login)

    def create_token_response(self) -> Decision:
        login: Authorization = self.request.refresh_token.login
        # RFC 6749 s6: the refresh token scope MUST be identical: narrowing affects this access token only.
        scope = self.narrow(self._left_of(login.scope))
        generation, change = self._advance(login)
        return self.access_token(scope, login, change, refresh_token=self.refresh_token(login, generation))

    def about(self) -> dict[str, str]:
        login = self.record.authorization if self.record else None
        return {"grant_id": login.id.hex(), "subject": login.subject} if login else {}

    def _judge(self) -> Verdict:
        self.record = self.genuine(self.presented, self.loaded)
        if self.record is None or self.presented is None:
            return Verdict.UNKNOWN
        return self.judge(self.presented.generation, self.record)

    def _why_refused(self) -> str:
        if self.presented is None:
            return "not a refresh token"
        if self.record is None:
            return "forged refresh token" if self.loaded else "no such authorization"
        login, presented = self.record.authorization, self.presented.generation
        if self.verdict is Verdict.FOREIGN:
            return "refresh token of another client"
        if self.verdict is Verdict.REUSE:
            return f"reuse of generation {presented}; {login.generation} is newest since {utc(login.rotated_at)}"
        now, policy = self.request.now, self.policy
        ended = end_reason(login, client=self.client, user=self.record.user, policy=policy, now=now)
        return ended or "generations used up"

    def _left_of(self, granted: tuple[str, ...]) -> tuple[str, ...]:
        """A scope that was withdrawn from the client leaves the answer."""
        left = tuple(word for word in granted if word in self.client.scope)
        if granted and not left:
            raise because(InvalidGrantError(), "every granted scope was withdrawn from the client")
        return left

    def _advance(self, login: Authorization) -> tuple[int, Change]:
        """The generation of the refresh token in the answer, and what makes it so."""
        policy, network = self.policy, self.request.network
        if self.verdict is Verdict.RETRY:
            if network != login.rotated_from:
                self.event = Event("refresh_token_retried_from_elsewhere", "warning")
            return login.generation, self._retried(login)
        if self.verdict is Verdict.USE:
            return login.generation, authorizations.use(login, idle_ttl=policy.refresh_idle_ttl)
        next = self._next_after(login)
        return next, authorizations.rotate(login, next=next, network=network, idle_ttl=policy.refresh_idle_ttl)

    def _retried(self, login: Authorization) -> Change:
        """Nothing is written; but from a row whose time is still to come, since the clock was ahead before this machine
        was started, the window counts from now on: else it would stay open until that time."""
        if not self.request.elapsed.timeline.is_ahead(login.rotated_at):
            return authorizations.confirm(login)
        next, network, idle_ttl = login.generation, login.rotated_from, self.policy.refresh_idle_ttl
        return authorizations.rotate(login, next=next, network=network, idle_ttl=idle_ttl)

    def _next_after(self, login: Authorization) -> int:
        if self.verdict is Verdict.ROTATE or self.presented is None:
            return login.generation + 1
        if self.request.number == 0:
            raise WalkAgain  # a token ahead of its row is believed only if a second load says the same
        return self.presented.generation + 1


class Credential:
    """The authorization behind Authlib's two questions to a refresh token."""

    def __init__(self, login: Authorization) -> None:
        self.login = login

    def check_client(self, client: object) -> bool:
        return True  # judge has looked, before anything else

    def get_scope(self) -> str:
        return " ".join(self.login.scope)
