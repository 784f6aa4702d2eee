"""Password hashes that other servers made: which are accepted, and whether a password matches one.

They stay in the database until their user's first sign-in, which replaces them with Argon2id hashes (passwords.py).
"""

import json
import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import new, pbkdf2_hmac, scrypt, sha256
from hmac import compare_digest
from typing import Any, Protocol

import bcrypt

FORMS = (
    "Allowed are Argon2i and Argon2id ($argon2id$v=19$m=...,t=...,p=...$...), bcrypt ($2a$, $2b$, $2y$), PBKDF2 "
    "($pbkdf2-sha256$i=..., $pbkdf2-sha512$i=..., Django's pbkdf2_sha256$...), scrypt ($scrypt$ln=..., Django's "
    "scrypt$...), Django's bcrypt_sha256$..., and the credential objects of Keycloak."
)
# The most costly hash takes about two seconds of one CPU, and 256 MiB.
_MAX_TEXT = 1024  # characters
_MAX_MEMORY = 2**28  # bytes
_MAX_ITERATIONS = 5_000_000  # of PBKDF2
_MAX_BCRYPT_COST = 15
_MAX_ARGON2_WORK = 2**31  # bytes times passes
_MAX_SCRYPT_WORK = 2**22  # N times r times p
_BCRYPT_BYTES = 72
_NUMBER, _BASE64, _TEXT = "([0-9]{1,9})", "([A-Za-z0-9+/]{1,512}=*)", "([^$]{1,256})"
_ARGON2 = re.compile(rf"\$argon2id?\$v=(?:16|19)\$m={_NUMBER},t={_NUMBER},p={_NUMBER}\${_BASE64}\${_BASE64}")
_BCRYPT = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}")
_PHC_PBKDF2 = re.compile(rf"\$pbkdf2-(sha256|sha512)\$i={_NUMBER}(?:,l=[0-9]+)?\${_BASE64}\${_BASE64}")
_DJANGO_PBKDF2 = re.compile(rf"pbkdf2_(sha256)\${_NUMBER}\${_TEXT}\${_BASE64}")
_PHC_SCRYPT = re.compile(rf"\$scrypt\$ln=([0-9]{{1,2}}),r={_NUMBER},p={_NUMBER}\${_BASE64}\${_BASE64}")
_DJANGO_SCRYPT = re.compile(rf"scrypt\${_NUMBER}\${_TEXT}\${_NUMBER}\${_NUMBER}\${_BASE64}")
_ARGON2_VERSIONS = {"1.0": "16", "1.3": "19"}


class HashRefused(ValueError):
    """The hash is not accepted; the text says why, and contains only the hash's parameters."""


class _Hash(Protocol):
    def matches(self, password: bytes) -> bool: ...


def canonical(given: object) -> str:
    """Return the hash as it is stored. `given` is a text, or a credential object of a Keycloak export.

    Raises HashRefused for an unknown format, and for a hash that would take minutes or gigabytes to verify."""
    if isinstance(given, dict):
        given = _of_keycloak(given)
    if not isinstance(given, str) or len(given) > _MAX_TEXT:
        raise HashRefused(f"The password hash is not in a known form. {FORMS}")
    # Django writes the name of its class before the usual form of Argon2 and bcrypt.
    text = given.removeprefix("argon2").removeprefix("bcrypt$")
    if text.startswith("$argon2"):
        _check_argon2(text)
    else:
        _parse(text)
    return text


def matches(stored: str, password: str) -> bool:
    """Whether the password matches the hash, which is not an Argon2 hash. A malformed hash matches nothing."""
    try:
        return _parse(stored).matches(password.encode())
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class _Pbkdf2:
    digest: str
    iterations: int
    salt: bytes
    key: bytes

    def matches(self, password: bytes) -> bool:
        own = pbkdf2_hmac(self.digest, password, self.salt, self.iterations, len(self.key))
        return compare_digest(own, self.key)


@dataclass(frozen=True, slots=True)
class _Scrypt:
    n: int
    r: int
    p: int
    salt: bytes
    key: bytes

    def matches(self, password: bytes) -> bool:
        memory = 128 * self.r * (self.n + self.p + 2) + 2**20  # RFC 7914 s6, and what OpenSSL needs in addition
        own = scrypt(password, salt=self.salt, n=self.n, r=self.r, p=self.p, maxmem=memory, dklen=len(self.key))
        return compare_digest(own, self.key)


@dataclass(frozen=True, slots=True)
class _Bcrypt:
    text: str
    of_sha256: bool
    """Django's bcrypt_sha256 hashes the SHA-256 of the password, in hexadecimal digits."""

    def matches(self, password: bytes) -> bool:
        # bcrypt ignores what follows the first 72 bytes, and so did the server that made the hash.
        secret = sha256(password).hexdigest().encode() if self.of_sha256 else password[:_BCRYPT_BYTES]
        return bcrypt.checkpw(secret, self.text.encode())


