"""Claims that must be refused, each by its row, under a true signature."""

import json
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from authserver.resource import Guard, InsufficientScope, TokenRejected
from tests.resource.tools import (
    AUDIENCE,
    DROP,
    ISSUER,
    NOW,
    Clock,
    claims,
    header_of,
    public,
    rejected,
    sign,
    token_of,
)

TIMES = [
    "1e400",
    "-1e400",
    "true",
    '"9"',
    "-1",
    "9" * 4300,
    "9" * 4301,
    "NaN",
    "Infinity",
    "null",
    "[]",
    "{}",
    "1e16",
    "-0.1",
]


@pytest.mark.parametrize("name", ["exp", "iat", "nbf", "auth_time"])
@pytest.mark.parametrize("value", TIMES, ids=[text[:9] + str(len(text)) for text in TIMES])
def test_a_claim_that_is_no_time_is_rejected(guard: Guard, key: RSAKey, name: str, value: str) -> None:
    text = json.dumps(claims(**{name: "HERE"})).replace('"HERE"', value).encode()
    assert rejected(lambda: guard.verify(sign(key, header_of(key), text))) != "expired"


def test_exp_as_float_is_good(guard: Guard, key: RSAKey) -> None:
    assert guard.verify(token_of(key, exp=NOW + 0.5)).expires_at == NOW + 0.5


@pytest.mark.parametrize("exp", [NOW, NOW - 1, NOW - 59, 0])
def test_rfc7519_s4_1_4_a_token_whose_exp_is_now_or_past_is_rejected(guard: Guard, key: RSAKey, exp: int) -> None:
    assert rejected(lambda: guard.verify(token_of(key, exp=exp))) == "expired"


def test_the_leeway_extends_exp(key: RSAKey, clock: Clock) -> None:
    guard = Guard(ISSUER, AUDIENCE, keys=public(key), leeway=60, now=clock)
    assert guard.verify(token_of(key, exp=NOW - 59))
    assert rejected(lambda: guard.verify(token_of(key, exp=NOW - 60))) == "expired"


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_nbf_and_iat_may_be_60_s_in_the_future(guard: Guard, key: RSAKey, name: str) -> None:
    assert guard.verify(token_of(key, **{name: NOW + 60}))
    assert rejected(lambda: guard.verify(token_of(key, **{name: NOW + 61}))) == "not valid yet"


@pytest.mark.parametrize("name", ["azp", "appid"])
def test_rfc9068_s2_2_the_client_is_in_client_id_alone(guard: Guard, key: RSAKey, name: str) -> None:
    """Other issuers' names for it count only for those whose tokens have `typ` JWT."""
    assert "client_id" in rejected(lambda: guard.verify(token_of(key, client_id=DROP, **{name: "app"})))


def test_a_clock_may_be_a_minute_off_and_not_ten(key: RSAKey, clock: Clock) -> None:
    guard = Guard(ISSUER, AUDIENCE, keys=public(key), leeway=60, now=clock)
    fresh = token_of(key, exp=NOW + 30)
    for offset in (-60, 0, 60):
        clock.now = NOW + offset
        assert guard.verify(fresh)
    for offset, reason in ((-600, "not valid yet"), (600, "expired")):
        clock.now = NOW + offset
        strict = Guard(ISSUER, AUDIENCE, keys=public(key), leeway=60, now=clock)
        assert rejected(lambda strict=strict: strict.verify(fresh)) == reason  # type: ignore[misc]


@pytest.mark.parametrize("iss", [f"{ISSUER}/", "https://sibling.example", ISSUER.upper(), "", None, [ISSUER], DROP])
def test_a_token_of_a_sibling_issuer_with_the_same_key_is_rejected(guard: Guard, key: RSAKey, iss: object) -> None:
    assert rejected(lambda: guard.verify(token_of(key, iss=iss, exp=NOW - 9))) == "wrong issuer"


@pytest.mark.parametrize(
    "scope", [["read"], 1, {"read": True}, None, True, "read  write", " read", "read\twrite", 'a"b']
)
def test_scope_that_is_not_a_string_of_scopes(guard: Guard, key: RSAKey, scope: object) -> None:
    assert "scope" in rejected(lambda: guard.verify(token_of(key, scope=scope)))


def test_no_scope_at_all_is_no_scope(guard: Guard, key: RSAKey) -> None:
    assert guard.verify(token_of(key, scope=DROP)).scope == guard.verify(token_of(key, scope="")).scope == frozenset()


