"""grant_type=refresh_token (RFC 6749 s6): rotation with a retry window (RFC 9700 s4.14.2)."""

from collections.abc import Mapping

from authlib.oauth2.rfc6749 import grants

from ...domain import refresh_token
from ...domain.end_reason import end_reason
from ...domain.models import Authorization
from ...domain.rotation import Verdict
from ...domain.standard_claims import OPENID
from ...domain.times import utc
from ...pipeline.errors import Refusal, Stale
from ...pipeline.event import Event
from ...pipeline.handler import Decision
from ...pipeline.replies import Reply
from ...store import authorizations
from ...store.authorizations import AuthorizationRecord
from ...store.database import Change, Loader
from ..grant import Grant

_ACCEPTED = (Verdict.ROTATE, Verdict.RETRY, Verdict.USE, Verdict.AHEAD)


class RefreshTokenGrant(Grant, grants.RefreshTokenGrant):
    loaded: AuthorizationRecord | None
    presented: refresh_token.Presented | None = None
    record: AuthorizationRecord | None = None
    """The loaded record, once the presented token has proved genuine."""

    @property
    def loader(self) -> Loader[bytes, AuthorizationRecord]:
        may_need_claims = self.client.access_token_claims or OPENID in self.client.scope
        return authorizations.load_with_claims_many if may_need_claims else authorizations.load_many

    def key(self) -> bytes | None:
        self.presented = refresh_token.parse(self.parsed.form.get("refresh_token", ""))
        return self.presented.authorization_id if self.presented else None

    def authenticate_refresh_token(self, text: str) -> "Credential":
        """Authlib's hook."""
        record = self.record = self.genuine(self.presented, self.loaded)
        self.verdict = Verdict.UNKNOWN
        if record and self.presented:
            self.verdict = self.judge(self.presented.generation, record)
        if record is None or self.verdict not in _ACCEPTED:
            raise self._refusal()
        return Credential(record.authorization)

    def issue(self) -> Decision[Reply]:
        authorization: Authorization = self.request.refresh_token.authorization
        # RFC 6749 s6: the refresh token scope MUST be identical: narrowing affects this access token only.
        scope = self.narrow(self.still_allowed(authorization.scope))
        generation, change = self._advance(authorization)
        token = self.refresh_token(authorization, generation)
        user, events = self.record.user if self.record else None, self._events(authorization)
        return self.token_response(scope, authorization, user, change, events, refresh_token=token)

    def about(self) -> Mapping[str, str]:
        authorization = self.record.authorization if self.record else None
        return {"grant_id": authorization.id.hex(), "subject": authorization.subject} if authorization else {}

    def username(self) -> str:
        return self.record.user.username if self.record and self.record.user else ""

    def _refusal(self) -> Refusal:
        detail, record = self._why_refused(), self.record
        if record and self.verdict is Verdict.FOREIGN:
            return Refusal(
                "invalid_grant", detail, events=[Event("refresh_token_foreign", "warning", fields=self._generation())]
            )
        if record and self.verdict is Verdict.REUSE:
            # RFC 9700 s4.14.2: the authorization server ... revokes the active refresh token as well.
            revocation = authorizations.revoke(record.authorization.id, reason="reuse")
            event = Event("refresh_token_reused", "error", fields=self._generation())
            return Refusal("invalid_grant", detail, writes=revocation, events=[event])
        events = [Event("refresh_token_refused", fields={"reason": detail} | self._generation())] if record else []
        return Refusal("invalid_grant", detail, events=events)

    def _why_refused(self) -> str:
        if self.presented is None:
            return "not a refresh token"
        if self.record is None:
            return "forged refresh token" if self.loaded else "no such authorization"
        authorization, presented = self.record.authorization, self.presented.generation
        if self.verdict is Verdict.FOREIGN:
            return "refresh token of another client"
        if self.verdict is Verdict.REUSE:
            newest = f"{authorization.generation} is newest since {utc(authorization.rotated_at)}"
            return f"reuse of generation {presented}; {newest}"
        ended = end_reason(authorization, client=self.client, user=self.record.user, policy=self.policy, now=self.now)
        return ended or "generations used up"

    def _advance(self, authorization: Authorization) -> tuple[int, Change]:
        """Return the generation of the refresh token in the response, and the change that makes it valid."""
        policy, network = self.policy, self.parsed.network
        if self.verdict is Verdict.RETRY:
            return authorization.generation, self._retried(authorization)
        if self.verdict is Verdict.USE:
            return authorization.generation, authorizations.use(authorization, idle_ttl=policy.refresh_idle_ttl)
        next = self._next_after(authorization)
        change = authorizations.rotate(authorization, next=next, network=network, idle_ttl=policy.refresh_idle_ttl)
        return next, change

    def _retried(self, authorization: Authorization) -> Change:
        """A retry writes nothing, with one exception: if the row's time is in the future, because the clock was ahead
        before this machine started, the retry window starts now. Otherwise it would stay open until that time."""
        if not self.attempt.elapsed.timeline.is_ahead(authorization.rotated_at):
            return authorizations.confirm(authorization)
        next, network, idle_ttl = authorization.generation, authorization.rotated_from, self.policy.refresh_idle_ttl
        return authorizations.rotate(authorization, next=next, network=network, idle_ttl=idle_ttl)

    def _next_after(self, authorization: Authorization) -> int:
        if self.verdict is Verdict.ROTATE or self.presented is None:
            return authorization.generation + 1
        if self.attempt.number == 0:
            raise Stale  # a token ahead of its row is accepted only if a second load confirms it
        return self.presented.generation + 1

    def _events(self, authorization: Authorization) -> list[Event]:
        if self.verdict is Verdict.AHEAD:
            return [Event("refresh_token_ahead", "warning", fields=self._generation())]
        if self.verdict is not Verdict.RETRY:
            return []
        if self.parsed.network != authorization.rotated_from:
            return [Event("refresh_token_retried_from_elsewhere", "warning", fields=self._generation())]
        return [Event("refresh_token_retried", fields=self._generation())]

    def _generation(self) -> dict[str, str]:
        return {"generation": str(self.presented.generation)} if self.presented else {}


class Credential:
    """Adapts an authorization to the two methods that Authlib calls on a refresh token."""

    def __init__(self, authorization: Authorization) -> None:
        self.authorization = authorization

    def check_client(self, client: object) -> bool:
        return True  # `judge` has already checked the client

    def get_scope(self) -> str:
        return " ".join(self.authorization.scope)
