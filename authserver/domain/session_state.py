"""Whether a browser session is active, and how long a new one lasts."""

from .models import SECOND, Policy, Session, User


def is_active(session: Session, user: User | None, now: int) -> bool:
    """Whether the user is still signed in. `now` is in microseconds. Versions of the password are compared, never
    times."""
    if now >= session.ends_at or user is None or user.disabled:
        return False
    return user.credential_version == session.credential_version


def idle_end(now: int, policy: Policy, *, kept: bool, expires_at: int) -> int:
    """Return when a session that is used now ends unless it is used again (microseconds). One that is kept has no idle
    end before `expires_at`, its absolute end."""
    return expires_at if kept else min(now + policy.session_idle_ttl * SECOND, expires_at)
