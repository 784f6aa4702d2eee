"""The session of a person who has just shown who they are."""

from ..domain import authentication, session_state
from ..domain.models import SECOND, Session, User
from ..pipeline.handler import Services
from ..pipeline.replies import Cookie
from .request import BrowserRequest, hashed


def new_session(
    services: Services, request: BrowserRequest, user: User, secret: str, *, now: int, kept: bool = False
) -> Session:
    """Return a session of the user in the browser that sent the request, whose cookie gets `secret`. `kept` says
    whether it outlives the browser; `now` is in microseconds."""
    policy = services.policy
    expires_at = now + policy.session_ttl * SECOND
    return Session(
        id=services.new_id(),
        secret_hash=hashed(secret) or b"",
        user_id=user.id,
        credential_version=user.credential_version,
        created_at=now,
        authenticated_at=now,
        amr=authentication.PASSWORD,
        kept=kept,
        seen_at=now,
        idle_expires_at=session_state.idle_end(now, policy, kept=kept, expires_at=expires_at),
        expires_at=expires_at,
        ended_at=None,
        network=request.network,
        device=request.device,
    )


def cookie_of(session: Session, secret: str, now: int) -> Cookie:
    """Return the cookie of the session."""
    return Cookie(secret, (session.expires_at - now) // SECOND if session.kept else None)
