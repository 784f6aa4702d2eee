"""The claims about themselves that people may edit, and what they may enter."""

from collections.abc import Mapping
from typing import Any
from unicodedata import normalize

from . import claim_rules
from .models import SECOND
from .plain_text import is_plain
from .standard_claims import MAX_TEXT, MAX_URL, URLS, is_birthdate, is_future, is_web_address

EDITABLE = (
    *("name", "given_name", "family_name", "middle_name", "nickname", "website", "gender", "birthdate"),
    *("zoneinfo", "locale"),
)
"""The standard claims (OpenID Connect Core s5.1) that are texts and neither identify people nor serve to reach them.
The others need proof, as an email address does, or would let one person pass for another, as `preferred_username`
would."""
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
NONE = "none"
"""Instead of names: people may edit nothing."""


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


def as_typed(text: str) -> str:
    """Return what a person typed as it is stored: without spaces around it, and in the form in which equal texts are
    equal (NFC)."""
    return normalize("NFC", text.strip())


def faults(typed: Mapping[str, str], now: int) -> dict[str, str]:
    """Return what is wrong with each claim that breaks a rule, by its name: `characters`, `long`, `url`, `date` or
    `future`. `now` is in microseconds."""
    named = {name: _fault(name, text, now) for name, text in typed.items() if text}
    return {name: fault for name, fault in named.items() if fault}


def _fault(name: str, text: str, now: int) -> str:
    if not is_plain(text):
        return "characters"
    if len(text) > (MAX_URL if name in URLS else MAX_TEXT):
        return "long"
    if name in URLS:
        return "" if is_web_address(text) else "url"
    if name != "birthdate":
        return ""
    if not is_birthdate(text):
        return "date"
    return "future" if is_future(text, now) else ""


def changes(before: Mapping[str, Any], typed: Mapping[str, str], now: int) -> dict[str, Any]:
    """Return the claims that are different now; None for one that is gone. `now` is in microseconds. Raises
    ClaimsRefused if all of them together would be too long."""
    changed: dict[str, Any] = {
        name: value or None for name, value in typed.items() if (value or None) != before.get(name)
    }
    if changed:
        # OpenID Connect Core s5.1: updated_at: time the End-User's information was last updated.
        changed["updated_at"] = now // SECOND
        claim_rules.check_size(merged(before, changed))
    return changed


def merged(before: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**before, **changes}.items() if value is not None}
