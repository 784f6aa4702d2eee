"""The claims of a logout token (OpenID Connect Back-Channel Logout 1.0 s2.4): it tells a client of a session's end."""

from typing import Any

from .models import SECOND

TYP = "logout+jwt"
"""Explicit typing (s2.4): nobody takes a logout token for an ID token or an access token, and the other way round."""
TTL = 120
"""Seconds. s4: an expiration time at most two minutes in the future is preferred."""
EVENT = "http://schemas.openid.net/event/backchannel-logout"


def claims(*, issuer: str, client_id: str, subject: str, sid: str, now: int, jti: str) -> dict[str, Any]:
    """Return the claims. `now` is in microseconds.

    s2.4: a Logout Token MUST contain either a sub or a sid Claim, and MAY contain both. A nonce Claim MUST NOT be
    present."""
    issued_at = now // SECOND
    return {
        "iss": issuer,
        "sub": subject,
        "aud": client_id,
        "iat": issued_at,
        "exp": issued_at + TTL,
        "jti": jti,
        "sid": sid,
        "events": {EVENT: {}},
    }
