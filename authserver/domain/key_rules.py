"""The rules for keys: the form of a key-encryption key; a signing key's `kid` and strength; no key is used twice.

The ROCA test is in keyring/strength.py, because it shares the guard's implementation.
"""

import re

from . import base64url
from .algorithms import DEFAULT
from .errors import Refused
from .key_schedule import Keys, algorithms_in_use
from .models import SigningKey

RSA_BITS = 2048
"""The size of generated RSA keys, and the smallest size that may be imported."""
_MAX_RSA_BITS = 8192
RSA_EXPONENT = 65537
_KID = re.compile(r"[\x21-\x7e]{1,255}")
_NO_CLIENT = (
    "No client uses {alg}, so it has no keys. Choose it for a client first:\n\n"
    "    authserver client set-alg CLIENT_ID {alg}"
)


def key_encryption_key(text: str) -> bytes:
    """Decode a key-encryption key: 43 characters of base64url, 32 bytes. Raises ValueError."""
    key = base64url.decode(text)
    if len(key) != 32:
        raise ValueError("not 32 bytes")
    return key


def is_generated_kid(kid: str) -> bool:
    """Whether a generated key may have this `kid`: the command line reads a leading hyphen as an option."""
    return not kid.startswith("-")


def check_rsa(modulus: int, exponent: int) -> None:
    """Raise Refused for an RSA key whose size or exponent is not allowed."""
    bits = modulus.bit_length()
    if not RSA_BITS <= bits <= _MAX_RSA_BITS:
        # RFC 7518 s3.3: a key of size 2048 bits or larger MUST be used with these algorithms.
        raise Refused(f"The key has {bits} bits; {RSA_BITS} to {_MAX_RSA_BITS} are allowed. Generate another key.")
    if exponent != RSA_EXPONENT:
        raise Refused(f"The public exponent of the key is not {RSA_EXPONENT}. Generate another key.")


def check_in_use(keys: Keys, alg: str) -> None:
    """Raise Refused for an algorithm that no client uses: it has no keys."""
    if alg != DEFAULT and alg not in algorithms_in_use(keys):
        raise Refused(_NO_CLIENT.format(alg=alg))


def check_new(keys: Keys, key: SigningKey) -> None:
    """Raise Refused for a malformed `kid`, and if the `kid` or the key itself is among `keys`. Removed keys count:
    otherwise their tokens would become valid again."""
    if not _KID.fullmatch(key.kid):
        raise Refused("A kid must have 1 to 255 visible ASCII characters. Choose another one with --kid.")
    for other in keys:
        if other.kid == key.kid or _material(other) == _material(key):
            raise Refused(f"The key {other.kid} was used here before (it is {other.state}), and no key is used twice.")


def _material(key: SigningKey) -> dict[str, str]:
    return {name: value for name, value in key.public.items() if name not in ("kid", "alg", "use")}
