"""A JSON object from a request's body: strict UTF-8, no member twice, nothing that overflows a stack.

More lenient than `resource.strict_json`, which reads tokens: `/api` ignores unknown members, whatever they contain (a
number that no float can hold, half of a surrogate pair, more than 16 levels). A token with any of these is rejected.
"""

import json
from typing import Any


def parse(body: bytes) -> dict[str, Any]:
    """Raises ValueError."""
    try:
        document = json.loads(body.decode(), object_pairs_hook=_unique, parse_constant=_refuse)
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
