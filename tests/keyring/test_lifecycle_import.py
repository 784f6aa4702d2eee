"""What may be imported, and every key that is refused."""

import json
import warnings
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OKPKey, RSAKey

from authserver.domain.errors import Refused
from authserver.keyring.lifecycle.importing import read_private_key
from authserver.keyring.lifecycle.key_file import Unreadable
from authserver.resource.jwks import is_roca

PLAIN = serialization.NoEncryption()
PKCS8, PKCS1 = serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL
GOOD = RSAKey.generate_key(2048)
OTHER = RSAKey.generate_key(2048).as_dict(private=True)
MEMBERS = GOOD.as_dict(private=True)

# 2048 bits; the primes are k * M + 65537**a mod M, M the product of those up to 701: as the faulty chips made them.
ROCA = (
    "-0A7O9lvzQm3WoT3k-2wK89Z6_YDEYMTJSiaVdu0w6UNC5Y5Aa89IgDb_oBe6N5qfqeCzBMLWll5gfK9G8_k7PhZSj3HC2_xmuUZ"
    "FvFI2sFEhD9e8aA_GtkSxKcm6riZqoqaYQPiPdGX_jgAfLeazi3jnqTWtm6-SIwsPpLmT8NLqH7pCFCC7XPZ-mQXFrBZP44lRFyM"
    "e7OGFvhi8cDDgWQWWXT-kdWCn1Jvz_3WtnaS0dMNQnX2fbbyp-DLrm8XXdBDwe5ERuf17LH9KMBJdpbDCOuSN0vwF4k309-GyO9P"
    "5Lk-lUANpYrnHghNpzxPBr5kwogoPBMGJykjLDi6LQ"
)


def jwk(**members: Any) -> bytes:
    return json.dumps({name: value for name, value in (MEMBERS | members).items() if value is not None}).encode()


def pem(bits: Any = 2048, exponent: Any = 65537, form: Any = PKCS8, encryption: Any = PLAIN) -> bytes:
    key = rsa.generate_private_key(exponent, bits)
    return key.private_bytes(serialization.Encoding.PEM, form, encryption)


def elliptic() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(serialization.Encoding.PEM, PKCS8, PLAIN)


def other(alg: str, /, **members: Any) -> bytes:
    return json.dumps(OTHER_KINDS[alg].as_dict(private=True) | members).encode()  # type: ignore[attr-defined]


OTHER_KINDS = {"ES256": ECKey.generate_key("P-256"), "EdDSA": OKPKey.generate_key("Ed25519"), "PS256": GOOD}
ANOTHER = {alg: key.generate_key().as_dict(private=True) for alg, key in (("ES256", ECKey), ("EdDSA", OKPKey))}


@pytest.mark.parametrize("alg", OTHER_KINDS)
def test_a_good_key_of_each_algorithm_is_read_in_any_form(alg: Any) -> None:
    key = OTHER_KINDS[alg]
    for content in (other(alg), other(alg, alg=alg, kid="theirs"), key.as_pem(private=True)):  # type: ignore[attr-defined]
        assert read_private_key(content, None, alg).as_dict(private=True) == key.as_dict(private=True)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("alg", "content", "why"),
    [
        ("ES256", lambda: other("ES256", d=ANOTHER["ES256"]["d"]), "does not match"),
        ("ES256", lambda: other("ES256", x=ANOTHER["ES256"]["x"]), "does not match"),
        ("ES256", lambda: other("ES256", y=None), "does not match"),
        ("ES256", lambda: other("ES256", crv="P-384"), "Use an EC key on P-256"),
        ("ES256", lambda: ECKey.generate_key("P-521").as_pem(private=True), "Use an EC key on P-256"),
        ("ES256", lambda: other("ES256", alg="ES384"), '"alg" is not ES256'),
        ("EdDSA", lambda: other("EdDSA", d=ANOTHER["EdDSA"]["d"]), "does not match"),
        ("EdDSA", lambda: other("EdDSA", x=ANOTHER["EdDSA"]["x"]), "does not match"),
        ("EdDSA", lambda: OKPKey.generate_key("X25519").as_pem(private=True), "Use an Ed25519 key"),
        ("EdDSA", lambda: OKPKey.generate_key("Ed448").as_pem(private=True), "Use an Ed25519 key"),
        ("PS256", lambda: pem(1024), "1024 bits"),
        ("PS256", lambda: jwk(alg="RS256"), '"alg" is not PS256'),
    ],
)
def test_a_key_of_another_curve_or_that_does_not_fit_together_is_refused(alg: str, content: Any, why: str) -> None:
    with pytest.raises(Refused, match=why):
        read_private_key(content(), None, alg)


@pytest.mark.parametrize("alg", ["ES256", "EdDSA"])
def test_a_key_of_another_kind_or_a_public_one_is_unreadable(alg: str) -> None:
    with pytest.raises(Unreadable, match="cannot be read as an E"):
        read_private_key(GOOD.as_pem(private=True), None, alg)
    with pytest.raises(Unreadable, match="contains no JWK of an E"):
        read_private_key(jwk(), None, alg)
    for content in (other(alg, d=None), OTHER_KINDS[alg].as_pem(private=False)):  # type: ignore[attr-defined]
        with pytest.raises(Unreadable, match="public key"):
            read_private_key(content, None, alg)


