"""`AccessToken`, and the validation of its claims (RFC 9068 s2.2, RFC 7519 s4.1)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import EXPIRED, TokenRejected
from .jws import JWT

SKEW = 60  # seconds by which nbf and iat may lie in the future
# RFC 6749 s3.3: scope = scope-token *( SP scope-token ), scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
SCOPE_TOKEN = re.compile(r"[!#-\[\]-~]+", re.ASCII)
_SCOPE = re.compile(r"[!#-\[\]-~]+(?: [!#-\[\]-~]+)*", re.ASCII)
_LATEST = 2**53  # seconds; beyond it a JSON number is not exact
_SCOPE_ONLY = ("scope",)
_CLIENT = ("client_id", "azp", "appid")  # RFC 9068; Auth0, Keycloak and Entra; Entra's version 1.0
# OpenID Connect Core s2, s3.1.3.6 and s3.3.2.11; FAPI's s_hash; Back-Channel Logout s2.4 and RFC 8417 s2.2
_NEVER_IN_ACCESS_TOKENS = frozenset({"nonce", "at_hash", "c_hash", "s_hash", "events"})

ScopeClaim = str | tuple[str, ...]  # a claim, or the path to a member of one


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token whose signature, issuer, audience and times were valid when verified. Times are seconds since 1970."""

    subject: str
    client_id: str
    scope: frozenset[str]
    audience: tuple[str, ...]
    issuer: str
    expires_at: float
    issued_at: float
    jti: str  # empty only if an issuer of `typ` JWT gives none
    auth_time: float | None = None  # when the user last authenticated (RFC 9068 s2.2.1)
    acr: str | None = None
    grant_id: str | None = None  # the authorization that the token belongs to, in authserver's tokens
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)  # all of them; read-only


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """The rules for the claims of one issuer's tokens; `leeway` is in seconds.

    `takes_jwt` means that the issuer's access tokens may have `typ` JWT. Their client may then be in `azp` or `appid`,
    and `jti` may be missing, since such issuers do not follow RFC 9068.
    """

    issuer: str
    audience: str
    leeway: float = 0
    takes_jwt: bool = False
    scope_claims: tuple[ScopeClaim, ...] = ("scope",)


def read_claims(claims: Mapping[str, Any], typ: str, rules: ClaimRules, now: float) -> AccessToken:
    """Return the token with these claims (ReadOnly, from strict_json) at the time `now`. Raises TokenRejected.

    Expiry is checked last, so `expired` means that everything else is valid.
    """
    if claims.get("iss") != rules.issuer:
        raise TokenRejected("wrong issuer")
    aud = _audiences(claims.get("aud"))
    if rules.audience not in aud:
        raise TokenRejected("wrong audience")
    if "cnf" in claims:
        # RFC 9449 s7.2 and RFC 8705 s3: a token bound to a key is not a Bearer token.
        raise TokenRejected("bound to a key, presented as a Bearer token")
    if typ == JWT:
        _check_is_access_token(claims)
    token = AccessToken(
        subject=_text(claims, "sub"),
        client_id=_client(claims) if rules.takes_jwt else _text(claims, "client_id"),
        scope=_scopes(claims, rules.scope_claims),
        audience=aud,
        issuer=rules.issuer,
        expires_at=_time(claims, "exp"),
        issued_at=_time(claims, "iat"),
        jti="" if rules.takes_jwt and "jti" not in claims else _text(claims, "jti"),
        auth_time=_time(claims, "auth_time") if "auth_time" in claims else None,
        acr=_text(claims, "acr") if "acr" in claims else None,
        grant_id=_text(claims, "grant_id") if "grant_id" in claims else None,
        claims=claims,
    )
    if token.issued_at > now + SKEW or ("nbf" in claims and _time(claims, "nbf") > now + SKEW):
        raise TokenRejected("not valid yet")
    # RFC 7519 s4.1.4: on or after which the JWT MUST NOT be accepted for processing
    if now >= token.expires_at + rules.leeway:
        raise TokenRejected(EXPIRED)
    return token


def _check_is_access_token(claims: Mapping[str, Any]) -> None:
    """Raise TokenRejected for claims that only other kinds of token have: ID tokens also have the `typ` JWT.

    Keycloak names the kind in a claim `typ`, and added `nonce` to access tokens until its version 24.
    """
    if "typ" in claims:
        if claims["typ"] != "Bearer":
            raise TokenRejected("claim typ says that it is not an access token")
    elif not _NEVER_IN_ACCESS_TOKENS.isdisjoint(claims):
        raise TokenRejected("its claims are those of an ID token or logout token")


def _client(claims: Mapping[str, Any]) -> str:
    """Return the client that the token was issued to. Most ID tokens name it only in `aud`, so this rejects them."""
    name = next((name for name in _CLIENT if name in claims), "client_id")
    return _text(claims, name)


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


def _scopes(claims: Mapping[str, Any], sources: tuple[ScopeClaim, ...]) -> frozenset[str]:
    if sources == _SCOPE_ONLY:
        return _scope(claims.get("scope", ""))
    return frozenset().union(*(_scope_claim(claims, source) for source in sources))


def _scope_claim(claims: Mapping[str, Any], claim: ScopeClaim) -> frozenset[str]:
    value: Any = claims
    for name in (claim,) if isinstance(claim, str) else claim:
        value = value.get(name, "") if isinstance(value, Mapping) else None
        if value == "":
            return frozenset()
    if isinstance(value, tuple) and claim != "scope" and all(type(item) is str for item in value):
        return frozenset(value)  # nothing is split: a name with a space in it is one name
    return _scope(value)
