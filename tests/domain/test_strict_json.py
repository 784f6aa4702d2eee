"""A JSON object from a body or a file, read as what it says or not at all."""

import pytest

from authserver.domain.strict_json import parse


def test_an_object_is_read() -> None:
    assert parse('{"name": ["é", 1, null, {"a": 1.5}]}'.encode()) == {"name": ["é", 1, None, {"a": 1.5}]}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b'{"a": 1, "a": 1}', "A member is repeated."),
        (b'{"a": {"b": 1, "b": 2}}', "A member is repeated."),
        (b'{"a": NaN}', "NaN is not JSON."),
        (b'{"a": -Infinity}', "-Infinity is not JSON."),
        (b"[1]", "The JSON is not an object."),
        (b"null", "The JSON is not an object."),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "The JSON is nested too deeply."),
        (b'{"a": "\xff"}', "'utf-8' codec can't decode"),
        (b'{"a": 1', "Expecting"),
    ],
)
def test_anything_else_is_refused(text: bytes, told: str) -> None:
    with pytest.raises(ValueError, match="^" + told):
        parse(text)
