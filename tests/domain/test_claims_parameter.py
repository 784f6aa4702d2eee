"""The parameter `claims` (OpenID Connect Core s5.5): what it asks for, and which forms of it are refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain.claims_parameter import MAX_SIZE, ClaimsParameter, ClaimsParameterRefused, parse
from authserver.domain.standard_claims import NAMES

scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
words = st.sampled_from(["userinfo", "id_token", "sub", "acr", "email", "value", "values", "essential"]) | st.text()
trees = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(words, inner), max_leaves=12)


def test_oidc_core_5_5_the_example_is_read() -> None:
    example: dict[str, Any] = {
        "userinfo": {
            "given_name": {"essential": True},
            "nickname": None,
            "email": {"essential": True},
            "email_verified": {"essential": True},
            "picture": None,
            "http://example.info/claims/groups": None,
        },
        "id_token": {
            "auth_time": {"essential": True},
            "acr": {"values": ["urn:mace:incommon:iap:silver"]},
        },
    }
    parsed = parse(json.dumps(example))
    assert set(parsed.userinfo) == {"given_name", "nickname", "email", "email_verified", "picture"}
    assert parsed == ClaimsParameter(userinfo=parsed.userinfo)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, ClaimsParameter()),
        ({"userinfo": None, "id_token": None, "other": 7}, ClaimsParameter()),
        ({"id_token": {"email": None, "roles": None}}, ClaimsParameter(id_token=("email",))),
        ({"id_token": {"sub": {"value": "u_ada"}}}, ClaimsParameter(subjects=("u_ada",))),
        ({"id_token": {"sub": {"values": ["u_ada", "u_bob"]}}}, ClaimsParameter(subjects=("u_ada", "u_bob"))),
        ({"id_token": {"sub": None}, "userinfo": {"sub": {"essential": True}}}, ClaimsParameter()),
        ({"id_token": {"acr": {"essential": True, "values": ["a", "b"]}}}, ClaimsParameter(essential_acr=("a", "b"))),
        ({"id_token": {"acr": {"essential": True, "value": "a"}}}, ClaimsParameter(essential_acr=("a",))),
        ({"id_token": {"acr": {"value": "a"}}}, ClaimsParameter()),
        ({"id_token": {"acr": {"essential": True}}}, ClaimsParameter()),
        ({"userinfo": {"email": {"essential": False, "purpose": "mail"}}}, ClaimsParameter(userinfo=("email",))),
    ],
)
def test_oidc_core_5_5_1_how_a_claim_is_requested(document: Any, expected: ClaimsParameter) -> None:
    assert parse(json.dumps(document)) == expected


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "claims", '{"userinfo": []}', '{"userinfo": "email"}', '{"id_token": 1}', '{"userinfo": {}, '],
)
@pytest.mark.parametrize("more", ["", "\0"])
def test_what_is_no_object_of_objects_is_refused(text: str, more: str) -> None:
    with pytest.raises(ClaimsParameterRefused):
        parse(text + more)


@pytest.mark.parametrize(
    "request_of_it",
    [
        1,
        "essential",
        [],
        {"essential": 1},
        {"essential": None},
        {"values": "a"},
        {"values": ["a"] * 17},
        {"values": None},
    ],
)
@pytest.mark.parametrize("member", ["userinfo", "id_token"])
def test_a_claim_that_is_requested_by_something_else_is_refused(member: str, request_of_it: Any) -> None:
    with pytest.raises(ClaimsParameterRefused):
        parse(json.dumps({member: {"email": request_of_it}}))


@pytest.mark.parametrize("request_of_it", [{"value": 1}, {"value": None}, {"values": ["u_ada", 1]}])
def test_a_user_that_is_no_string_is_refused(request_of_it: Any) -> None:
    with pytest.raises(ClaimsParameterRefused):
        parse(json.dumps({"id_token": {"sub": request_of_it}}))


@pytest.mark.parametrize(
    "text",
    ['{"userinfo": {"email": null, "email": null}}', "[" * 2000, '{"a":' * 800 + "1", '{"userinfo": {"email": NaN}}']
    + ['{"userinfo": {}}' + " " * MAX_SIZE, '{"userinfo": {"\ud800": null}}'],
)
def test_what_is_repeated_deep_long_or_not_unicode_is_refused_in_no_time(text: str) -> None:
    with pytest.raises(ClaimsParameterRefused):
        parse(text)


@given(trees)
def test_whatever_it_is_it_is_refused_or_asks_for_standard_claims(document: Any) -> None:
    try:
        parsed = parse(json.dumps(document))
    except ClaimsParameterRefused:
        return
    assert {*parsed.userinfo, *parsed.id_token} <= set(NAMES)
    assert all(isinstance(text, str) for text in (*parsed.subjects, *parsed.essential_acr))