def test_a_missing_scope_is_403_and_is_named(guard: Guard, key: RSAKey) -> None:
    with pytest.raises(InsufficientScope) as refused:
        guard.verify(token_of(key), "read", "admin")
    assert refused.value.status == 403 and refused.value.scope == ("read", "admin")


@pytest.mark.parametrize(
    "aud",
    [
        DROP,
        None,
        "",
        [],
        {},
        1,
        "https://other.example",
        ["https://other.example"],
        [AUDIENCE, 1],
        [[AUDIENCE]],
        f"{AUDIENCE} x",
    ],
)
def test_rfc9068_s4_a_token_for_another_audience_is_rejected(guard: Guard, key: RSAKey, aud: object) -> None:
    assert "aud" in rejected(lambda: guard.verify(token_of(key, aud=aud, exp=NOW - 9)))


def test_rfc7519_s4_1_3_one_audience_of_several_is_enough(guard: Guard, key: RSAKey) -> None:
    assert guard.verify(token_of(key, aud=["x", AUDIENCE])).audience == ("x", AUDIENCE)


@pytest.mark.parametrize("value", [DROP, None, "", 1, [], {}, True], ids=str)
@pytest.mark.parametrize("name", ["sub", "client_id", "jti"])
def test_rfc9068_s2_2_a_token_without_a_required_claim_is_rejected(
    guard: Guard, key: RSAKey, name: str, value: object
) -> None:
    assert rejected(lambda: guard.verify(token_of(key, **{name: value}))) == f"claim {name} is missing or not a string"


@pytest.mark.parametrize("name", ["exp", "iat"])
def test_rfc9068_s2_2_a_token_without_a_required_time_is_rejected(guard: Guard, key: RSAKey, name: str) -> None:
    assert rejected(lambda: guard.verify(token_of(key, **{name: DROP}))) == f"claim {name} is missing or not a time"


@pytest.mark.parametrize("name", ["acr", "grant_id"])
def test_an_optional_claim_of_the_wrong_type_is_rejected(guard: Guard, key: RSAKey, name: str) -> None:
    assert name in rejected(lambda: guard.verify(token_of(key, **{name: 1})))


@pytest.mark.parametrize("cnf", [{"jkt": "x"}, {}, None, 1])
def test_rfc9449_s7_2_a_bound_token_is_rejected_as_a_bearer_token(guard: Guard, key: RSAKey, cnf: object) -> None:
    assert "bound" in rejected(lambda: guard.verify(token_of(key, cnf=cnf)))


@pytest.mark.parametrize(
    "spoil", [{"iss": "https://x.example"}, {"aud": "x"}, {"sub": 1}, {"jti": DROP}, {"cnf": {}}, {"scope": 1}]
)
def test_expired_is_said_only_of_a_token_that_was_good(guard: Guard, key: RSAKey, spoil: dict[str, object]) -> None:
    assert rejected(lambda: guard.verify(token_of(key, exp=NOW - 9, **spoil))) != "expired"
    forged = token_of(key, exp=NOW - 9)[:-8] + "AAAAAAAA"
    assert rejected(lambda: guard.verify(forged)) != "expired"


def test_the_public_text_says_nothing_and_nothing_holds_the_token(guard: Guard, key: RSAKey) -> None:
    with pytest.raises(TokenRejected) as refused:
        guard.verify(token_of(key, iss="https://evil.example"))
    assert str(refused.value) == "The access token is invalid" and not refused.value.expired
    assert "evil" not in repr(vars(refused.value)) + repr(refused.value.args)
    with pytest.raises(TokenRejected) as refused:
        guard.verify(token_of(key, exp=NOW))
    assert str(refused.value) == "The access token has expired" and refused.value.expired


@pytest.mark.parametrize("alg", ["ES256", "PS256", "EdDSA", "Ed25519"])
def test_other_asymmetric_algorithms_when_allowed(clock: Clock, key: RSAKey, alg: str) -> None:
    from joserfc.jwk import OKPKey

    parameters: Any = {"kid": "other", "use": "sig", "alg": alg}
    makers = {
        "ES256": lambda: ECKey.generate_key("P-256", parameters),
        "PS256": lambda: RSAKey.generate_key(2048, parameters),
    }
    signer: Any = makers.get(alg, lambda: OKPKey.generate_key("Ed25519", parameters))()  # type: ignore[no-untyped-call]
    jwks = public(key, signer)
    token = token_of(signer)
    assert Guard(ISSUER, AUDIENCE, keys=jwks, algorithms=["RS256", alg], now=clock).verify(token).subject == "user-1"
    assert "algorithm" in rejected(lambda: Guard(ISSUER, AUDIENCE, keys=jwks, now=clock).verify(token))
