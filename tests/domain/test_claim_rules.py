"""Which claims an operator or a hook may add to access tokens."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain import standard_claims
from authserver.domain.claim_rules import MAX_BYTES, MAX_DEPTH, RESERVED, ClaimsRefused, as_text, check, selected
from authserver.domain.claims import access_token
from authserver.domain.models import Client
from authserver.resource.strict_json import strict_json
from tests.domain.test_rotation import LOGIN

names = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='"\\'), min_size=1, max_size=9)
numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
trees = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner), max_leaves=9)


def _may_have_any_value(name: str) -> bool:
    return name not in RESERVED and name.partition("#")[0] not in standard_claims.NAMES


def nested(levels: int) -> Any:
    value: Any = "core"
    for _ in range(levels):
        value = [value]
    return value


@given(st.dictionaries(names.filter(_may_have_any_value), scalars | st.lists(scalars), max_size=5))
def test_what_is_accepted_comes_back_from_a_token_as_it_was(claims: dict[str, Any]) -> None:
    parsed = strict_json(as_text(check(claims)).encode())
    assert json.loads(json.dumps(parsed)) == json.loads(json.dumps(claims))


@pytest.mark.thorough
@given(st.dictionaries(st.text(), trees))
def test_whatever_is_given_is_refused_or_is_safe_in_a_token(claims: dict[str, Any]) -> None:
    try:
        accepted = check(claims)
    except ClaimsRefused:
        return
    assert RESERVED.isdisjoint(accepted) and len(as_text(accepted)) <= MAX_BYTES
    strict_json(as_text(accepted).encode())


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"roles": ["editor"], "groups": [], "entitlements": [{"value": "print", "primary": True}]},
        {"https://app.example/tenant": 7, "locale#ja": "日本"},
        {"n" * 128: None},
        {"deep": nested(MAX_DEPTH - 1)},
        {"big": "x" * (MAX_BYTES - len('{"big":""}'))},
        {"most": 2**53 - 1, "least": -(2**53) + 1, "float": 1e300},
    ],
)
def test_claims_that_are_accepted_rfc9068_2_2_3_1(claims: dict[str, Any]) -> None:
    assert check(claims) == claims


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        (["roles"], "not a JSON object"),
        (None, "not a JSON object"),
        ({"": 1}, "'' is not valid. It needs 1 to 128 visible ASCII"),
        ({"two words": 1}, "is not valid"),
        ({'quo"te': 1}, "is not valid"),
        ({"rôle": 1}, "is not valid"),
        ({"n" * 129: 1}, "is not valid"),
        ({"name\n": 1}, "is not valid"),
        ({1: 1}, "'1' is not valid"),
        ({"deep": nested(MAX_DEPTH)}, "'deep' is nested too deeply. The maximum is 8 levels"),
        ({"big": "x" * (MAX_BYTES - len('{"big":""}') + 1)}, "have 4097 bytes as compact JSON. The maximum is 4096"),
        ({"big": "é" * 700}, "The maximum is 4096"),
        ({"n": 2**53}, "Integers are at most 2^53 - 1"),
        ({"n": 10**400}, "Integers are at most"),
        ({"n": {"inner": 2**53}}, "Integers are at most"),
        ({"deep": {"inner": nested(MAX_DEPTH - 1)}}, "'deep' is nested too deeply"),
        ({"n": [1e999]}, "'n' contains a number"),
        ({"n": float("nan")}, "'n' contains a number"),
        ({"text": "\ud800"}, "half of a surrogate pair"),
        ({"text": {"\udfff": 1}}, "half of a surrogate pair"),
        ({"cost": Decimal(1)}, "contains a Decimal, which is not a JSON value"),
        ({"raw": b"x"}, "contains a bytes"),
        ({"some": {1, 2}}, "contains a set"),
        ({"inner": {1: 2}}, "a name that is not a string"),
    ],
)
def test_claims_that_are_refused_with_what_is_allowed(claims: Any, told: str) -> None:
    with pytest.raises(ClaimsRefused) as refused:
        check(claims)
    assert told in str(refused.value)


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_what_a_protocol_defines_is_reserved_rfc9068_2_2(name: str) -> None:
    with pytest.raises(ClaimsRefused) as refused:
        check({name: "x"})
    assert f"{name!r} is reserved. Reserved are: _claim_names, " in str(refused.value)


def test_every_claim_that_the_server_itself_writes_is_reserved_and_wins() -> None:
    client = Client("app", "App", "none", frozenset(), ("read",))
    given: dict[str, Any] = {
        "issuer": "https://as.example",
        "client": client,
        "scope": ("read",),
        "audience": ("urn:a",),
    }
    given |= {"ttl": 9, "jti": "j", "now": 1, "authorization": LOGIN, "subject": "u_ada"}
    plain = access_token(**given)
    assert plain.keys() <= RESERVED
    assert access_token(**given, custom=dict.fromkeys(plain, "evil")) == plain
    assert access_token(**given, custom={"roles": ["a"]}) == plain | {"roles": ["a"]}


def test_only_the_named_claims_are_selected_in_their_order() -> None:
    assert list(selected({"a": 1, "b": 2, "c": 3}, ("c", "x", "a")).items()) == [("c", 3), ("a", 1)]
