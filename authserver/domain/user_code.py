"""The codes by which people find their device (RFC 8628 s6.1): eight letters, shown as BCDF-GHJK.

They are recomputed, never stored: a row contains a MAC of its code, by which it is found. With a hash instead of a MAC,
someone with a copy of the database could try out all codes in minutes.
"""

import hmac
import re

# RFC 8628 s6.1: no vowels, so that no code is a word, and no digits, which look like letters.
LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
LENGTH = 8
_MAX_TYPED = 64  # characters
_OTHERS = re.compile(f"[^{LETTERS}{LETTERS.lower()}]")
_CODES, _INDEX = b"authserver user codes v1", b"authserver user code index v1"


def parse(text: str) -> str | None:
    """Return the code that a person typed, in either case; None if the text is not a code."""
    # RFC 8628 s6.1: further stripping of all characters outside the chosen character set is recommended.
    letters = _OTHERS.sub("", text[:_MAX_TYPED]).upper()
    return letters if len(letters) == LENGTH and len(text) <= _MAX_TYPED else None


def shown(code: str) -> str:
    """Return the code as it is shown to people."""
    return f"{code[: LENGTH // 2]}-{code[LENGTH // 2 :]}"


def render(device_code_hash: bytes, key: bytes) -> str:
    """Return the user code that belongs to a device code. `key` is the secret of its refresh-token key."""
    number = int.from_bytes(_mac(key, _CODES, device_code_hash))
    return "".join(LETTERS[number // len(LETTERS) ** place % len(LETTERS)] for place in range(LENGTH))


def index_mac(code: str, key: bytes) -> bytes:
    """Return the MAC of the code by which its row is found."""
    return _mac(key, _INDEX, code.encode())


def _mac(key: bytes, label: bytes, message: bytes) -> bytes:
    return hmac.digest(hmac.digest(key, label, "sha256"), message, "sha256")