@given(
    st.sampled_from(["ES256", "EdDSA"]),
    st.dictionaries(
        st.sampled_from(["kty", "crv", "x", "y", "d"]), st.none() | st.text() | st.integers() | st.lists(st.text())
    ),
)
def test_no_jwk_on_a_curve_gives_anything_but_a_key_or_a_reason(alg: Any, changed: Any) -> None:
    try:
        key = read_private_key(other(alg, **changed), None, alg)
    except (Refused, Unreadable):
        assert changed
    else:
        assert key.as_dict(private=True) == OTHER_KINDS[alg].as_dict(private=True)  # type: ignore[attr-defined]


ONLY_D = dict.fromkeys(("p", "q", "dp", "dq", "qi"))


@pytest.mark.parametrize(
    "content",
    [
        jwk(),
        jwk(alg="RS256", use="sig", kid="theirs", key_ops=["sign"]),
        jwk(**ONLY_D),
        GOOD.as_pem(private=True),
        b"\n " + GOOD.as_pem(private=True),
    ],
)
def test_a_good_key_in_any_form_is_the_same_key_with_all_its_members(content: Any) -> None:
    key = read_private_key(content)
    assert key.as_dict(private=True) == MEMBERS


def test_pkcs1_and_encrypted_pem_are_read() -> None:
    assert read_private_key(pem(form=PKCS1)).is_private
    secret = serialization.BestAvailableEncryption(b"open sesame")
    assert read_private_key(pem(encryption=secret), "open sesame").is_private


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (lambda: pem(1024), "1024 bits"),
        (lambda: pem(exponent=3), "exponent of the key is not 65537"),
        (lambda: jwk(d=OTHER["d"]), "do not match"),
        (lambda: jwk(**ONLY_D | {"d": OTHER["d"]}), "do not match"),
        (lambda: jwk(n=OTHER["n"]), "do not match"),
        (lambda: jwk(dp=MEMBERS["dq"]), "do not match"),
        (lambda: jwk(qi=MEMBERS["dq"]), "do not match"),
        (lambda: jwk(p=MEMBERS["n"], q="AQ"), "do not match"),
        (lambda: jwk(p="AA", q="AA"), "do not match"),
        (lambda: jwk(q=None), "do not match"),
        (lambda: jwk(d="AQ"), "do not match"),
        (lambda: jwk(n=ROCA), "ROCA"),
        (lambda: jwk(n="AQAB"), "17 bits"),
        (lambda: jwk(alg="PS256"), '"alg" is not RS256'),
        (lambda: jwk(use="enc"), '"use" is not sig'),
        (lambda: jwk(oth=[{}]), "more than two primes"),
    ],
)
def test_a_weak_or_damaged_key_is_refused(content: Any, why: str) -> None:
    with pytest.raises(Refused, match=why):
        read_private_key(content())


@pytest.mark.parametrize(
    ("content", "password", "why"),
    [
        (lambda: GOOD.as_pem(private=False), None, "public key"),
        (lambda: jwk(d=None, **ONLY_D), None, "public key"),
        (lambda: pem(encryption=serialization.BestAvailableEncryption(b"x")), None, "--password-stdin"),
        (lambda: pem(encryption=serialization.BestAvailableEncryption(b"x")), "y", "the password is wrong"),
        (lambda: GOOD.as_pem(private=True), "x", "is not encrypted"),
        (lambda: b"-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\n", None, "as an RSA key"),
        (elliptic, None, "as an RSA key"),
        (lambda: b'{"kty": "EC"}', None, '"kty": "RSA"'),
        (lambda: b"[]", None, "neither a JWK nor a JWK Set"),
        (lambda: b"\xff\xfe\x00", None, "UTF-16"),
        (lambda: b"", None, "neither PEM nor JSON"),
        (lambda: jwk(n="\u00fc"), None, "base64url"),
    ],
)
def test_what_is_no_private_key_is_unreadable(content: Any, password: str | None, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        read_private_key(content(), password)


@given(st.dictionaries(st.sampled_from(sorted(MEMBERS)), st.none() | st.text() | st.integers() | st.lists(st.text())))
def test_no_jwk_gives_anything_but_a_key_or_a_reason(changed: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            read_private_key(json.dumps(MEMBERS | changed).encode())
        except (Refused, Unreadable):
            assert changed


@given(st.binary())
def test_no_bytes_give_anything_but_a_reason(content: Any) -> None:
    for body in (content, b"-----BEGIN RSA PRIVATE KEY-----\n" + content):
        with pytest.raises((Refused, Unreadable)):
            read_private_key(body)


def test_ordinary_keys_are_not_taken_for_roca() -> None:
    assert not any(is_roca(rsa.generate_private_key(65537, 1024).private_numbers().public_numbers.n) for _ in range(20))