def _check_argon2(text: str) -> None:
    form = _ARGON2.fullmatch(text)
    if form is None:
        raise HashRefused(f"The Argon2 hash is malformed. {FORMS}")
    memory, passes, lanes = 1024 * int(form[1]), int(form[2]), int(form[3])
    _check_memory(memory)
    _check("passes (t)", passes, 1, max(1, _MAX_ARGON2_WORK // max(1, memory)))
    _check("lanes (p)", lanes, 1, 64)
    _decoded(form[5])


def _parse(text: str) -> _Hash:
    for form, parse in _FORMS:
        if match := form.fullmatch(text):
            return parse(match)
    raise HashRefused(f"The password hash is not in a known form. {FORMS}")


def _pbkdf2(form: re.Match[str]) -> _Hash:
    salt = form[3].encode() if form.re is _DJANGO_PBKDF2 else _decoded(form[3], 1)
    key, digest = _decoded(form[4]), form[1]
    blocks = -(-len(key) // new(digest).digest_size)  # RFC 8018 s5.2: each block of the key takes all iterations
    iterations = _check("iterations", int(form[2]), 1, _MAX_ITERATIONS // blocks)
    return _Pbkdf2(digest, iterations, salt, key)


def _scrypt(form: re.Match[str]) -> _Hash:
    if form.re is _DJANGO_SCRYPT:
        n, salt, r, p = int(form[1]), form[2].encode(), int(form[3]), int(form[4])
    else:
        n, salt, r, p = 2 ** int(form[1]), _decoded(form[4], 1), int(form[2]), int(form[3])
    _check("blocks (r)", r, 1, 2**10)
    _check_memory(128 * n * r)
    _check("lanes (p)", p, 1, max(1, _MAX_SCRYPT_WORK // max(1, n * r)))
    if n < 2 or n & (n - 1):
        raise HashRefused("The scrypt hash has a cost (N) that is not a power of two.")
    return _Scrypt(n, r, p, salt, _decoded(form[5]))


def _bcrypt(form: re.Match[str]) -> _Hash:
    _check("cost", int(form[1]), 4, _MAX_BCRYPT_COST)
    text = form[0].removeprefix("bcrypt_sha256$")
    return _Bcrypt(text, of_sha256=text != form[0])


_FORMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], _Hash]], ...] = (
    (_BCRYPT, _bcrypt),
    (re.compile(rf"bcrypt_sha256\${_BCRYPT.pattern}"), _bcrypt),
    (_PHC_PBKDF2, _pbkdf2),
    (_DJANGO_PBKDF2, _pbkdf2),
    (_PHC_SCRYPT, _scrypt),
    (_DJANGO_SCRYPT, _scrypt),
)


def _of_keycloak(credential: dict[str, Any]) -> str:
    """Return the hash in a credential of a Keycloak export in its usual form."""
    try:
        data, secret = (_inner(credential[name]) for name in ("credentialData", "secretData"))
        salt, key = (secret[name].rstrip("=") for name in ("salt", "value"))
        algorithm, iterations = str(data["algorithm"]), int(data["hashIterations"])
        if algorithm != "argon2":
            return f"${algorithm}$i={iterations}${salt}${key}"
        more = {name: values[0] for name, values in data["additionalParameters"].items()}
        version = _ARGON2_VERSIONS[more["version"]]
        costs = f"m={more['memory']},t={iterations},p={more['parallelism']}"
        return f"$argon2{more['type']}$v={version}${costs}${salt}${key}"
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, RecursionError):
        raise HashRefused(
            "The object is not a password of a Keycloak export. It needs credentialData and secretData as Keycloak "
            "writes them."
        ) from None


def _inner(value: Any) -> dict[str, Any]:
    """Keycloak writes these members as JSON in a string."""
    members: dict[str, Any] = json.loads(value) if isinstance(value, str) else value
    return members


def _decoded(text: str, minimum: int = 16) -> bytes:
    """Decode base64 with or without padding. A shorter key would match too many passwords."""
    stripped = text.rstrip("=")
    try:
        raw = b64decode(stripped + "=" * (-len(stripped) % 4), validate=True)
    except ValueError:
        raise HashRefused("The hash or its salt is not base64.") from None
    if not minimum <= len(raw) <= 128:
        raise HashRefused(f"The hash or its salt has {len(raw)} bytes. Allowed are {minimum} to 128.")
    return raw


def _check(name: str, value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise HashRefused(
            f"The hash has {value} {name}. Allowed are {low} to {high}: a check must not take longer than about two "
            "seconds of one CPU."
        )
    return value


def _check_memory(size: int) -> None:
    if size > _MAX_MEMORY:
        raise HashRefused(f"A check of the hash needs {size >> 20} MiB. The maximum is {_MAX_MEMORY >> 20} MiB.")
