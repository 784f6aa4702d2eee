"""Which claims people may edit about themselves, and what they may write."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain import claim_rules, profile, standard_claims
from authserver.domain.claim_rules import ClaimsRefused
from tests.harness.constants import SECOND

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
TODAY = 1_764_374_400 * SECOND
"""2025-11-29, at midnight UTC."""


def test_people_may_edit_no_claim_that_needs_a_proof_or_names_them() -> None:
    assert set(profile.EDITABLE) <= set(standard_claims.NAMES)
    proven = {"email", "email_verified", "phone_number", "phone_number_verified", "preferred_username", "updated_at"}
    assert proven.isdisjoint(profile.EDITABLE)


@pytest.mark.parametrize(
    ("text", "names"), [("name, nickname,name", ("name", "nickname")), ("none", ()), (" none ", ())]
)
def test_the_names_in_the_setting(text: str, names: tuple[str, ...]) -> None:
    assert profile.claims_in(text) == names


@pytest.mark.parametrize("text", ["email", "name,roles", "", "name,,nickname", "sub"])
def test_a_name_that_people_may_not_edit(text: str) -> None:
    with pytest.raises(ValueError, match="has a name other than these"):
        profile.claims_in(text)


@given(st.dictionaries(st.sampled_from(profile.EDITABLE), TEXTS))
def test_changes_are_what_is_different_and_the_result_is_valid(typed: dict[str, str]) -> None:
    before: dict[str, Any] = {"name": "Ada", "roles": ["editor"], "email": "ada@example.com"}
    changed = profile.changes(before, typed, 7 * SECOND)
    after = profile.merged(before, changed)
    assert claim_rules.check_size(after) and after["roles"] == ["editor"]
    assert {name: after.get(name, "") for name in typed} == typed
    assert ("updated_at" in changed) == any(before.get(name, "") != value for name, value in typed.items())
    assert profile.changes(after, typed, 8 * SECOND) == {}


def test_a_profile_that_is_longer_than_claims_may_be() -> None:
    with pytest.raises(ClaimsRefused):
        profile.changes({}, {"name": "x" * 5000}, 0)


@given(st.dictionaries(st.sampled_from(profile.EDITABLE), TEXTS | st.sampled_from(["1815", "https://ada.example"])))
def test_what_people_may_write_is_what_commands_accept(typed: dict[str, str]) -> None:
    faults = profile.faults(typed, TODAY)
    for name, text in typed.items():
        if text:
            assert (name in faults) == bool(standard_claims.expected(name, text, TODAY))


@pytest.mark.parametrize("text", ["", "1815", "2025", "1815-12-10", "0000-12-10", "0000-02-29", "2025-11-29"])
def test_oidc_core_5_1_a_date_of_birth_may_lack_its_year_or_day(text: str) -> None:
    assert profile.faults({"birthdate": text}, TODAY) == {}


@pytest.mark.parametrize(
    "text", ["yesterday", "1815-13-10", "10.12.1815", "18151210", "1815-W50-1", "1815-12-10T00", "0000", "1815-2-3"]
)
def test_oidc_core_5_1_what_is_no_date_of_birth(text: str) -> None:
    assert profile.faults({"birthdate": text}, TODAY) == {"birthdate": "date"}


@pytest.mark.parametrize("text", ["2026", "2025-11-30", "9999-12-31"])
def test_nobody_is_born_in_the_future(text: str) -> None:
    assert profile.faults({"birthdate": text}, TODAY) == {"birthdate": "future"}


def test_in_the_first_time_zone_of_all_a_day_begins_ten_hours_before_utc() -> None:
    assert profile.faults({"birthdate": "2025-11-30"}, TODAY + 10 * 3600 * SECOND) == {}


@pytest.mark.parametrize("name", profile.EDITABLE)
@pytest.mark.parametrize(
    "character", ["\x00", "\n", "\x7f", "\x9f", "\u202e", "\u2066", "\u200f", "\u2028", "\ue000", "\U0010fffd"]
)
def test_characters_that_have_no_place_in_a_name(name: str, character: str) -> None:
    assert profile.faults({name: f"Ada{character}"}, TODAY) == {name: "characters"}


@pytest.mark.parametrize(
    "name", ["\u0622\u200c\u0631\u0634", "Zo\u0308e", "\U0001f469\u200d\U0001f52c", "\u05d0\u05d3\u05d4"]
)
def test_names_of_every_script_are_fine(name: str) -> None:
    assert profile.faults({"name": name}, TODAY) == {}


def test_what_is_typed_is_stored_in_one_form() -> None:
    assert profile.as_typed(" Zoe\u0308 ") == "Zo\u00eb"


@pytest.mark.parametrize(
    "url", ["http://ada.example", "https://ada.example:8443/~ada?x=1#y", "https://m\u00fcller.example"]
)
def test_a_web_address_is_accepted(url: str) -> None:
    assert profile.faults({"website": url}, TODAY) == {}


@pytest.mark.parametrize(
    "url",
    [
        *("ada.example", "javascript:alert(1)", "data:text/html,x", "https://", "https:///path", "//ada.example"),
        *("https://bank.example@evil.example", "https://ada.example/a b", "https://ada.example:99999", "https://[::1"),
        *("ftp://ada.example", 'https://ada.example/"><script>'),
    ],
)
def test_what_is_no_web_address(url: str) -> None:
    assert profile.faults({"website": url}, TODAY) == {"website": "url"}


def test_what_is_too_long() -> None:
    long = {"name": "x" * 257, "website": f"https://ada.example/{'x' * 2048}"}
    assert profile.faults(long, TODAY) == {"name": "long", "website": "long"}
