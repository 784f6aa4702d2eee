"""A hostile JWKS never breaks a good key and never adds a bad one."""

import json
from base64 import urlsafe_b64decode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OKPKey, RSAKey

from authserver.resource import Guard
from authserver.resource.jwks import ASYMMETRIC, is_roca, read_key_set
from tests.resource.tools import (
    AUDIENCE,
    ISSUER,
    Clock,
    b64,
    claims,
    few,
    header_of,
    make_key,
    public,
    rejected,
    sign,
    token_of,
)

ROCA_PRIMES = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)
ALL = frozenset({"RS256"})


def jwk_of(key: RSAKey | ECKey, **changes: object) -> dict[str, Any]:
    return {**key.as_dict(private=False), **changes}


def modulus(n: int) -> str:
    return b64(n.to_bytes((n.bit_length() + 7) // 8, "big"))


def number(key: RSAKey) -> int:
    return int.from_bytes(urlsafe_b64decode(jwk_of(key)["n"] + "=="), "big")


def roca_modulus() -> int:
    product = 2
    for prime in ROCA_PRIMES:
        product *= prime
    n = (1 << 2047) // product * product + pow(65537, 12345, product) + product
    assert n.bit_length() == 2048
    return n


def bad_keys(good: RSAKey) -> dict[str, Any]:
    n = number(good)
    bad = {
        "oct": {"kty": "oct", "k": b64(b"s" * 32), "alg": "HS256"},
        "RSA-1024": jwk_of(good, n=modulus(n >> 1024 | 1)),
        "RSA-2047": jwk_of(good, n=modulus(n >> 1 | 1)),
        "e=1": jwk_of(good, e="AQ"),
        "e=3": jwk_of(good, e="Aw"),
        "e=65537 in another spelling": jwk_of(good, e="AAEAAQ"),
        "ROCA": jwk_of(good, n=modulus(roca_modulus())),
        "even n": jwk_of(good, n=modulus(n - 1)),
        "64-kbit n": jwk_of(good, n=modulus((1 << 65535) + 1)),
        "8200 bits": jwk_of(good, n=modulus((1 << 8199) + 1)),
        "use=enc": jwk_of(good, use="enc"),
        "key_ops": jwk_of(good, key_ops=["encrypt"]),
        "private": good.as_dict(private=True),
        "private d alone": jwk_of(good, d="AQAB"),
        "another alg": jwk_of(good, alg="PS256"),
        "RSA-OAEP": jwk_of(good, alg="RSA-OAEP"),
        "HS256": jwk_of(good, alg="HS256"),
        "alg list": jwk_of(good, alg=["RS256"]),
        "alg null": jwk_of(good, alg=None),
        "n missing": {name: value for name, value in jwk_of(good).items() if name != "n"},
        "n number": jwk_of(good, n=n),
        "n garbage": jwk_of(good, n="!" * 342),
        "n loose base64": jwk_of(good, n=jwk_of(good)["n"][:-1] + "_"),
        "kty": jwk_of(good, kty="AKP"),
        "kty null": jwk_of(good, kty=None),
        "no kty": {name: value for name, value in jwk_of(good).items() if name != "kty"},
        "EC off the curve": {"kty": "EC", "crv": "P-256", "x": b64(b"\1" * 32), "y": b64(b"\1" * 32)},
        "secp256k1": {"kty": "EC", "crv": "secp256k1", "x": b64(b"\1" * 32), "y": b64(b"\1" * 32)},
        "X25519": {"kty": "OKP", "crv": "X25519", "x": b64(b"\1" * 32)},
    }
    named = {name: {**jwk, "kid": name.replace(" ", "-")} for name, jwk in bad.items()}
    strange: dict[str, Any] = {"null": None, "list": [], "text": "key", "number": 1, "empty": {}}
    kids = {f"kid {kid!r:.9}": jwk_of(good, kid=kid) for kid in (None, 7, "", "k" * 513, ["x"])}
    return {**named, **strange, **kids}


BAD = list(bad_keys(make_key("x")))


@pytest.mark.filterwarnings("ignore")  # or a warning of joserfc would drop what the guard must
@pytest.mark.parametrize("name", BAD)
def test_a_bad_key_is_dropped_and_the_others_work(key: RSAKey, other_key: RSAKey, clock: Clock, name: str) -> None:
    bad = bad_keys(other_key)[name]
    jwks = {"keys": [bad, *public(key)["keys"], bad]}
    assert list(read_key_set({"keys": [bad]}, ALL, {})) == []
    assert Guard(ISSUER, AUDIENCE, keys=jwks, now=clock).verify(token_of(key)).subject == "user-1"


@pytest.mark.parametrize("name", BAD)
def test_a_bad_key_with_a_good_one_s_kid_does_not_break_it(
    key: RSAKey, other_key: RSAKey, clock: Clock, name: str
) -> None:
    bad = bad_keys(other_key)[name]
    twin = {**bad, "kid": "key-1"} if isinstance(bad, dict) and not name.startswith("kid ") else bad
    jwks = {"keys": [twin, *public(key)["keys"]]}
    assert Guard(ISSUER, AUDIENCE, keys=jwks, now=clock).verify(token_of(key)).subject == "user-1"


def test_all_keys_of_a_duplicate_kid_are_dropped(key: RSAKey, other_key: RSAKey, clock: Clock) -> None:
    jwks = {"keys": [jwk_of(key), jwk_of(other_key, kid="key-1"), jwk_of(other_key)]}
    guard = Guard(ISSUER, AUDIENCE, keys=jwks, now=clock)
    assert "no such key" in rejected(lambda: guard.verify(token_of(key)))
    assert guard.verify(token_of(other_key)).subject == "user-1"


def test_a_token_signed_with_a_bad_key_is_refused(key: RSAKey, other_key: RSAKey, clock: Clock) -> None:
    for name, bad in bad_keys(other_key).items():
        if isinstance(bad, dict) and isinstance(bad.get("kid"), str):
            guard = Guard(ISSUER, AUDIENCE, keys={"keys": [bad, *public(key)["keys"]]}, now=clock)
            forged = sign(other_key, header_of(other_key, kid=bad["kid"]), claims())
            assert rejected(lambda guard=guard, forged=forged: guard.verify(forged)), name  # type: ignore[misc]


def test_roca_marks_no_ordinary_key(key: RSAKey, other_key: RSAKey) -> None:
    assert is_roca(roca_modulus()) and not is_roca(number(key)) and not is_roca(number(other_key))


@pytest.mark.parametrize("curve", ["Ed448", "X25519", "X448"])
def test_curves_beside_ed25519_are_dropped(curve: Any) -> None:
    jwk: Any = OKPKey.generate_key(curve, {"kid": "curve"}).as_dict(private=False)
    assert read_key_set({"keys": [jwk, {**jwk, "kid": "named", "alg": "EdDSA"}]}, ASYMMETRIC, {}) == {}


def test_key_without_alg_verifies_what_its_type_can(key: RSAKey) -> None:
    bare = {name: value for name, value in jwk_of(key).items() if name not in ("alg", "use")}
    assert set(read_key_set({"keys": [bare]}, ASYMMETRIC, {})["key-1"].checks) >= {"RS256", "PS256", "RS512"}
    curve: Any = ECKey.generate_key("P-256", {"kid": "curve"}).as_dict(private=False)
    assert set(read_key_set({"keys": [curve]}, ASYMMETRIC, {})["curve"].checks) == {"ES256"}


@pytest.mark.parametrize("document", [None, [], "keys", 1, {}, {"keys": None}, {"keys": {}}, {"keys": "x"}])
def test_what_is_no_key_set_is_an_error(document: object) -> None:
    with pytest.raises(ValueError, match="JWK Set"):
        read_key_set(document, ALL, {})


GOOD = make_key("good")
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["RSA", "EC", "AQAB"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
MEMBERS = st.sampled_from(["kty", "n", "e", "alg", "use", "key_ops", "kid", "crv", "x", "y", "d", "x5c"])


@few
@given(st.lists(st.dictionaries(MEMBERS, VALUES) | VALUES, max_size=4), st.integers(0, 4))
def test_no_entry_breaks_the_good_key(entries: list[Any], place: int) -> None:
    hostile = [{**jwk_of(GOOD), **entry, "kid": "evil"} if isinstance(entry, dict) else entry for entry in entries]
    hostile.insert(place, jwk_of(GOOD))
    keys = read_key_set({"keys": hostile}, ALL, {})
    assert "good" in keys
    for added in keys.values():  # nothing but the good modulus ever verifies
        assert added.jwk["n"] == jwk_of(GOOD)["n"] and added.jwk["e"] == "AQAB"
    assert json.dumps(jwk_of(GOOD))
