"""Private keys that were made elsewhere: PEM (PKCS #8, PKCS #1) and JWK (RFC 7517), and what is refused."""

import json
import warnings
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from math import lcm
from typing import Any

from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

from ..domain.algorithms import DEFAULT
from ..domain.errors import Refused
from .jwk import Key

_LEAST_BITS, _MOST_BITS = 2048, 8192
_EXPONENT = 65537
_CRT = ("p", "q", "dp", "dq", "qi")
_RSA_MEMBERS = ("n", "e", "d", *_CRT)
_MEMBERS = ("kty", *_RSA_MEMBERS, "crv", "x", "y")
_MISMATCH = "The private part does not match the public one: the key is damaged or was tampered with."
_SMALL_PRIMES = [p for p in range(3, 168) if all(p % q for q in range(2, p))]


class Unreadable(ValueError):
    """The file holds no private key that can be read; the text says why and never what is in it."""


class Encrypted(Unreadable):
    """It may be read with its password."""


@dataclass(frozen=True, slots=True)
class _Kind:
    key: type[RSAKey] | type[ECKey] | type[OKPKey]
    kty: str
    words: str
    crv: str | None = None


_RSA = _Kind(RSAKey, "RSA", "an RSA key")
_KINDS = {
    "RS256": _RSA,
    "PS256": _RSA,
    "ES256": _Kind(ECKey, "EC", "an EC key on P-256", "P-256"),
    "EdDSA": _Kind(OKPKey, "OKP", "an Ed25519 key", "Ed25519"),
}


def read_private_key(content: bytes, password: str | None = None, alg: str = DEFAULT) -> Key:
    """A key that signs by `alg`. Raises Unreadable, and Refused for one that is too weak, is on another curve or does
    not fit together."""
    kind = _KINDS[alg]
    if not content.lstrip().startswith(b"-----BEGIN"):
        jwk = _jwk(content, kind, alg)
        _check(jwk, kind)
        return _imported(jwk, None, kind)
    key = _imported(content, password, kind)
    _check(key.as_dict(private=key.is_private), kind)
    return key


def _imported(source: bytes | dict[str, Any], password: str | None, kind: _Kind) -> Key:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # refused in our words
            key = kind.key.import_key(source, password=password)
            return kind.key.import_key(key.as_pem(private=True)) if key.is_private else key  # with all its members
    except TypeError as error:
        if password is None:
            raise Encrypted("The key is encrypted: give its password with --password-stdin.") from error
        raise Unreadable("The key has no password.") from error
    except (JoseError, ValueError) as error:
        raise Unreadable(f"This is no private key that can be read as {kind.words}: {_brief(error)}.") from error


def _jwk(content: bytes, kind: _Kind, alg: str) -> dict[str, Any]:
    try:
        jwk = json.loads(content)
    except (ValueError, RecursionError):
        raise Unreadable("The file is neither PEM nor JSON.") from None
    if not isinstance(jwk, dict) or jwk.get("kty") != kind.kty:
        raise Unreadable(f'The file holds no JWK of {kind.words}: an object with "kty": "{kind.kty}" is expected.')
    if "oth" in jwk:
        raise Refused("Keys of more than two primes are not supported. Make another one.")
    for name, allowed in (("alg", alg), ("use", "sig")):
        if jwk.get(name, allowed) != allowed:
            raise Refused(f'The key is meant for something else: its "{name}" is not {allowed}.')
    return {name: jwk[name] for name in _MEMBERS if name in jwk}


def _check(members: dict[str, Any], kind: _Kind) -> None:
    if members.get("d") is None:
        raise Unreadable("This is a public key. Signing takes the private one.")
    if kind.crv:
        _check_curve(members, kind)
    else:
        _check_rsa(members)


def _check_curve(members: dict[str, Any], kind: _Kind) -> None:
    if members.get("crv") != kind.crv:
        raise Refused(f"The key is on another curve: {kind.words} is allowed. Make another one.")
    public = {name: members.get(name) for name in ("x", "y")}
    try:
        made = kind.key.import_key(kind.key.import_key(members).as_pem(private=True)).as_dict(private=False)
    except (JoseError, ValueError, TypeError) as error:
        raise Refused(_MISMATCH) from error
    if public != {name: made.get(name) for name in public}:
        raise Refused(_MISMATCH)


def _check_rsa(members: dict[str, Any]) -> None:
    numbers = {name: _number(value) for name, value in members.items() if name in _RSA_MEMBERS}
    if not {"n", "e"} <= numbers.keys():
        raise Unreadable("This is a public key. Signing takes the private one.")
    _check_strength(numbers["n"], numbers["e"])
    if not _fits_together(numbers):
        raise Refused("The private exponents do not match the modulus: the key is damaged or was tampered with.")


def _check_strength(modulus: int, exponent: int) -> None:
    bits = modulus.bit_length()
    if not _LEAST_BITS <= bits <= _MOST_BITS:
        # RFC 7518 s3.3: a key of size 2048 bits or larger MUST be used with these algorithms.
        raise Refused(f"The key has {bits} bits; from {_LEAST_BITS} to {_MOST_BITS} are allowed. Make another one.")
    if exponent != _EXPONENT:
        raise Refused(f"The public exponent of the key is not {_EXPONENT}. Make another one.")
    if is_roca(modulus):
        raise Refused("The key was made by a chip whose keys can be computed (ROCA, CVE-2017-15361). Make another one.")


def _fits_together(k: dict[str, int]) -> bool:
    if not 1 < k["d"] < k["n"] or pow(pow(2, k["e"], k["n"]), k["d"], k["n"]) != 2:
        return False
    if not k.keys() & set(_CRT):
        return True
    p, q, dp, dq, qi = (k.get(name, 0) for name in _CRT)
    if min(p, q) < 2 or p * q != k["n"] or k["e"] * k["d"] % lcm(p - 1, q - 1) != 1:
        return False
    return (dp, dq) == (k["d"] % (p - 1), k["d"] % (q - 1)) and qi * q % p == 1


def is_roca(modulus: int) -> bool:
    """The fingerprint of Nemec et al., "The Return of Coppersmith's Attack" (2017), s2.3: modulo each small prime the
    modulus is a power of 65537. A good key passes for one with a chance of about 2**-27."""
    return all(modulus % prime in _powers(prime) for prime in _SMALL_PRIMES)


def _powers(prime: int) -> set[int]:
    powers: set[int] = set()
    power = 1
    while power not in powers:
        powers.add(power)
        power = power * _EXPONENT % prime
    return powers


def _number(text: object) -> int:
    try:
        raw = str(text).encode("ascii")
        return int.from_bytes(urlsafe_b64decode(raw + b"=" * (-len(raw) % 4)))
    except ValueError:
        raise Unreadable("A member of the JWK is not base64url.") from None


def _brief(error: Exception) -> str:
    """The library's reason, to the end of its first sentence: what follows may quote the file."""
    return str(error).partition(". ")[0].rstrip(".")
