"""Parses and narrows scopes, which are ordered sets of words (RFC 6749 s3.3)."""

import re
from collections.abc import Iterable
from functools import lru_cache

from .errors import ScopeRefused
from .standard_claims import OFFLINE_ACCESS, OPENID

MAX_LENGTH = 1024
# OpenID Connect Core s3.1.2.1: OpenID Connect requests MUST contain the openid scope value. s11: offline_access
# requests access while the user is not present, which no client gets by accident.
ASKED_BY_NAME = frozenset({OPENID, OFFLINE_ACCESS})
_NQCHAR = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")


def parse(text: str) -> tuple[str, ...]:
    """Return the words of a scope in order, without repeats. Raises ScopeRefused if it is not a list of
    scope-tokens."""
    if len(text) > MAX_LENGTH:
        raise ScopeRefused("The scope exceeds 1024 characters.")
    words = tuple(dict.fromkeys(word for word in text.split(" ") if word))
    if not all(_NQCHAR.fullmatch(word) for word in words):
        raise ScopeRefused("A scope contains a character that RFC 6749 s3.3 does not allow.")
    return words


def listed(texts: Iterable[str]) -> tuple[str, ...]:
    """Like `parse`, for lists that people type. RFC 6749 allows a comma in a scope, but someone who types `a,b` means
    two scopes. Raises ScopeRefused for it."""
    words = parse(" ".join(texts))
    for word in words:
        if "," in word:
            raise ScopeRefused(f'{word!r} would be one scope with a comma in it. Separate scopes by spaces: "a b".')
    return words


@lru_cache(256)
def implied(allowed: tuple[str, ...]) -> tuple[str, ...]:
    """Return the scope of a first request that asks for none: everything that is allowed, except what a client must ask
    for by name."""
    return tuple(word for word in allowed if word not in ASKED_BY_NAME)


@lru_cache(256)  # contains only scopes that were allowed; parsing one takes 5 us
def narrow(asked: str | None, allowed: tuple[str, ...], implied: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """Return the scope that a request gets: the one it asked for, if all of it is allowed; if it asked for none,
    `implied`, or without it everything that is allowed. Raises ScopeRefused."""
    words = parse(asked) if asked else ()
    # RFC 6749 s6: the requested scope MUST NOT include any scope not originally granted.
    if words and not set(words) <= set(allowed):
        raise ScopeRefused("The scope exceeds what is allowed.")
    return words or (allowed if implied is None else implied)


def member(words: tuple[str, ...]) -> dict[str, str]:
    """Return the member `scope` of a response or token; no member for no scope, since RFC 6749 s3.3 has no empty
    scope."""
    return {"scope": " ".join(words)} if words else {}
