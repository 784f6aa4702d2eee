"""The queue that serves senders in turn: nothing is lost, and nobody gains by sending more."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain.fair_queue import FairQueue, PreferringQueue

senders = st.lists(st.sampled_from("abc"), max_size=30)


def filled(senders: list[str]) -> FairQueue[tuple[str, int]]:
    """Items that say their sender and their place."""
    queue = FairQueue[tuple[str, int]]()
    for place, sender in enumerate(senders):
        queue.put(sender, (sender, place))
    return queue


def taken(queue: FairQueue[tuple[str, int]]) -> list[tuple[str, int]]:
    return [queue.take() for _ in range(len(queue))]


def test_senders_take_turns_in_the_order_in_which_they_came() -> None:
    order = taken(filled(list("aaabbc")))
    assert order == [("a", 0), ("b", 3), ("c", 5), ("a", 1), ("b", 4), ("a", 2)]


@given(senders)
def test_each_item_is_taken_once_and_one_sender_s_in_their_order(senders: list[str]) -> None:
    order = taken(filled(senders))
    assert sorted(place for _, place in order) == list(range(len(senders)))
    for sender in "abc":
        assert (own := [item for item in order if item[0] == sender]) == sorted(own)


@given(senders, st.integers(0, 30))
def test_nobody_waits_for_more_than_one_of_each_other_sender(senders: list[str], served: int) -> None:
    queue = filled(senders)
    for _ in range(min(served, len(queue))):
        queue.take()
    queue.put("late", ("late", 0))
    assert [sender for sender, _ in taken(queue)].index("late") <= len(set("abc") & set(senders))


@given(senders.filter(bool))
def test_the_owner_with_the_most_loses_its_last(senders: list[str]) -> None:
    queue, left = filled(senders), list(enumerate(senders))
    while left:
        sizes = Counter(sender for _, sender in left)
        sender, place = queue.drop()
        assert sizes[sender] == max(sizes.values())
        assert place == max(place for place, other in left if other == sender)
        left.remove((place, sender))
        assert len(queue) == len(left)


def test_among_equals_the_last_to_come_is_dropped() -> None:
    queue = filled(list("abc"))
    assert queue.drop() == ("c", 2)
    queue.put("c", ("c", 3))
    queue.put("a", ("a", 4))
    assert queue.drop() == ("a", 4)
    assert queue.take() == ("a", 0)
    queue.put("a", ("a", 5))
    assert queue.drop() == ("a", 5)


@pytest.mark.thorough
@given(senders, st.data())
def test_what_is_removed_is_not_taken(senders: list[str], data: st.DataObject) -> None:
    queue, items = filled(senders), list(zip(senders, range(len(senders)), strict=True))
    gone = data.draw(st.sets(st.sampled_from(items))) if items else set()
    for item in gone:
        assert queue.remove(item[0], item)
        assert not queue.remove(item[0], item)
    assert sorted(taken(queue), key=lambda item: item[1]) == [item for item in items if item not in gone]


def test_an_empty_queue_has_nothing() -> None:
    queue = FairQueue[int]()
    assert not queue
    assert not queue.remove("a", 1)
    for empty in (queue, PreferringQueue[int]()):
        with pytest.raises(StopIteration):
            empty.take()
        with pytest.raises(ValueError, match="empty"):
            empty.drop()


def mixed(items: list[tuple[str, bool]]) -> PreferringQueue[tuple[int, bool]]:
    """Items that say their place, and whether they are preferred."""
    queue = PreferringQueue[tuple[int, bool]]()
    for place, (sender, preferred) in enumerate(items):
        queue.put(sender, (place, preferred), preferred=preferred)
    return queue


any_items = st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=30)


@given(any_items)
def test_while_both_kinds_wait_they_alternate(items: list[tuple[str, bool]]) -> None:
    queue = mixed(items)
    kinds = [queue.take()[1] for _ in range(len(queue))]
    shorter = min(kinds.count(True), kinds.count(False))
    assert kinds[: 2 * shorter] == [True, False] * shorter
    assert not queue


def test_a_preferred_item_is_next_but_one_however_many_others_were_there_first() -> None:
    queue = mixed([(sender, False) for sender in "abcdefgh"])
    queue.take()
    queue.put("owner", (99, True), preferred=True)
    assert (99, True) in (queue.take(), queue.take())


@given(any_items.filter(bool))
def test_the_longest_line_of_either_kind_loses_its_last(items: list[tuple[str, bool]]) -> None:
    queue, left = mixed(items), dict(enumerate(items))
    while left:
        lines = Counter(left.values())
        place, _ = queue.drop()
        line = left.pop(place)
        assert lines[line] == max(lines.values())
        assert not line[1] or lines[line] > max((lines[other] for other in lines if not other[1]), default=0)


def test_one_preferred_sender_that_fills_the_queue_makes_way_for_everyone_else() -> None:
    queue = mixed([("office", True)] * 8 + [("new", False)])
    assert [queue.drop()[1] for _ in range(7)] == [True] * 7
    assert queue.drop() == (8, False)


@given(any_items)
def test_either_kind_can_be_removed(items: list[tuple[str, bool]]) -> None:
    queue = mixed(items)
    for place, (sender, preferred) in enumerate(items):
        assert queue.remove(sender, (place, preferred))
        assert not queue.remove(sender, (place, preferred))
    assert not queue
