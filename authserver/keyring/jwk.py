"""Keys of each algorithm, as joserfc's objects and as JWKs (RFC 7517)."""

from collections.abc import Callable, Mapping
from typing import Any

from joserfc.jwk import ECKey, OKPKey, RSAKey

from ..domain import key_rules
from .signer import PublicJwk

Key = RSAKey | ECKey | OKPKey

_KINDS: dict[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
_PUBLIC_MEMBERS = ("kty", "n", "e", "crv", "x", "y")
PUBLISHED = (*_PUBLIC_MEMBERS, "kid", "alg", "use")
"""The members that a key has in the JWKS: an allow-list, so nothing else in a row is published."""
_GENERATE: dict[str, Callable[[], Key]] = {
    "RS256": lambda: RSAKey.generate_key(key_rules.RSA_BITS),
    "PS256": lambda: RSAKey.generate_key(key_rules.RSA_BITS),
    "ES256": lambda: ECKey.generate_key("P-256"),
    "EdDSA": lambda: OKPKey.generate_key("Ed25519"),
}


def generate(alg: str) -> Key:
    """Generate a private key for `alg`. Its `kid` will be its RFC 7638 thumbprint."""
    while not key_rules.is_generated_kid((key := _GENERATE[alg]()).thumbprint()):
        pass
    return key


def imported(members: Mapping[str, Any]) -> Key:
    """Return the key of a JWK; it is private if the JWK is."""
    return _KINDS[members["kty"]].import_key(dict(members))


def public_jwk(key: Key, alg: str, kid: str | None = None) -> PublicJwk:
    """Return the public JWK, built from an allow-list of members so that nothing private is published. The `kid` is the
    key's RFC 7638 thumbprint unless one is given."""
    return _public(key.as_dict(private=False)) | {
        "kid": key.thumbprint() if kid is None else kid,
        "alg": alg,
        "use": "sig",
    }


def public_key(jwk: Mapping[str, str]) -> Key:
    return imported(_public(jwk))


def public_pem(jwk: Mapping[str, str]) -> str:
    """Return the key as SubjectPublicKeyInfo (RFC 5280 s4.1), which most other programs read."""
    return public_key(jwk).as_pem(private=False).decode()


def _public(members: Mapping[str, Any]) -> PublicJwk:
    return {name: str(members[name]) for name in _PUBLIC_MEMBERS if name in members}
