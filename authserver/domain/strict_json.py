"""Parses a JSON object from a request's body or an operator's file: strict UTF-8, no duplicate members, no stack
overflow.

It is more lenient than `resource.strict_json`, which reads tokens: `/api` ignores unknown members even if they contain
a number too large for a float, half of a surrogate pair, or more than 16 levels. A token with any of these is rejected.
"""

import json
from typing import Any


def parse(text: bytes) -> dict[str, Any]:
    """Parse a JSON object. Raises ValueError."""
    try:
        document = json.loads(text.decode(), object_pairs_hook=_unique, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("The JSON is nested too deeply.") from None
    if not isinstance(document, dict):
        raise ValueError("The JSON is not an object.")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("A member is repeated.")
    return members


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON.")
