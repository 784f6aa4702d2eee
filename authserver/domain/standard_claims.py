"""The standard claims about a user (OpenID Connect Core s5.1): their types, and which scope asks for which (s5.4)."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

OPENID, OFFLINE_ACCESS = "openid", "offline_access"
CLAIMS_OF = {
    "profile": (
        *("name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture"),
        *("website", "gender", "birthdate", "zoneinfo", "locale", "updated_at"),
    ),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
}
"""The claims that each scope asks for."""
NAMES = tuple(name for names in CLAIMS_OF.values() for name in names)
SCOPES = (OPENID, *CLAIMS_OF, OFFLINE_ACCESS)
"""The scopes that have a meaning in OpenID Connect Core (s3.1.2.1, s5.4, s11)."""


def _is_text(value: object) -> bool:
    # s5.3.2: if a Claim is not returned, [it] SHOULD NOT be present with a null or empty string value.
    return isinstance(value, str) and value != ""


def _is_boolean(value: object) -> bool:
    return isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_address(value: object) -> bool:
    # s5.1.1: implementations MAY return only a subset of the fields of an address. All of them are strings.
    return isinstance(value, dict) and bool(value) and all(map(_is_text, value.values()))


Check = tuple[Callable[[object], bool], str]
_TEXT: Check = (_is_text, "a string that is not empty")
_CHECKS: dict[str, Check] = dict.fromkeys(NAMES, _TEXT) | {
    "email_verified": (_is_boolean, "true or false"),
    "phone_number_verified": (_is_boolean, "true or false"),
    "updated_at": (_is_number, "a number: the seconds since 1970"),
    "address": (_is_address, 'an object of strings, such as {"locality": "London", "country": "United Kingdom"}'),
}


def expected(name: str, value: object) -> str | None:
    """Return what the value of a standard claim must be, if `value` is something else; otherwise None. A name may end
    in a language tag (s5.2), as in `family_name#ja-Kana-JP`."""
    is_right, description = _CHECKS.get(name.partition("#")[0], (None, ""))
    return None if is_right is None or is_right(value) else description


def of_scope(scope: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the claims that these scopes ask for."""
    return tuple(name for word in scope for name in CLAIMS_OF.get(word, ()))


def of_user(username: str, claims: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return the user's claims with these names, as far as there are any. Without a `preferred_username` of their own,
    users are called by their username."""
    known = {"preferred_username": username} | dict(claims)
    return {name: known[name] for name in dict.fromkeys(names) if name in known}
