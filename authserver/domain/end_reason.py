"""Why an authorization has ended, as the log and the command line say it. OAuth callers never see these texts."""

from .models import Authorization, Client, Policy, User
from .times import duration, utc

REVOKED = {
    "revoked": "revoked by its client, or signed out,",
    "reuse": "revoked by reuse",
    "too_many": "ended by the limit of authorizations",
    "refresh_keys_revoked": "ended because the refresh-token keys were revoked",
    "restored": "ended by a restore from a backup",
    "user_disabled": "ended because the user was disabled",
    "password_changed": "ended by a change of the password",
    "logins_ended": "ended by an operator with all others of the user",
    "operator": "ended by an operator",
    "consent_withdrawn": "ended because its user took back the client's access",
    "session_ended": "ended with the browser session",
    "code_replayed": "ended because its code was used again",
}


def end_reason(
    authorization: Authorization, *, client: Client | None, user: User | None, policy: Policy, now: int
) -> str | None:
    """Return why the authorization's newest refresh token is not accepted; None while it is. `now` in microseconds."""
    if authorization.revoked_at is not None:
        return f"{_revoked_by(authorization.revoked_reason)} at {utc(authorization.revoked_at)}"
    if client is None or client.disabled:
        return "client deleted" if client is None else "client disabled"
    if user is None or user.disabled:
        return "user deleted" if user is None else "user disabled"
    if user.credential_version != authorization.credential_version:
        return "password changed"
    return _expired(authorization, policy, now)


def _revoked_by(cause: str | None) -> str:
    return REVOKED.get(cause or "", f"revoked by {(cause or 'an unknown cause').replace('_', ' ')}")


def _expired(authorization: Authorization, policy: Policy, now: int) -> str | None:
    if now >= authorization.expires_at:
        return f"reached its absolute end at {utc(authorization.expires_at)}"
    if now >= authorization.idle_expires_at:
        return f"idle for {duration(policy.refresh_idle_ttl)}, ended at {utc(authorization.idle_expires_at)}"
    if now >= authorization.ends_at:
        return f"ended with the browser session at {utc(authorization.ends_at)}"
    return None
