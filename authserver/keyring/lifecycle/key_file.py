"""What is in a file of keys, PEM (RFC 7468) or JWK (RFC 7517), without the text that other tools write around it."""

import json
import re
from typing import Any

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s.*?-----END \1-----", re.DOTALL)
_BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


class Unreadable(ValueError):
    """The file holds no key that can be read; the text says why and never what is in it."""


def without_mark(content: bytes) -> bytes:
    """The content in UTF-8 without a byte order mark, which editors on Windows write. Raises Unreadable."""
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            try:
                return content.decode(encoding).encode()
            except UnicodeError:
                raise Unreadable("The file begins as UTF-16 and is damaged.") from None
    return content


def _blocks(content: bytes) -> list[tuple[bytes, bytes]]:
    """Each PEM block with its label before it."""
    return [(match[1], match[0]) for match in _BLOCK.finditer(content)]


def private_block(content: bytes) -> bytes | None:
    """The one private key among the PEM blocks and the text between them, as `openssl pkcs12 -nodes` writes them; any
    block if none is private; None if the content is not PEM. Raises Unreadable for several private keys."""
    blocks = _blocks(content)
    private = [block for label, block in blocks if label.endswith(b"PRIVATE KEY")]
    if len(private) > 1:
        raise Unreadable(f"The file holds {len(private)} private keys. Keep the one that you mean.")
    return next(iter(private or [block for _, block in blocks]), None)


def public_block(content: bytes) -> bytes | None:
    """The one public key of a PEM file; None if the content is not PEM. Raises Unreadable for anything else."""
    blocks = _blocks(content)
    if not blocks:
        return None
    if any(label.endswith(b"PRIVATE KEY") for label, _ in blocks):
        raise Unreadable("The file holds a private key. Take the public part out of it: openssl pkey -in FILE -pubout")
    public = [block for label, block in blocks if label.endswith(b"PUBLIC KEY")]
    if len(public) != 1:
        raise Unreadable(
            f"The file holds {len(public)} public keys, and exactly one is expected. To extract it from a certificate: "
            "openssl x509 -in FILE -noout -pubkey"
        )
    return public[0]


def json_object(content: bytes) -> dict[str, Any]:
    """Raises Unreadable."""
    try:
        members = json.loads(content)
    except (ValueError, RecursionError):
        raise Unreadable("The file is neither PEM nor JSON.") from None
    if not isinstance(members, dict):
        raise Unreadable("The file holds JSON that is neither a JWK nor a JWK Set.")
    return members
