"""Whether a browser session is active, and how long a new one lasts."""

from .models import SECOND, Policy, Session, User


def is_active(session: Session, user: User | None, now: int) -> bool:
    """Whether the user is still signed in. `now` is in microseconds."""
    return end_reason(session, user, now) is None


def end_reason(session: Session, user: User | None, now: int) -> str | None:
    """Return why the user is no longer signed in; None if they still are. Password versions are compared, never
    times."""
    if session.ended_at is not None:
        return "ended"
    if user is None or user.disabled:
        return "user deleted" if user is None else "user disabled"
    if user.credential_version != session.credential_version:
        return "password changed"
    if now >= session.expires_at:
        return "reached its absolute end"
    return "idle for too long" if now >= session.idle_expires_at else None


def is_recent(session: Session, max_age: int, now: int) -> bool:
    """Whether the user signed in at most `max_age` seconds ago. This counts from the whole second in `auth_time`, as
    clients do, which is never later than the sign-in itself."""
    return now <= (session.authenticated_at // SECOND + max_age) * SECOND


def idle_end(now: int, policy: Policy, *, kept: bool, expires_at: int) -> int:
    """Return when a session that is used now ends if it is not used again (microseconds). A session that the user keeps
    signed in has no idle end before `expires_at`, its absolute end."""
    return expires_at if kept else min(now + policy.session_idle_ttl * SECOND, expires_at)
