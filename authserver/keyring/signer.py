"""One signing key at work: JWTs with a header that is made once (RFC 7515 s3.1)."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry

_PUBLIC_MEMBERS = ("kty", "n", "e")
PUBLISHED = (*_PUBLIC_MEMBERS, "kid", "alg", "use")
"""The members of a key in the JWKS: an allow-list, whatever a row holds."""
_compact_json = json.JSONEncoder(separators=(",", ":")).encode


def generate(alg: str) -> RSAKey:
    """A new private key for `alg`; its `kid`, the RFC 7638 thumbprint, is none that a command takes for an option."""
    while (key := RSAKey.generate_key(2048, {"alg": alg, "use": "sig"})).thumbprint().startswith("-"):
        pass
    return key


def public_jwk(key: RSAKey, alg: str) -> dict[str, str]:
    """An allow-list of members: whatever the library's key holds, nothing private is published."""
    members = key.as_dict(private=False)
    return {name: str(members[name]) for name in _PUBLIC_MEMBERS} | {"kid": key.thumbprint(), "alg": alg, "use": "sig"}


def public_pem(jwk: Mapping[str, str]) -> str:
    """SubjectPublicKeyInfo (RFC 5280 s4.1), as most other programs want it."""
    return RSAKey.import_key({name: jwk[name] for name in _PUBLIC_MEMBERS}).as_pem(private=False).decode()


class Signer:
    """Signs access tokens with one key, and recognises what it signed."""

    def __init__(self, kid: str, alg: str, key: RSAKey) -> None:
        # RFC 9068 s2.1: the "typ" value used SHOULD be "at+jwt".
        self.header = _segment({"alg": alg, "typ": "at+jwt", "kid": kid})
        self._algorithm, self._key = JWSRegistry.algorithms[alg], key

    def sign(self, claims: dict[str, Any]) -> str:
        signing_input = self.header + b"." + _segment(claims)
        signature = self._algorithm.sign(signing_input, self._key)
        return (signing_input + b"." + _encode(signature)).decode()

    def claims(self, payload: bytes, signature: bytes) -> dict[str, Any] | None:
        """The claims if the signature over our header and `payload`, segments as sent, is ours, in its one spelling."""
        try:
            raw = _decode(signature)
        except ValueError:
            return None
        genuine = _encode(raw) == signature and self._algorithm.verify(self.header + b"." + payload, raw, self._key)
        claims: dict[str, Any] | None = json.loads(_decode(payload)) if genuine else None
        return claims


def _segment(members: dict[str, Any]) -> bytes:
    return _encode(_compact_json(members).encode())


def _encode(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")


def _decode(segment: bytes) -> bytes:
    return urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
