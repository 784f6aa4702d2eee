"""Checks that signing keys are strong enough, wherever they were generated."""

from collections.abc import Mapping
from typing import Any

from ..domain import base64url, key_rules
from ..domain.errors import Refused
from ..resource.jwks import is_roca


def check_public(jwk: Mapping[str, Any]) -> None:
    """Raise Refused for a public JWK whose RSA key is too weak."""
    if jwk["kty"] == "RSA":
        check_rsa(*(int.from_bytes(base64url.decode(jwk[name])) for name in ("n", "e")))


def check_rsa(modulus: int, exponent: int) -> None:
    """Raise Refused for an RSA key with a size or exponent that is not allowed, or with the ROCA weakness."""
    key_rules.check_rsa(modulus, exponent)
    if is_roca(modulus):
        raise Refused(
            "The key has the ROCA weakness (CVE-2017-15361): its private key can be computed. Generate another key."
        )
