"""The refresh token's form: rt_ + base64url of version, reserved, id, generation and MAC, 54 bytes in all.

54 bytes fill 72 characters exactly, so no spelling has spare bits. Tokens are recomputed, never stored.
"""

import hmac
import re
from dataclasses import dataclass

from . import base64url

PREFIX = "rt_"
MAX_GENERATION = 2**32 - 1
_FORM = re.compile(r"rt_[A-Za-z0-9_-]{72}")
_LABEL = b"authserver refresh token v1"
_VERSION = b"\x01\x00"


@dataclass(frozen=True, slots=True)
class Presented:
    """A well-formed token; whether it is genuine only `render` and a comparison can say."""

    text: str
    authorization_id: bytes
    generation: int


def parse(text: str) -> Presented | None:
    """None for anything that no server of ours can have made."""
    if not _FORM.fullmatch(text):
        return None
    raw = base64url.decode(text[len(PREFIX) :])
    return Presented(text, raw[2:18], int.from_bytes(raw[18:22])) if raw[:2] == _VERSION else None


def render(authorization_id: bytes, generation: int, *, key: bytes, salt: bytes) -> str:
    head = _VERSION + authorization_id + generation.to_bytes(4)
    return PREFIX + base64url.encode(head + hmac.digest(key, _LABEL + head + salt, "sha256"))


def is_genuine(presented: Presented, *, key: bytes, salt: bytes) -> bool:
    """Compares the whole string, in constant time, with the one that we would have made."""
    expected = render(presented.authorization_id, presented.generation, key=key, salt=salt)
    return hmac.compare_digest(presented.text.encode(), expected.encode())
