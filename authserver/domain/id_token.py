"""The claims of an ID token (OpenID Connect Core s2).

There is no `azp`: s2 needs it only where the audience is not the authorized party alone, and an ID token here is always
for the one client that asked for it. Nor are there `client_id` and `jti`, without which nobody can take an ID token for
an access token (RFC 9068 s2.2).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256, sha512
from types import MappingProxyType
from typing import Any

from . import base64url
from .models import SECOND

TYP = "JWT"
# RFC 8032 s5.1: Ed25519 hashes with SHA-512. The others name SHA-256 (RFC 7518 s3.1).
_HASHES = {"EdDSA": sha512}


@dataclass(frozen=True, slots=True)
class Hint:
    """What an ID token tells that a client sends back as `id_token_hint`."""

    client_id: str
    subject: str
    sid: str
    """Empty if it was issued without a session."""


def claims(
    *,
    issuer: str,
    client_id: str,
    subject: str,
    now: int,
    ttl: int,
    authenticated_at: int,
    acr: str,
    amr: Sequence[str],
    sid: str,
    nonce: str = "",
    requested: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return the claims, without the `at_hash` of the access token that is signed first. `now` and `authenticated_at`
    are in microseconds, `ttl` in seconds. `sid`, `acr` and `nonce` are empty for none. `requested` are the claims of
    the user that the request asked for in the ID token: they never replace another claim."""
    issued_at = now // SECOND
    always: dict[str, Any] = {
        "iss": issuer,
        "sub": subject,
        "aud": client_id,
        "iat": issued_at,
        "exp": issued_at + ttl,
        "auth_time": authenticated_at // SECOND,
    }
    # OpenID Connect Core s3.1.3.7: the nonce Claim MUST be present and have the value that was sent.
    optional = {"acr": acr, "amr": list(amr), "sid": sid, "nonce": nonce}
    return dict(requested) | always | {name: value for name, value in optional.items() if value}


def half_hash(token: str, alg: str) -> str:
    """Return the `at_hash` of an access token in an ID token that `alg` signs. OpenID Connect Core s3.1.3.6: base64url
    of the left-most half of the hash of the ASCII octets of the token, by the hash algorithm of the `alg`."""
    digest = _HASHES.get(alg, sha256)(token.encode("ascii")).digest()
    return base64url.encode(digest[: len(digest) // 2])


def hint_of(claims: Mapping[str, Any], issuer: str) -> Hint | None:
    """Return what an ID token of this issuer says; None if these are the claims of another token. The signature was
    checked before, and the token may have expired. Access tokens, logout tokens and responses of /userinfo, which the
    same keys sign, are not ID tokens."""
    if claims.get("iss") != issuer or "auth_time" not in claims or "client_id" in claims or "events" in claims:
        return None
    client_id, subject, sid = (claims.get(name, "") for name in ("aud", "sub", "sid"))
    is_one = isinstance(client_id, str) and isinstance(subject, str) and isinstance(sid, str)
    return Hint(client_id, subject, sid) if is_one and client_id and subject else None
