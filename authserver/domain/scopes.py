"""Scope, an ordered set of words (RFC 6749 s3.3)."""

import re
from collections.abc import Iterable

from .errors import ScopeRefused

MAX_LENGTH = 1024
_NQCHAR = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")


def parse(text: str) -> tuple[str, ...]:
    """Words in their order, repeats dropped. Raises ScopeRefused for what is not a list of scope-tokens."""
    if len(text) > MAX_LENGTH:
        raise ScopeRefused("The scope exceeds 1024 characters.")
    words = tuple(dict.fromkeys(word for word in text.split(" ") if word))
    if not all(_NQCHAR.fullmatch(word) for word in words):
        raise ScopeRefused("A scope has a character that RFC 6749 s3.3 does not allow.")
    return words


def listed(texts: Iterable[str]) -> tuple[str, ...]:
    """As `parse`, for lists that people type. RFC 6749 allows a comma in a scope; whoever types `a,b` means two."""
    words = parse(" ".join(texts))
    for word in words:
        if "," in word:
            raise ScopeRefused(f'{word!r} would be one scope with a comma in it. Separate scopes by spaces: "a b".')
    return words


def narrow(asked: str | None, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """What a request gets: what it asked for if all of it is allowed; if it asked for nothing, all that is allowed."""
    words = parse(asked or "")
    # RFC 6749 s6: the requested scope MUST NOT include any scope not originally granted.
    if not set(words) <= set(allowed):
        raise ScopeRefused("The scope exceeds what is allowed.")
    return words or allowed


def member(words: tuple[str, ...]) -> dict[str, str]:
    """The `scope` of an answer or a token; none for no scope, for RFC 6749 s3.3 knows no empty one."""
    return {"scope": " ".join(words)} if words else {}
