"""The form of refresh tokens: rt_ and the base64url of version, reserved, id, generation and MAC, 54 bytes in all.

54 bytes fill 72 characters exactly, so each token has only one encoding. Tokens are recomputed, never stored.
"""

import hmac
import re

from . import base64url
from .record import record

PREFIX = "rt_"
MAX_GENERATION = 2**32 - 1
_FORM = re.compile(r"rt_[A-Za-z0-9_-]{72}")
_LABEL = b"authserver refresh token v1"
_VERSION = b"\x01\x00"


@record(frozen=True, slots=True)
class Presented:
    """A well-formed token, which may still be forged: `is_genuine` tells."""

    text: str
    authorization_id: bytes
    generation: int


def parse(text: str) -> Presented | None:
    """Parse a refresh token. Returns None for anything that this server cannot have made."""
    if not _FORM.fullmatch(text):
        return None
    raw = base64url.decode(text[len(PREFIX) :])
    return Presented(text, raw[2:18], int.from_bytes(raw[18:22])) if raw[:2] == _VERSION else None


def render(authorization_id: bytes, generation: int, *, key: bytes, salt: bytes) -> str:
    """Return the refresh token of this generation of the authorization."""
    head = _VERSION + authorization_id + generation.to_bytes(4)
    return PREFIX + base64url.encode(head + hmac.digest(key, _LABEL + head + salt, "sha256"))


def is_genuine(presented: Presented, *, key: bytes, salt: bytes) -> bool:
    """Compare the whole token, in constant time, with the one that this server would have made."""
    expected = render(presented.authorization_id, presented.generation, key=key, salt=salt)
    return hmac.compare_digest(presented.text.encode(), expected.encode())
