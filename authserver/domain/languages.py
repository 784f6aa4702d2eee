"""The languages of pages and mails. Chooses one from those that a reader prefers."""

import re
from collections.abc import Iterator, Sequence

LANGUAGES = {"en": "ltr", "de": "ltr"}
"""The direction of each language of the server, the default first. English is what the templates themselves are written
in."""
_MAX_RANGES = 20
_MAX_LENGTH = 100
"""Characters of a range with its weight. A header of 60 KB that is one range would take 50 ms."""
_RANGE = re.compile(r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)\s*(?:;\s*[qQ]=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?")


def choose(available: Sequence[str], ui_locales: str, accept_language: str) -> str:
    """Return one of `available`, which are language tags in lower case, the default first.

    `ui_locales` (OpenID Connect Core s3.1.2.1) wins over `accept_language` (RFC 9110 s12.5.4). What is malformed in
    them, what is longer than 100 characters, and what comes after the first 20 languages, is ignored."""
    asked = _usable(ui_locales.split(maxsplit=_MAX_RANGES))
    for wanted in [*asked, *_by_weight(accept_language)]:
        for tag in _ever_shorter(wanted.lower()):
            if tag in available:
                return tag
    return available[0]


def _usable(ranges: list[str]) -> list[str]:
    return [each for each in ranges[:_MAX_RANGES] if len(each) <= _MAX_LENGTH]


def _by_weight(accept_language: str) -> list[str]:
    matches = map(_RANGE.fullmatch, _usable(accept_language.split(",", _MAX_RANGES)))
    weights = [(match[1], float(match[2] or 1)) for match in matches if match]
    # RFC 9110 s12.4.2: a value of 0 means "not acceptable".
    return [tag for tag, weight in sorted(weights, key=lambda pair: -pair[1]) if weight]


def _ever_shorter(tag: str) -> Iterator[str]:
    """Yield `de-ch-1996`, `de-ch`, `de`. RFC 4647 s3.4: the range is progressively truncated from the end."""
    while tag:
        yield tag
        tag = tag.rpartition("-")[0]
