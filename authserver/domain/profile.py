"""Which claims about themselves people may edit, and what they may write."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from . import claim_rules
from .models import SECOND

EDITABLE = (
    *("name", "given_name", "family_name", "middle_name", "nickname", "website", "gender", "birthdate"),
    *("zoneinfo", "locale"),
)
"""The standard claims (OpenID Connect Core s5.1) that are texts by which nobody is told apart or reached. The others
need a proof, as an address does, or would let a person pass for another, as `preferred_username` does."""
DEFAULT = ("name", "given_name", "family_name", "nickname", "birthdate")
AUTOCOMPLETE = {
    "name": "name",
    "given_name": "given-name",
    "family_name": "family-name",
    "middle_name": "additional-name",
    "nickname": "nickname",
    "website": "url",
    "birthdate": "bday",
}
"""What a browser fills into the field (HTML s4.10.18.7)."""
_YEAR = re.compile("[0-9]{4}")
_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")


NONE = "none"
"""In place of names: people may edit nothing."""


def claims_in(text: str) -> tuple[str, ...]:
    """Return the names in the text, separated by commas, each once. Raises ValueError for one that people may not
    edit."""
    names = [] if text.strip() == NONE else [name.strip() for name in text.split(",")]
    for name in names:
        if name not in EDITABLE:
            raise ValueError(f"has a name other than these: {', '.join(EDITABLE)}")
    return tuple(dict.fromkeys(names))


def texts(claims: Mapping[str, Any]) -> dict[str, str]:
    """Return the claims that are texts."""
    return {name: value for name, value in claims.items() if isinstance(value, str)}


def wrong(typed: Mapping[str, str]) -> str:
    """Return the name of a claim that breaks a rule of its own; "" if none does."""
    return "birthdate" if not _is_birthdate(typed.get("birthdate", "")) else ""


def changes(before: Mapping[str, Any], typed: Mapping[str, str], now: int) -> dict[str, Any]:
    """Return the claims that are different now; None for one that is gone. `now` is in microseconds. Raises
    ClaimsRefused if all of them together would be too long."""
    changed: dict[str, Any] = {
        name: value or None for name, value in typed.items() if (value or None) != before.get(name)
    }
    if changed:
        # OpenID Connect Core s5.1: updated_at: time the End-User's information was last updated.
        changed["updated_at"] = now // SECOND
        claim_rules.check(merged(before, changed))
    return changed


def merged(before: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**before, **changes}.items() if value is not None}


def _is_birthdate(text: str) -> bool:
    # OpenID Connect Core s5.1: birthdate: ISO 8601-1 YYYY-MM-DD ... to represent only the year, YYYY format is allowed.
    # The year MAY be 0000, indicating that it is omitted.
    if not text or _YEAR.fullmatch(text):
        return True
    try:
        date.fromisoformat(text.replace("0000-", "2000-", 1))
    except ValueError:
        return False
    return _DATE.fullmatch(text) is not None
