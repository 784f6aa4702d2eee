"""A change: the one thing that a request may write, as a value."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

Apply = Callable[[Connection, Sequence[Any], int], list[bool]]
"""Applies many changes' parameters at `now`; says of each whether its guard held. If it did not, nothing is written."""


@dataclass(frozen=True, slots=True)
class Change:
    apply: Apply
    key: tuple[str, Any]
    """Table and row: groups run in this order, so that two nodes cannot deadlock."""
    params: Any


class Short(Exception):
    """executemany found fewer rows than it was given and cannot say which: roll back, repeat row by row."""
