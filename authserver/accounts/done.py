"""The message that something was done, on the page to which a form redirects. A token in the page's address proves it,
so a link that somebody else made shows no message."""

import hmac
import re

from ..domain import base64url
from ..domain.models import SECOND

PASSWORD_RESET = "password_reset"  # noqa: S105
"""A link was used to choose a new password."""
_LABEL = "authserver done v1"
_NEWS_FOR = 600
"""Seconds for which the token is valid: a page that is opened again tomorrow has no news."""
_FORM = re.compile(r"([0-9a-f]{1,10})\.([A-Za-z0-9_-]{43})")


def token(browser: str, word: str, whose: str, at: int) -> str:
    """Return the proof for the browser with this secret. `word` says what was done, `whose` is the session that a
    page of the account is for, or "", and `at` is when, in microseconds."""
    return f"{at // SECOND:x}.{_mac(browser, word, whose, at // SECOND)}"


def is_proven(text: str, browser: str, word: str, whose: str, now: int) -> bool:
    """Whether `text` is the token for this, and not old. `now` is in microseconds."""
    form = _FORM.fullmatch(text)
    if form is None:
        return False
    at = int(form[1], 16)
    is_news = 0 <= now // SECOND - at <= _NEWS_FOR
    return hmac.compare_digest(form[2], _mac(browser, word, whose, at)) and is_news


def _mac(browser: str, word: str, whose: str, at: int) -> str:
    message = "\0".join((_LABEL, word, whose, str(at)))
    return base64url.encode(hmac.digest(browser.encode(), message.encode(), "sha256"))
