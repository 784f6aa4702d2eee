"""The standard claims about a user (OpenID Connect Core s5.1): their values, and which scope asks for which (s5.4)."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from .email_address import canonical
from .models import SECOND
from .plain_text import is_plain

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


MAX_TEXT, MAX_URL = 256, 2048  # characters
URLS = ("profile", "picture", "website")
_LONG_TEXTS = ("formatted", "street_address")
"""The members of an address that may have several lines (s5.1.1)."""
_YEAR = re.compile("[0-9]{4}")
_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NO_URL = re.compile(r"""[\s<>"\\^`{|}]""")
_EARLIEST_ZONE = timedelta(hours=14)
"""How far the time zone in which each day begins first is ahead of UTC."""


def is_web_address(text: str) -> bool:
    """Whether the text is an http or https URL with a host, and looks like what it leads to. Letters outside ASCII are
    allowed, because people type them."""
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises ValueError for a number that no port has
    except ValueError:
        return False
    has_host = bool(parts.hostname) and "@" not in parts.netloc
    return parts.scheme in ("http", "https") and has_host and not _NO_URL.search(text) and is_plain(text)


def is_birthdate(text: str) -> bool:
    # s5.1: birthdate: ISO 8601-1 YYYY-MM-DD ... to represent only the year, YYYY format is allowed. The year MAY be
    # 0000, indicating that it is omitted.
    if _YEAR.fullmatch(text):
        return text != "0000"
    try:
        date.fromisoformat(text.replace("0000-", "2000-", 1))
    except ValueError:
        return False
    return _DATE.fullmatch(text) is not None


def is_future(birthdate: str, now: int) -> bool:
    """Whether this date has not yet begun anywhere on Earth. `now` is in microseconds."""
    today = (datetime.fromtimestamp(now // SECOND, UTC) + _EARLIEST_ZONE).date().isoformat()
    return birthdate > today[: len(birthdate)]


def _is_text(value: object) -> bool:
    # s5.3.2: if a Claim is not returned, [it] SHOULD NOT be present with a null or empty string value.
    return isinstance(value, str) and 0 < len(value) <= MAX_TEXT and is_plain(value)


def _is_url(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_URL and is_web_address(value)


def _is_date(value: object) -> bool:
    return isinstance(value, str) and is_birthdate(value)


def _is_email(value: object) -> bool:
    # s5.1: its value MUST conform to the RFC 5322 addr-spec syntax.
    return isinstance(value, str) and canonical(value) is not None


def _is_boolean(value: object) -> bool:
    return isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_address(value: object) -> bool:
    # s5.1.1: implementations MAY return only a subset of the fields of an address. All of them are strings.
    return isinstance(value, dict) and bool(value) and all(_is_member(*member) for member in value.items())


def _is_member(name: object, value: object) -> bool:
    if name not in _LONG_TEXTS:
        return _is_text(value)
    # s5.1.1: this field MAY contain multiple lines, separated by newlines.
    lines = value.splitlines() if isinstance(value, str) else ()
    return isinstance(value, str) and 0 < len(value) <= 4 * MAX_TEXT and all(map(is_plain, lines))


Check = tuple[Callable[[object], bool], str]
_PLAIN = "without control characters, characters for private use, and those that change the direction of text"
_TEXT: Check = (_is_text, f"a string of 1 to {MAX_TEXT} characters, {_PLAIN}")
_URL: Check = (_is_url, f"an http or https URL with a host, of at most {MAX_URL} characters")
_CHECKS: dict[str, Check] = (
    dict.fromkeys(NAMES, _TEXT)
    | dict.fromkeys(URLS, _URL)
    | {
        "birthdate": (_is_date, "a date like 1815-12-10, 0000-12-10 without the year, or a year like 1815"),
        "email": (_is_email, "an email address in ASCII, such as ada@example.com"),
        "email_verified": (_is_boolean, "true or false"),
        "phone_number_verified": (_is_boolean, "true or false"),
        "updated_at": (_is_number, "a number: the seconds since 1970"),
        "address": (_is_address, 'an object of strings, such as {"locality": "London", "country": "United Kingdom"}'),
    }
)


def expected(name: str, value: object, now: int | None = None) -> str | None:
    """Return what the value of a standard claim must be, if `value` is something else; otherwise None. A name may end
    in a language tag (s5.2), as in `family_name#ja-Kana-JP`. `now` is in microseconds; without it, a date of birth may
    be in the future."""
    name = name.partition("#")[0]
    is_right, description = _CHECKS.get(name, (None, ""))
    if is_right is None:
        return None
    if not is_right(value):
        return description
    return "a date in the past" if name == "birthdate" and now is not None and is_future(str(value), now) else None


def of_scope(scope: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the claims that these scopes ask for."""
    return tuple(name for word in scope for name in CLAIMS_OF.get(word, ()))


def of_user(username: str, claims: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return those of the user's claims that have these names, and their forms in other languages, such as `name#de`
    (s5.2). A user without a claim `preferred_username` gets one: the username."""
    all_claims, wanted = {"preferred_username": username} | dict(claims), dict.fromkeys(names)
    found = {name: all_claims[name] for name in wanted if name in all_claims}
    found.update((name, value) for name, value in claims.items() if "#" in name and name.partition("#")[0] in wanted)
    return found
