"""Email addresses, and the canonical form, in which all spellings of one address are equal."""

import re
from collections.abc import Mapping
from typing import Any

_MAX_ADDRESS, _MAX_LOCAL_PART = 254, 64  # bytes
_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ADDRESS = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@{_LABEL}(?:\.{_LABEL})*")


def canonical(text: str) -> str | None:
    """Return the address in lower case, or None if mail cannot be sent to it: a local part of atoms and a domain name
    (RFC 5321 s4.1.2), in ASCII.

    RFC 5321 s2.4 leaves it to each domain whether the case of a local part matters; hardly any makes a difference.
    Letters outside ASCII are not accepted: some become ASCII in lower case, so that one person could ask for the mail
    of another. A domain name with such letters has a form that begins with xn--."""
    if len(text) > _MAX_ADDRESS or not text.isascii():
        return None
    address = text.lower()
    match = _ADDRESS.fullmatch(address)
    return address if match and len(match[1]) <= _MAX_LOCAL_PART else None


def verified_in(claims: Mapping[str, Any]) -> str | None:
    """Return the canonical form of the address that the claims call verified; None if there is none."""
    address = claims.get("email")
    if claims.get("email_verified") is not True or not isinstance(address, str):
        return None
    return canonical(address)
