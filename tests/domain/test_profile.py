"""Which claims people may edit about themselves, and what they may write."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain import claim_rules, profile, standard_claims
from authserver.domain.claim_rules import ClaimsRefused
from tests.harness.constants import SECOND

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)


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
    assert claim_rules.check(after) and after["roles"] == ["editor"]
    assert {name: after.get(name, "") for name in typed} == typed
    assert ("updated_at" in changed) == any(before.get(name, "") != value for name, value in typed.items())
    assert profile.changes(after, typed, 8 * SECOND) == {}


def test_a_profile_that_is_longer_than_claims_may_be() -> None:
    with pytest.raises(ClaimsRefused):
        profile.changes({}, {"name": "x" * 5000}, 0)


@pytest.mark.parametrize("text", ["", "1815", "1815-12-10", "0000-12-10", "0000-02-29"])
def test_oidc_core_5_1_a_date_of_birth(text: str) -> None:
    assert profile.wrong({"birthdate": text}) == ""


@pytest.mark.parametrize("text", ["yesterday", "1815-13-10", "10.12.1815", "18151210", "1815-W50-1", "1815-12-10T00"])
def test_oidc_core_5_1_what_is_no_date_of_birth(text: str) -> None:
    assert profile.wrong({"birthdate": text}) == "birthdate"
