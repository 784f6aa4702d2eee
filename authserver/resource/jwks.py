"""Reads the usable keys of a JWKS. An unusable key is ignored and does not affect the others."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry
from joserfc.jws import JWSRegistry

from .jws import decode, is_kid

# RFC 8725 s3.2. A party that only verifies must not accept symmetric algorithms or "none" (RFC 9068 s4).
ASYMMETRIC = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
)
_PUBLIC = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_CURVES = frozenset({"P-256", "P-384", "P-521", "Ed25519"})
_N = re.compile(r"[A-Za-z0-9_-]{342,1366}", re.ASCII)

Check = Callable[[bytes, bytes], bool]  # (message, signature) -> whether the signature is valid


class Key:
    """A public key: its `kid`, the `jwk` that it came from, and a check for each algorithm that it may verify."""

    __slots__ = ("checks", "jwk", "kid")

    def __init__(self, kid: str, jwk: dict[str, Any], checks: dict[str, Check]) -> None:
        self.kid, self.jwk, self.checks = kid, jwk, checks


def read_key_set(document: object, algorithms: frozenset[str], cached: Mapping[str, Key]) -> dict[str, Key]:
    """Return the usable keys of `document` by kid, for `algorithms`. A key in `cached` stays the same object.

    Raises ValueError if the document is not a key set at all (RFC 7517 s5).
    """
    entries = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(entries, list | tuple):
        raise ValueError("not a JWK Set")
    keys = [key for jwk in entries if (key := _read_key(jwk, algorithms, cached)) is not None]
    times = Counter(key.kid for key in keys)
    # RFC 7517 s4.5: different keys within the JWK Set SHOULD use distinct "kid" values; of two equal ones, use neither
    return {key.kid: key for key in keys if times[key.kid] == 1}


def _read_key(jwk: object, algorithms: frozenset[str], cached: Mapping[str, Key]) -> Key | None:
    try:
        if not isinstance(jwk, dict) or not _may_verify(jwk):
            return None
        kid = jwk["kid"]
        if kid in cached and cached[kid].jwk == jwk:
            return cached[kid]
        checks = _checks(jwk, algorithms)
        return Key(kid, dict(jwk), checks) if checks else None
    except Exception:  # whatever a library raises for a malformed key: only that key is dropped
        return None


def _may_verify(jwk: dict[str, Any]) -> bool:
    return (
        is_kid(jwk.get("kid"))
        and jwk.get("use", "sig") == "sig"
        and "verify" in jwk.get("key_ops", ["verify"])
        and _PRIVATE.isdisjoint(jwk)
        and (jwk["kty"] == "RSA" and _is_strong(jwk) or jwk["kty"] in ("EC", "OKP") and jwk["crv"] in _CURVES)
    )


def _is_strong(jwk: dict[str, Any]) -> bool:
    """Whether an RSA key has 2048 to 8192 bits, is odd, has e = 65537 and is not ROCA (CVE-2017-15361)."""
    if jwk["e"] != "AQAB" or not _N.fullmatch(jwk["n"]):
        return False
    n = int.from_bytes(decode(jwk["n"].encode()))
    return 2048 <= n.bit_length() <= 8192 and n % 2 == 1 and not is_roca(n)


def is_roca(n: int) -> bool:
    """Whether the modulus `n` has the fingerprint of Infineon's weak primes: a power of 65537 modulo small primes."""
    return all(n % prime in powers for prime, powers in _ROCA.items())


_ROCA = {
    prime: frozenset(pow(65537, exponent, prime) for exponent in range(prime))
    for prime in (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)
}


def _checks(jwk: dict[str, Any], algorithms: frozenset[str]) -> dict[str, Check]:
    named = {jwk["alg"]} if "alg" in jwk else algorithms
    key = JWKRegistry.import_key({name: jwk[name] for name in ("kty", *_PUBLIC[jwk["kty"]])})
    checks: dict[str, Check] = {}
    for name in algorithms & named:
        # Uses the algorithm's own `verify`: joserfc's registry replaces an empty list by its default list, and ignores
        # `algorithms` if `registry` is given.
        model = JWSRegistry.algorithms[name]
        with suppress(JoseError):  # another key type or curve
            model.check_key(key)
            checks[name] = partial(model.verify, key=key)
    return checks
