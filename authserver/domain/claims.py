"""The claims of an access token (RFC 9068 s2.2), and the audience that a request may have (RFC 8707)."""

from typing import Any

from . import scopes
from .errors import TargetRefused
from .models import SECOND, Authorization, Client


def access_token(
    *,
    issuer: str,
    client: Client,
    scope: tuple[str, ...],
    audience: tuple[str, ...],
    now: int,
    ttl: int,
    jti: str,
    login: Authorization | None,
) -> dict[str, Any]:
    """`now` in microseconds, `ttl` in seconds; `login` is None for a client's own token, whose subject it then is."""
    issued_at = now // SECOND
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": login.subject if login else client.id,
        "aud": audience[0] if len(audience) == 1 else list(audience),
        "client_id": client.id,
        "iat": issued_at,
        "exp": issued_at + ttl,
        "jti": jti,
    } | scopes.member(scope)
    if login:
        claims |= {"auth_time": login.authenticated_at // SECOND, "grant_id": login.id.hex()}
    return claims


def audience(asked: tuple[str, ...], client: Client, granted: tuple[str, ...] = (), *, default: str) -> tuple[str, ...]:
    """What was asked for if all of it may be had; else what the login was granted, the client's first, or `default`.

    Raises TargetRefused. `granted` is what the login was bound to: empty if it asked for no resource.
    """
    allowed = tuple(resource for resource in granted or client.audiences if resource in client.audiences)
    # RFC 8707 s2: if the AS is unwilling or unable to ... it SHOULD use invalid_target.
    if not set(asked) <= set(allowed):
        raise TargetRefused("A resource is unknown or was not granted.")
    if granted and not allowed:
        raise TargetRefused("No granted resource is left to this client.")
    return asked or (allowed if granted else allowed[:1]) or (default,)
