"""What a new password must be (NIST SP 800-63B-4 s3.1.1.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain.user_rules import weakness
from authserver.passwords import common_passwords, password_form


def refused(password: str, username: str = "ada", min_length: int = 8) -> str | None:
    form = password_form(password)
    assert form is not None
    found = weakness(form, username=username, min_length=min_length, common=common_passwords())
    return found.text if found else None


@pytest.mark.parametrize("password", ["correct horse", "Tr0ub4dor&3", "\u2764\ufe0f" * 4, "12345678x!"])
def test_a_password_of_enough_characters_that_is_not_common_is_good(password: str) -> None:
    assert refused(password) is None


@pytest.mark.parametrize("password", ["password", "PASSWORD", "12345678", "iloveyou", "qwertyuiop"])
def test_a_common_password_in_whatever_case_is_refused_sp800_63b_3_1_1_2(password: str) -> None:
    assert (
        refused(password) == "The password is one of the most common ones, which attackers try first. Choose another."
    )


@pytest.mark.parametrize("password", ["00000000", "zzzzZZZZ", "abcdefgh", "ABCDefgh", "87654321", "\u2764" * 8])
def test_one_character_repeated_and_characters_in_a_row_are_refused(password: str) -> None:
    assert (
        refused(password) == "The password is one repeated character, or a run like abcdef or 654321. Choose another."
    )


@pytest.mark.parametrize("password", ["abcdefgi", "zzzzzzzy", "acegikmo", "\u2764\ufe0f" * 4])
def test_what_only_begins_like_that_is_good(password: str) -> None:
    assert refused(password) is None


def test_the_username_in_whatever_case_is_refused() -> None:
    assert refused("ADALOVELACE", "adalovelace") == "The password is the username. Choose another."


def test_the_name_in_an_address_that_is_the_username_is_refused() -> None:
    assert refused("AdaLovelace", "adalovelace@example.com") == "The password is the username. Choose another."
    assert refused("adalovelace@example.com", "adalovelace@example.com") is not None
    assert refused("example.com", "adalovelace@example.com") is None


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40), st.integers(8, 64))
def test_each_code_point_counts_as_one_character_sp800_63b_3_1_1_2(password: str, minimum: int) -> None:
    form = password_form(password) or ""
    assert ("too short" in (refused(password, min_length=minimum) or "")) == (len(form) < minimum)


def test_the_list_holds_what_a_new_password_could_be_and_nothing_of_its_header() -> None:
    assert len(common_passwords()) > 10_000
    assert all(len(password) >= 8 and password == password.casefold() for password in common_passwords())
    assert not any("copyright" in password for password in common_passwords())
