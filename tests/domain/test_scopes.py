"""Scope: what is a list of scope-tokens, and what a request gets of what it may have."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain.errors import ScopeRefused
from authserver.domain.scopes import MAX_LENGTH, member, narrow, parse

NQCHAR = [chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"\\']
words = st.text(NQCHAR, min_size=1, max_size=5)
lists = st.lists(words, max_size=6)


def test_exactly_nqchar_may_stand_in_a_scope_rfc6749_3_3() -> None:
    accepted: set[Any] = set()
    for code in [*range(0x21), *range(0x21, 0x250), 0x2028, 0x3000, 0xFEFF, 0xFF21, 0x1D400, 0xD800]:
        try:
            accepted.update(parse(f"a{chr(code)}b"))
        except ScopeRefused:
            continue
    assert accepted == {f"a{character}b" for character in NQCHAR} | {"a", "b"}  # the latter two by the space


@pytest.mark.parametrize(
    "text", ["a\tb", "a\nb", "a\n", "\ra", "a\u00a0b", "a\u2003b", 'say"so', "back\\slash", "é", "a\0"]
)
def test_no_other_space_separates_and_no_other_character_passes_rfc6749_3_3(text: str) -> None:
    with pytest.raises(ScopeRefused):
        parse(text)
    with pytest.raises(ScopeRefused):
        narrow(text, ("a", "b"))


@given(lists, st.sampled_from([" ", "  ", "   "]))
def test_words_come_in_their_order_and_each_once(asked: list[str], space: str) -> None:
    parsed = parse(space.join(asked))
    assert [word for place, word in enumerate(asked) if word not in asked[:place]] == list(parsed)
    assert parse(" ".join(parsed)) == parsed == parse(f" {' '.join(parsed)} ")


def test_a_scope_has_at_most_1024_characters() -> None:
    assert parse("a" * MAX_LENGTH) == ("a" * 1024,)
    with pytest.raises(ScopeRefused, match="1024"):
        parse("a" * 1023 + " b")


@given(lists, lists.map(tuple))
def test_nobody_gets_more_than_is_allowed_rfc6749_6(asked: list[str], allowed: tuple[str, ...]) -> None:
    text = " ".join(asked)
    if not all(word in allowed for word in asked):
        with pytest.raises(ScopeRefused):
            narrow(text, allowed)
    elif asked:
        assert narrow(text, allowed) == parse(text)
    else:
        assert narrow(text, allowed) == narrow(None, allowed) == narrow("  ", allowed) == allowed


@pytest.mark.parametrize("asked", ["Read", "READ", "rea", "readwrite", "read,write", "read+write", "*", "read admin"])
def test_words_are_compared_as_they_stand_rfc6749_3_3(asked: str) -> None:
    with pytest.raises(ScopeRefused):
        narrow(asked, ("read", "write"))


def test_no_refusal_echoes_what_was_asked() -> None:
    for text in ("canary", "canary\n", "canary" * 200):
        with pytest.raises(ScopeRefused) as refusal:
            narrow(text, ("read",))
        assert "canary" not in str(refusal.value)


def test_no_scope_is_no_member_rfc6749_3_3() -> None:
    assert (member(()), member(("read", "write"))) == ({}, {"scope": "read write"})
