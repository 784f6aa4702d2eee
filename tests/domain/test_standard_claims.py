"""The standard claims of OpenID Connect Core: every name with its type, and what each scope asks for."""

from typing import Any

import pytest

from authserver.domain import claim_rules, standard_claims
from authserver.domain.claim_rules import ClaimsRefused
from authserver.domain.standard_claims import NAMES, of_scope, of_user

ADA: dict[str, Any] = {
    "name": "Ada King, Countess of Lovelace",
    "given_name": "Ada",
    "family_name": "King",
    "middle_name": "Augusta",
    "nickname": "Ada",
    "preferred_username": "ada.lovelace",
    "profile": "https://ada.example/",
    "picture": "https://ada.example/portrait.jpg",
    "website": "https://ada.example/notes",
    "email": "ada@example.com",
    "email_verified": True,
    "gender": "female",
    "birthdate": "1815-12-10",
    "zoneinfo": "Europe/London",
    "locale": "en-GB",
    "phone_number": "+44 20 7946 0000;ext=5678",
    "phone_number_verified": False,
    "address": {
        "formatted": "12 St James's Square\nLondon",
        "street_address": "12 St James's Square",
        "locality": "London",
        "region": "England",
        "postal_code": "SW1Y 4JH",
        "country": "United Kingdom",
    },
    "updated_at": 1_311_280_970,
}


def test_oidc_core_5_1_every_standard_claim_with_the_type_that_it_has_there() -> None:
    assert set(NAMES) == ADA.keys() and len(NAMES) == len(ADA)
    assert claim_rules.check(ADA) == ADA
    assert claim_rules.check({"updated_at": 1.5, "family_name#ja-Kana-JP": "キング", "birthdate": "1815"})


@pytest.mark.parametrize("name", [*ADA, "family_name#ja", "email_verified#x"])
def test_oidc_core_5_1_a_value_of_another_type_is_refused_with_the_type_that_it_must_have(name: str) -> None:
    type_of_it = type(ADA[name.partition("#")[0]])
    for wrong in ("text", "", True, 1, None, ["text"], {"x": "y"}, {"x": 1}, {}):
        if type(wrong) is type_of_it and wrong not in ("", {}, {"x": 1}):
            continue
        with pytest.raises(ClaimsRefused, match=rf"^The standard claim '{name}' must be .*Core section 5\.1"):
            claim_rules.check({name: wrong})


@pytest.mark.parametrize(
    ("name", "value", "must_be"),
    [
        *((name, "Ada\u202e", "without control characters") for name in ("name", "nickname", "locale#x")),
        *(("email", value, "an email address") for value in ("Ada", "ada@", "a b@example.com", "ada@example.com\n")),
        ("address", {"locality": "Lon\ndon"}, "an object"),
        ("address", {"formatted": "London\u202e"}, "an object"),
        *((name, "javascript:alert(1)", "an http or https URL") for name in ("profile", "picture", "website")),
        ("picture", "data:image/png;base64,x", "an http or https URL"),
        ("birthdate", "10.12.1815", "a date like 1815-12-10"),
        ("name", "x" * 257, "a string of 1 to 256 characters"),
    ],
)
def test_a_value_that_people_or_applications_could_be_misled_by_is_refused(name: str, value: Any, must_be: str) -> None:
    with pytest.raises(ClaimsRefused, match=must_be):
        claim_rules.check({name: value})


def test_a_date_of_birth_in_the_future_is_refused_where_the_time_is_known() -> None:
    assert claim_rules.check({"birthdate": "1971"})
    with pytest.raises(ClaimsRefused, match="a date in the past"):
        claim_rules.check({"birthdate": "1971"}, now=0)


def test_other_claims_may_have_any_type() -> None:
    others = {"roles": [], "emails": 1, "phone": None, "full name".replace(" ", "_"): {"a": 1}}
    assert claim_rules.check(others) == others


@pytest.mark.parametrize(
    ("scope", "names"),
    [
        ("email", ("email", "email_verified")),
        ("phone", ("phone_number", "phone_number_verified")),
        ("address", ("address",)),
        ("openid offline_access read", ()),
        ("phone openid email", ("phone_number", "phone_number_verified", "email", "email_verified")),
    ],
)
def test_oidc_core_5_4_what_a_scope_asks_for(scope: str, names: tuple[str, ...]) -> None:
    assert of_scope(scope.split()) == names


def test_oidc_core_5_4_profile_asks_for_the_fourteen_claims_of_its_own() -> None:
    others = {"email", "email_verified", "address", "phone_number", "phone_number_verified"}
    assert set(of_scope(["profile"])) == ADA.keys() - others and len(of_scope(["profile"])) == 14


def test_only_what_is_asked_for_and_known_is_shown_once() -> None:
    claims = {"email": "ada@example.com", "roles": ["editor"]}
    assert of_user("ada", claims, ("email", "name", "email")) == {"email": "ada@example.com"}
    assert of_user("ada", claims, ()) == {}


def test_oidc_core_5_2_a_claim_is_shown_in_every_language() -> None:
    claims = {"name#de": "Ada Gräfin von Lovelace", "name": "Ada Lovelace", "email#x": "ada@example.com"}
    assert of_user("ada", claims, ("name",)) == {"name": "Ada Lovelace", "name#de": "Ada Gräfin von Lovelace"}


def test_users_are_called_by_their_username_unless_they_have_another_name() -> None:
    names = standard_claims.of_scope(["profile"])
    assert of_user("ada", {}, names) == {"preferred_username": "ada"}
    assert of_user("ada", {"preferred_username": "Ada"}, names) == {"preferred_username": "Ada"}
