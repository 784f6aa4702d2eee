"""Proof Key for Code Exchange (RFC 7636). S256 is the only method: `plain` protects nothing that an attacker saw."""

import hmac
import re
from hashlib import sha256

from . import base64url

METHODS = ("S256",)
# RFC 7636 s4.1: 43 to 128 unreserved characters. s4.2: S256 makes 43 characters of base64url.
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


def is_challenge(text: str) -> bool:
    """Whether `text` can be a code_challenge of S256."""
    return _CHALLENGE.fullmatch(text) is not None


def is_verifier(text: str) -> bool:
    """Whether `text` is a well-formed code_verifier."""
    return _VERIFIER.fullmatch(text) is not None


def proves(verifier: str, challenge: str) -> bool:
    """Whether the challenge was made from this verifier. RFC 7636 s4.6: BASE64URL-ENCODE(SHA256(ASCII(code_verifier)))
    == code_challenge. Both must be well-formed."""
    made = base64url.encode(sha256(verifier.encode()).digest())
    return hmac.compare_digest(made.encode(), challenge.encode())
