"""Shows tokens so that a person can read them."""

import json
from base64 import urlsafe_b64decode
from typing import Any

from authserver.domain.times import span, utc

SECOND = 1_000_000  # microseconds
TIMES = frozenset({"auth_time", "exp", "iat", "nbf", "updated_at"})
MEANINGS = {
    "acr": "how strong the sign-in was",
    "amr": "how the person proved who they are",
    "at_hash": "a hash of the access token that came with this ID token",
    "aud": "for whom the token is",
    "auth_time": "when the password was given",
    "azp": "which client asked for it",
    "client_id": "which client asked for it",
    "email": "the email address",
    "email_verified": "whether someone has checked that the address belongs to the user",
    "exp": "when it expires",
    "grant_id": "the authorization that it belongs to",
    "iat": "when it was issued",
    "iss": "who issued it",
    "jti": "the token's own id",
    "name": "the full name",
    "nonce": "the value that this demo sent: the token answers its request",
    "preferred_username": "the name that the user signs in with",
    "scope": "what it allows",
    "sid": "the session of this browser at the server",
    "sub": "the user's id, which never changes",
}


def claims_of(jwt: str) -> dict[str, Any]:
    """Return the claims of a token to show them. Nothing is checked."""
    payload = jwt.split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def rows(claims: dict[str, Any], now: float) -> list[tuple[str, str, str]]:
    """Return the name, value and meaning of each claim, for a table. `now` is in seconds."""
    return [(name, _shown(name, value, now), MEANINGS.get(name, "")) for name, value in claims.items()]


def _shown(name: str, value: Any, now: float) -> str:
    if name in TIMES and isinstance(value, int | float):
        words = span(abs(int((value - now) * SECOND)))
        return f"{utc(int(value * SECOND))} ({f'in {words}' if value > now else f'{words} ago'})"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
