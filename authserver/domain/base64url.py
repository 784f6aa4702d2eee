"""base64url without padding (RFC 7515 s2)."""

from base64 import urlsafe_b64decode, urlsafe_b64encode


def encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str | bytes) -> bytes:
    """Decode only what `encode` can return: no padding, no other characters, no spare bits. Raises ValueError."""
    encoded = text.encode() if isinstance(text, str) else text
    data = urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4))
    if urlsafe_b64encode(data).rstrip(b"=") != encoded:
        raise ValueError("not base64url")
    return data
