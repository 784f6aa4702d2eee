"""The rules for a user's claims: the standard ones (OpenID Connect Core s5.1) and any others, such as `roles` or
`groups` (RFC 9068 s2.2.3.1). Every command, the hook and the tests' issuer check them here.
"""

import json
import re
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

from . import standard_claims

MAX_BYTES = 4096
"""Of one user's claims as compact JSON. Base64 makes it 5.5 KB, and most servers limit a header to 8 KB."""
MAX_DEPTH = 8
MAX_NAMES = 64  # for one client
_MAX_INTEGER = 2**53 - 1
_NAME = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}")
_SETS = (
    ("iss", "sub", "aud", "exp", "nbf", "iat", "jti"),  # RFC 7519 s4.1
    ("client_id", "scope", "act", "may_act"),  # RFC 8693 s4
    ("auth_time", "acr", "amr", "azp", "nonce", "at_hash", "c_hash", "s_hash", "sid"),  # OpenID Connect
    ("_claim_names", "_claim_sources"),  # OpenID Connect Core s5.6.2
    ("cnf",),  # RFC 7800 s3.1
    ("events", "toe", "txn"),  # RFC 8417 s2.2
    ("authorization_details",),  # RFC 9396 s9.1
    ("active", "username", "token_type"),  # RFC 7662 s2.2: introspection shows these and the claims together
    ("grant_id",),  # this server's
)
RESERVED = frozenset(name for names in _SETS for name in names)
"""The claims and introspection members that have a meaning in a protocol. Nobody may choose their value."""


class ClaimsRefused(ValueError):
    """The claims break a rule; the text says what is allowed. It contains no value."""


def check(claims: object, now: int | None = None) -> Mapping[str, Any]:
    """Return the claims, an object of JSON values as Python's `json` makes them. `now` is in microseconds; without it,
    a date of birth may be in the future. Raises ClaimsRefused."""
    if not isinstance(claims, dict):
        raise ClaimsRefused('The claims are not a JSON object. Give one like {"roles": ["editor"]}.')
    for name, value in claims.items():
        check_name(name)
        _check_value(name, value, MAX_DEPTH - 1)
        if expected := standard_claims.expected(name, value, now):
            raise ClaimsRefused(f"The standard claim {name!r} must be {expected} (OpenID Connect Core section 5.1).")
    return check_size(claims)


def check_size(claims: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the claims. Raises ClaimsRefused if all of them together are too long."""
    if (size := len(as_text(claims))) > MAX_BYTES:
        raise ClaimsRefused(
            f"The claims have {size} bytes as compact JSON. The maximum is {MAX_BYTES}, since they are sent in a "
            "header of every request."
        )
    return claims


def check_name(name: object) -> str:
    """Return the name of a claim. Raises ClaimsRefused if it is reserved or malformed."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ClaimsRefused(
            f"The claim name {str(name)[:128]!r} is not valid. It needs 1 to 128 visible ASCII characters without "
            "spaces, quotes and backslashes."
        )
    if name in RESERVED:
        raise ClaimsRefused(f"The claim name {name!r} is reserved. Reserved are: {', '.join(sorted(RESERVED))}.")
    return name


def selected(claims: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return the claims with these names, in their order."""
    return {name: claims[name] for name in names if name in claims}


def as_text(claims: Mapping[str, Any]) -> str:
    """Return compact JSON, in which a token and the database contain the claims."""
    return json.dumps(claims, separators=(",", ":"))


def _check_value(claim: str, value: object, levels: int) -> None:
    """Check one value in the claim; it may contain that many levels of arrays and objects."""
    if isinstance(value, dict | list | tuple):
        if levels < 1:
            raise ClaimsRefused(f"The claim {claim!r} is nested too deeply. The maximum is {MAX_DEPTH} levels.")
        for inner in (*value, *value.values()) if isinstance(value, dict) else value:
            _check_value(claim, inner, levels - 1)
        if isinstance(value, dict) and not all(isinstance(name, str) for name in value):
            raise ClaimsRefused(f"The claim {claim!r} contains an object with a name that is not a string.")
    else:
        _check_scalar(claim, value)


def _check_scalar(claim: str, value: object) -> None:
    if isinstance(value, str):
        if not _is_unicode(value):
            raise ClaimsRefused(f"The claim {claim!r} contains half of a surrogate pair, which is not valid Unicode.")
    elif isinstance(value, int | float):
        # RFC 7493 s2.2: an I-JSON sender cannot expect a receiver to treat a larger integer as an exact value.
        if abs(value) > _MAX_INTEGER if isinstance(value, int) else not isfinite(value):
            raise ClaimsRefused(
                f"The claim {claim!r} contains a number that not every reader of JSON can hold. Integers are at most "
                "2^53 - 1; write a larger one as a string."
            )
    elif value is not None:
        raise ClaimsRefused(f"The claim {claim!r} contains a {type(value).__name__}, which is not a JSON value.")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
