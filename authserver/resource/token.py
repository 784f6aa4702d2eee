"""What a verified access token says: `AccessToken`, and the checks of its claims (RFC 9068 s2.2, RFC 7519 s4.1)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from authserver.resource.errors import EXPIRED, TokenRejected

SKEW = 60  # seconds by which nbf and iat may lie in the future
# RFC 6749 s3.3: scope = scope-token *( SP scope-token ), scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
SCOPE_TOKEN = re.compile(r"[!#-\[\]-~]+", re.ASCII)
_SCOPE = re.compile(r"[!#-\[\]-~]+(?: [!#-\[\]-~]+)*", re.ASCII)
_LATEST = 2**53  # seconds; beyond it a JSON number is not exact


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token whose signature, issuer, audience and times held when it was verified. Times are seconds since 1970."""

    subject: str
    client_id: str
    scope: frozenset[str]
    audience: tuple[str, ...]
    issuer: str
    expires_at: float
    issued_at: float
    jti: str
    auth_time: float | None = None  # when the user last proved who they are (RFC 9068 s2.2.1)
    acr: str | None = None
    grant_id: str | None = None  # authserver's name for the login behind the token
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)  # all of them; read-only


def read_claims(claims: Mapping[str, Any], issuer: str, audience: str, now: float, leeway: float) -> AccessToken:
    """The token with these claims (ReadOnly, from strict_json), for `audience` at the time `now`; raises TokenRejected.

    Expiry is judged last, so that `expired` means that all else held.
    """
    if claims.get("iss") != issuer:
        raise TokenRejected("wrong issuer")
    aud = _audiences(claims.get("aud"))
    if audience not in aud:
        raise TokenRejected("wrong audience")
    if "cnf" in claims:
        # RFC 9449 s7.2 and RFC 8705 s3: a token bound to a key is worth nothing to who merely holds it.
        raise TokenRejected("bound to a key, presented as a Bearer token")
    token = AccessToken(
        subject=_text(claims, "sub"),
        client_id=_text(claims, "client_id"),
        scope=_scope(claims.get("scope", "")),
        audience=aud,
        issuer=issuer,
        expires_at=_time(claims, "exp"),
        issued_at=_time(claims, "iat"),
        jti=_text(claims, "jti"),
        auth_time=_time(claims, "auth_time") if "auth_time" in claims else None,
        acr=_text(claims, "acr") if "acr" in claims else None,
        grant_id=_text(claims, "grant_id") if "grant_id" in claims else None,
        claims=claims,
    )
    if token.issued_at > now + SKEW or ("nbf" in claims and _time(claims, "nbf") > now + SKEW):
        raise TokenRejected("not valid yet")
    # RFC 7519 s4.1.4: on or after which the JWT MUST NOT be accepted for processing
    if now >= token.expires_at + leeway:
        raise TokenRejected(EXPIRED)
    return token


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if type(value) is not str or not value:
        raise TokenRejected(f"claim {name} is missing or not a string")
    return value


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if (type(value) is not int and type(value) is not float) or not 0 <= value < _LATEST:  # NaN and infinity are not
        raise TokenRejected(f"claim {name} is missing or not a time")
    return value


def _audiences(value: object) -> tuple[str, ...]:
    if type(value) is str:
        return (value,)
    if not isinstance(value, tuple) or not all(type(item) is str for item in value):
        raise TokenRejected("claim aud is missing or not strings")
    return value


def _scope(value: object) -> frozenset[str]:
    if type(value) is not str or (value and not _SCOPE.fullmatch(value)):
        raise TokenRejected("claim scope is not a list of scopes in one string")
    return frozenset(value.split(" ")) if value else frozenset()
