"""Records are frozen dataclasses to the type checker, and as good as frozen ones as keys."""

from dataclasses import field, replace

import pytest

from authserver.domain.record import record


@record(frozen=True, slots=True)
class Point:
    x: int
    y: int = 0
    note: str = field(default="", compare=False)


@record(frozen=True, slots=True, eq=False)
class Thing:
    name: str


def test_records_with_equal_fields_are_equal_and_one_key() -> None:
    assert Point(1, 2, "a") == Point(1, 2, "b") != Point(2, 2)
    assert len({Point(1, 2, "a"), Point(1, 2, "b"), replace(Point(1), x=2)}) == 2


def test_records_without_eq_are_compared_by_identity() -> None:
    one, other = Thing("same"), Thing("same")
    assert one != other and len({one, other}) == 2


def test_a_record_has_no_other_attributes() -> None:
    with pytest.raises(AttributeError):
        Point(1).z = 1  # type: ignore[attr-defined]


def test_the_type_checker_takes_a_record_for_frozen() -> None:
    """The comment is an error itself if what it excuses is none."""
    Point(1).x = 2  # type: ignore[misc]
