"""Parses JSON strictly enough for security decisions: unambiguous, bounded in depth, UTF-8 only.

The standard parser accepts duplicate members (the last one wins), NaN, a byte order mark, UTF-16 and lone surrogates,
and recurses as deeply as the sender likes. If two parsers read one token differently, signature checks can be bypassed.
The result is read-only, since a verified token is returned many times.
"""

import json
import re
from math import isinf
from typing import Any, NoReturn

MAX_DEPTH = 16
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_BRACKETS = re.compile(r"[\[\]{}]")


class ReadOnly(dict[str, Any]):
    """A read-only dict; JSON and pickle treat it as a dict."""

    def _fail(self, *args: object, **members: object) -> NoReturn:
        raise TypeError("the claims of a token cannot be changed")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _fail

    def __reduce__(self) -> tuple[type["ReadOnly"], tuple[dict[str, Any]]]:
        return ReadOnly, (dict(self),)


def strict_json(data: bytes) -> Any:
    """Parse the JSON text `data` (RFC 8259, UTF-8). Objects become ReadOnly, and the arrays in them tuples.

    Raises ValueError for anything ambiguous.
    """
    text = data.decode("utf-8")
    # Few brackets cannot nest deeply. Only if there are many is their depth outside strings counted.
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        raise ValueError("nested too deeply")
    try:
        value = _DECODER.decode(text)
    except RecursionError:  # the caller's own stack is nearly exhausted
        raise ValueError("nested too deeply") from None
    if "\\u" in text:
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # a lone surrogate is a UnicodeEncodeError, a ValueError
    return value


def _depth(text: str) -> int:
    depth = deepest = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> ReadOnly:
    members = ReadOnly(pairs)
    # RFC 7519 s4: The Claim Names within a JWT Claims Set MUST be unique; RFC 7515 s4 says it of the header.
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    for name, value in pairs:
        if type(value) is list:
            dict.__setitem__(members, name, _array(value))
    return members


def _array(values: list[Any]) -> tuple[Any, ...]:
    return tuple(_array(value) if type(value) is list else value for value in values)


def _reject_constant(_constant: str) -> NoReturn:
    raise ValueError("not a JSON number")


def _finite(number: str) -> float:
    value = float(number)
    if isinf(value):  # 1e400
        raise ValueError("not a number that a float can hold")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_reject_constant, parse_float=_finite)
