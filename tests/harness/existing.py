"""For what a function may not find, in a test that has put it there."""

from typing import TypeVar

T = TypeVar("T")


def existing(value: T | None) -> T:
    """The value. Fails when there is none."""
    assert value is not None
    return value
