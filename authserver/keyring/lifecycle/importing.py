"""Reads keys that were generated elsewhere, to sign or only to verify: PEM and JWK (RFC 7517)."""

import warnings
from dataclasses import dataclass
from math import lcm
from typing import Any

from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

from ...domain import base64url
from ...domain.algorithms import ALGORITHMS, DEFAULT
from ...domain.errors import Refused
from ..jwk import Key
from ..strength import check_public, check_rsa
from . import key_file
from .key_file import Unreadable

_CRT = ("p", "q", "dp", "dq", "qi")
_RSA_MEMBERS = ("n", "e", "d", *_CRT)
_MEMBERS = ("kty", *_RSA_MEMBERS, "crv", "x", "y")
_MISMATCH = "The private key does not match the public key: it is damaged or was tampered with."


class Encrypted(Unreadable):
    """The key can be read only with its password."""


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


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that only verifies. `kid` is None if the file contains none."""

    key: Key
    alg: str
    kid: str | None


def read_private_key(content: bytes, password: str | None = None, alg: str = DEFAULT) -> Key:
    """Read the private key of a PEM file or JWK, for `alg`. Raises Unreadable (Encrypted if it needs a password), and
    Refused for a key that is too weak, is on another curve or whose parts do not match."""
    kind, content = _KINDS[alg], key_file.without_mark(content)
    block = key_file.private_block(content)
    if block is None:
        jwk = _jwk(key_file.json_object(content), kind, alg)
        _check(jwk, kind)
        return _imported(jwk, None, kind)
    key = _imported(block, password, kind)
    _check(key.as_dict(private=key.is_private), kind)
    return key


def kid_of(content: bytes) -> str | None:
    """Return the `kid` of a JWK; None for PEM, which has none."""
    try:
        kid = key_file.json_object(key_file.without_mark(content)).get("kid")
    except Unreadable:
        return None
    return kid if isinstance(kid, str) else None


def read_public_keys(content: bytes, alg: str = DEFAULT) -> list[PublicKey]:
    """Read the public key of a PEM file or JWK, or the signing keys of a JWK Set. They are for `alg` unless the file
    names another algorithm. Raises Unreadable, and Refused for a key that is too weak or not supported."""
    content = key_file.without_mark(content)
    block = key_file.public_block(content)
    if block is not None:
        return [_public(_imported(block, None, _KINDS[alg]), alg, None)]
    members = key_file.json_object(content)
    jwks = members["keys"] if isinstance(members.get("keys"), list) else [members]
    signing = [jwk for jwk in jwks if isinstance(jwk, dict) and jwk.get("use", "sig") == "sig"]
    if not signing:
        raise Unreadable("The file contains no signing key.")
    return [_public_of_jwk(jwk, alg) for jwk in signing]


def _public_of_jwk(jwk: dict[str, Any], alg: str) -> PublicKey:
    alg = jwk.get("alg", alg)
    if alg not in ALGORITHMS:
        raise Refused(f"The file contains a key for an unsupported algorithm. Supported are {', '.join(ALGORITHMS)}.")
    members, kid = _jwk(jwk, _KINDS[alg], alg), jwk.get("kid")
    if members.get("d") is not None:
        raise Unreadable("The file contains a private key. Remove its private members: only the public key is needed.")
    return _public(_imported(members, None, _KINDS[alg]), alg, kid if isinstance(kid, str) else None)


def _public(key: Key, alg: str, kid: str | None) -> PublicKey:
    members, kind = key.as_dict(private=False), _KINDS[alg]
    if kind.crv:
        _check_is_on_curve(members, kind)
    check_public(members)
    return PublicKey(key, alg, kid)


def _imported(source: bytes | dict[str, Any], password: str | None, kind: _Kind) -> Key:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # _check and check_public raise our own error
            key = kind.key.import_key(source, password=password)
            return kind.key.import_key(key.as_pem(private=True)) if key.is_private else key  # adds missing members
    except TypeError as error:
        if password is None:
            raise Encrypted("The key is encrypted. Pass its password with --password-stdin.") from error
        raise Unreadable("The key is not encrypted. Leave out the password.") from error
    except (JoseError, ValueError) as error:
        or_password = "" if password is None else ", or the password is wrong"
        raise Unreadable(f"The file cannot be read as {kind.words}{or_password}: {_brief(error)}.") from error


def _jwk(jwk: dict[str, Any], kind: _Kind, alg: str) -> dict[str, Any]:
    if jwk.get("kty") != kind.kty:
        raise Unreadable(f'The file contains no JWK of {kind.words}: it needs "kty": "{kind.kty}".')
    if "oth" in jwk:
        raise Refused("Keys with more than two primes are not supported. Generate another key.")
    for name, allowed in (("alg", alg), ("use", "sig")):
        if jwk.get(name, allowed) != allowed:
            raise Refused(f'The key has another purpose: its "{name}" is not {allowed}.')
    return {name: jwk[name] for name in _MEMBERS if name in jwk}


def _check(members: dict[str, Any], kind: _Kind) -> None:
    if members.get("d") is None:
        raise Unreadable("This is a public key. Signing needs the private key.")
    if kind.crv:
        _check_curve(members, kind)
    else:
        _check_rsa(members)


def _check_curve(members: dict[str, Any], kind: _Kind) -> None:
    _check_is_on_curve(members, kind)
    public = {name: members.get(name) for name in ("x", "y")}
    try:
        computed = kind.key.import_key(kind.key.import_key(members).as_pem(private=True)).as_dict(private=False)
    except (JoseError, ValueError, TypeError) as error:
        raise Refused(_MISMATCH) from error
    if public != {name: computed.get(name) for name in public}:
        raise Refused(_MISMATCH)


def _check_is_on_curve(members: dict[str, Any], kind: _Kind) -> None:
    if members.get("crv") != kind.crv:
        raise Refused(f"The key is on another curve. Use {kind.words}.")


def _check_rsa(members: dict[str, Any]) -> None:
    numbers = {name: _number(value) for name, value in members.items() if name in _RSA_MEMBERS}
    if not {"n", "e"} <= numbers.keys():
        raise Unreadable("This is a public key. Signing needs the private key.")
    check_rsa(numbers["n"], numbers["e"])
    if not _fits_together(numbers):
        raise Refused("The private exponents do not match the modulus: the key is damaged or was tampered with.")


def _fits_together(k: dict[str, int]) -> bool:
    if not 1 < k["d"] < k["n"] or pow(pow(2, k["e"], k["n"]), k["d"], k["n"]) != 2:
        return False
    if not k.keys() & set(_CRT):
        return True
    p, q, dp, dq, qi = (k.get(name, 0) for name in _CRT)
    if min(p, q) < 2 or p * q != k["n"] or k["e"] * k["d"] % lcm(p - 1, q - 1) != 1:
        return False
    return (dp, dq) == (k["d"] % (p - 1), k["d"] % (q - 1)) and qi * q % p == 1


def _number(text: object) -> int:
    try:
        return int.from_bytes(base64url.decode(str(text).rstrip("=")))
    except ValueError:
        raise Unreadable("A member of the JWK is not base64url.") from None


def _brief(error: Exception) -> str:
    """The first sentence of the library's message: the rest may quote the file."""
    return str(error).partition(". ")[0].rstrip(".")
