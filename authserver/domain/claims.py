"""The claims of an access token (RFC 9068 s2.2), and the audience that a request may ask for (RFC 8707)."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from . import scopes, standard_claims
from .errors import TargetRefused
from .models import SECOND, Authorization, Client

_MAX_TEXT = 64  # characters: the width of the database's columns
_MAX_TIME = 2**40  # seconds since the epoch
_GRANT_ID = re.compile(r"[0-9a-f]{32}|")


def access_token(
    *,
    issuer: str,
    client: Client,
    scope: tuple[str, ...],
    audience: tuple[str, ...],
    now: int,
    ttl: int,
    jti: str,
    subject: str,
    authorization: Authorization | None,
    custom: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return the claims of a new access token. `now` is in microseconds, `ttl` in seconds. `subject` is the user's for
    this client. `authorization` is None for a client's own token, whose subject is the client. A user's token with the
    scope openid is for /userinfo too. `custom` are the user's claims for it (claim_rules.py)."""
    issued_at = now // SECOND
    if authorization and standard_claims.OPENID in scope:
        audience = tuple(dict.fromkeys((*audience, userinfo_audience(issuer))))
    claims: dict[str, Any] = (
        dict(custom)
        | {
            "iss": issuer,
            "sub": subject,
            "aud": audience[0] if len(audience) == 1 else list(audience),
            "client_id": client.id,
            "iat": issued_at,
            "exp": issued_at + ttl,
            "jti": jti,
        }
        | scopes.member(scope)
    )
    if authorization:
        claims |= {"auth_time": authorization.authenticated_at // SECOND, "grant_id": authorization.id.hex()}
    return claims


def userinfo_audience(issuer: str) -> str:
    """Return the audience of access tokens that /userinfo accepts."""
    return f"{issuer}/userinfo"


def audiences_of(claims: Mapping[str, Any]) -> list[str]:
    """Return the audiences of an access token of this server (RFC 7519 s4.1.3: one string, or an array)."""
    audience = claims["aud"]
    return audience if isinstance(audience, list) else [audience]


def is_ours(claims: Mapping[str, Any], issuer: str) -> bool:
    """Whether this server could have issued these claims. An imported key may also have signed other tokens.

    Loops: with generators this takes 4 us longer."""
    if claims.get("iss") != issuer:
        return False
    for name in ("sub", "client_id", "jti"):
        text = claims.get(name)
        if not isinstance(text, str) or not 0 < len(text) <= _MAX_TEXT:
            return False
    for name in ("iat", "exp"):
        number = claims.get(name)
        if type(number) is not int or not 0 <= number < _MAX_TIME:
            return False
    audience = claims.get("aud")
    for text in audience if isinstance(audience, list) else (audience,):
        if not isinstance(text, str):
            return False
    return _GRANT_ID.fullmatch(str(claims.get("grant_id", ""))) is not None


def audience(asked: tuple[str, ...], client: Client, granted: tuple[str, ...] = (), *, default: str) -> tuple[str, ...]:
    """Return `asked` if it names resources and all of them are allowed. If it names none, return the resources that the
    authorization was granted; if there are none either, the client's first audience or `default`.

    `granted` are the resources that the authorization is bound to: empty if it asked for none. Raises TargetRefused.
    """
    allowed = tuple(resource for resource in granted or client.audiences if resource in client.audiences)
    # RFC 8707 s2: if the AS is unwilling or unable to ... it SHOULD use invalid_target.
    if not set(asked) <= set(allowed):
        raise TargetRefused("A resource is unknown or was not granted.")
    if granted and not allowed:
        raise TargetRefused("Every granted resource was withdrawn from the client.")
    return asked or (allowed if granted else allowed[:1]) or (default,)
