"""The codes that people type: their form, what a person may type for one, and what they are made of."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain import user_code
from authserver.domain.user_code import LETTERS

HASHES, KEYS = st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32)


@given(HASHES, KEYS)
def test_rfc8628_6_1_a_code_has_eight_letters_of_twenty_and_is_read_back(hash: bytes, key: bytes) -> None:
    code = user_code.render(hash, key)
    assert re.fullmatch(f"[{LETTERS}]{{8}}", code) and len(set(LETTERS)) == 20
    assert user_code.parse(user_code.shown(code)) == code == user_code.render(hash, key)


@given(st.text(LETTERS, min_size=8, max_size=8), st.text(" -.\t–", max_size=8), st.integers(0, 8), st.booleans())
def test_rfc8628_6_1_case_spaces_and_punctuation_do_not_matter(
    code: str, between: str, place: int, is_lower: bool
) -> None:
    typed = code[:place] + between + code[place:]
    assert user_code.parse(typed.lower() if is_lower else typed) == code


@given(st.text())
def test_anything_else_is_refused_without_an_error(text: str) -> None:
    code = user_code.parse(text)
    assert code is None or re.fullmatch(f"[{LETTERS}]{{8}}", code)


@pytest.mark.parametrize("text", ["", "BCDF-GHJ", "BCDF-GHJKL", "B" * 8 + " " * 57, "BCDFGHJ\u017f", "12345678"])
def test_what_is_too_short_or_too_long_is_no_code(text: str) -> None:
    assert user_code.parse(text) is None


@given(HASHES, HASHES, KEYS, KEYS)
def test_rfc8628_5_1_without_the_key_nothing_tells_the_code(one: bytes, other: bytes, key: bytes, wrong: bytes) -> None:
    code = user_code.render(one, key)
    assert (user_code.index_mac(code, key) == user_code.index_mac(code, wrong)) == (key == wrong)
    assert code.encode() not in user_code.index_mac(code, key)
    if one != other and key != wrong:  # one in 20 ** 8 would be alike
        assert user_code.render(other, key) != code or user_code.render(one, wrong) != code
