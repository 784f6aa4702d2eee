"""Finds the key in a PEM (RFC 7468) or JWK (RFC 7517) file, among text that other tools write around it."""

import json
import re
from typing import Any

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s.*?-----END \1-----", re.DOTALL)
_BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


class Unreadable(ValueError):
    """The file contains no readable key. The message says why, and never quotes the file."""


def without_mark(content: bytes) -> bytes:
    """Return the content in UTF-8 without the byte order mark that editors on Windows write. Raises Unreadable."""
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            try:
                return content.decode(encoding).encode()
            except UnicodeError:
                raise Unreadable("The file begins like a UTF-16 file, but is damaged.") from None
    return content


def _blocks(content: bytes) -> list[tuple[bytes, bytes]]:
    """Return the label and the text of each PEM block."""
    return [(match[1], match[0]) for match in _BLOCK.finditer(content)]


def private_block(content: bytes) -> bytes | None:
    """Return the only private key among the PEM blocks, which may have text between them (`openssl pkcs12 -nodes`).
    Returns the first block if none is a private key, and None if the content is not PEM. Raises Unreadable for several
    private keys."""
    blocks = _blocks(content)
    private = [block for label, block in blocks if label.endswith(b"PRIVATE KEY")]
    if len(private) > 1:
        raise Unreadable(f"The file contains {len(private)} private keys. Keep only the one to import.")
    return next(iter(private or [block for _, block in blocks]), None)


def public_block(content: bytes) -> bytes | None:
    """Return the only public key of a PEM file; None if the content is not PEM. Raises Unreadable for anything else."""
    blocks = _blocks(content)
    if not blocks:
        return None
    if any(label.endswith(b"PRIVATE KEY") for label, _ in blocks):
        raise Unreadable("The file contains a private key. Extract its public key: openssl pkey -in FILE -pubout")
    public = [block for label, block in blocks if label.endswith(b"PUBLIC KEY")]
    if len(public) != 1:
        raise Unreadable(
            f"The file contains {len(public)} public keys instead of one. To extract the key of a certificate: "
            "openssl x509 -in FILE -noout -pubkey"
        )
    return public[0]


def json_object(content: bytes) -> dict[str, Any]:
    """Parse a JSON object. Raises Unreadable."""
    try:
        members = json.loads(content)
    except (ValueError, RecursionError):
        raise Unreadable("The file is neither PEM nor JSON.") from None
    if not isinstance(members, dict):
        raise Unreadable("The JSON in the file is neither a JWK nor a JWK Set.")
    return members
