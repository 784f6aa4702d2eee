"""Signs webhooks in the form of Standard Webhooks 1.0 (standardwebhooks.com)."""

import hmac
from base64 import b64decode, b64encode

PREFIX = "whsec_"


def key_of(secret: str) -> bytes:
    """Return the key in a secret of the form `whsec_` and 24 to 64 bytes in base64. Raises ValueError."""
    if not secret.startswith(PREFIX):
        raise ValueError(f"The secret does not begin with {PREFIX}.")
    key = b64decode(secret.removeprefix(PREFIX), validate=True)
    if not 24 <= len(key) <= 64:
        raise ValueError("The secret does not contain 24 to 64 bytes.")
    return key


def headers(key: bytes, id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers of a webhook. `timestamp` is that of this attempt, in seconds."""
    signed = f"{id}.{timestamp}.".encode() + body
    signature = b64encode(hmac.digest(key, signed, "sha256")).decode()
    return {"webhook-id": id, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{signature}"}
