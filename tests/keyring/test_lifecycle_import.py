"""What may be imported, and every key that is refused."""

import json
import warnings

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import RSAKey

from authserver.domain.errors import Refused
from authserver.keyring.importing import Unreadable, is_roca, read_private_key

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


def jwk(**members) -> bytes:
    return json.dumps({name: value for name, value in (MEMBERS | members).items() if value is not None}).encode()


def pem(bits=2048, exponent=65537, form=PKCS8, encryption=PLAIN) -> bytes:
    key = rsa.generate_private_key(exponent, bits)
    return key.private_bytes(serialization.Encoding.PEM, form, encryption)


def elliptic() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(serialization.Encoding.PEM, PKCS8, PLAIN)


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
def test_a_good_key_in_any_form_is_the_same_key_with_all_its_members(content):
    key = read_private_key(content)
    assert key.as_dict(private=True) == MEMBERS


def test_pkcs1_and_encrypted_pem_are_read():
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
def test_a_weak_or_damaged_key_is_refused(content, why):
    with pytest.raises(Refused, match=why):
        read_private_key(content())


@pytest.mark.parametrize(
    ("content", "password", "why"),
    [
        (lambda: GOOD.as_pem(private=False), None, "public key"),
        (lambda: jwk(d=None, **ONLY_D), None, "public key"),
        (lambda: pem(encryption=serialization.BestAvailableEncryption(b"x")), None, "--password-stdin"),
        (lambda: pem(encryption=serialization.BestAvailableEncryption(b"x")), "y", "Incorrect password"),
        (lambda: GOOD.as_pem(private=True), "x", "has no password"),
        (lambda: b"-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\n", None, "no RSA private key"),
        (elliptic, None, "no RSA private key"),
        (lambda: b'{"kty": "EC"}', None, '"kty": "RSA"'),
        (lambda: b"[]", None, '"kty": "RSA"'),
        (lambda: b"\xff\xfe\x00", None, "neither PEM nor JSON"),
        (lambda: b"", None, "neither PEM nor JSON"),
        (lambda: jwk(n="\u00fc"), None, "base64url"),
    ],
)
def test_what_is_no_private_key_is_unreadable(content, password, why):
    with pytest.raises(Unreadable, match=why):
        read_private_key(content(), password)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(MEMBERS)), st.none() | st.text() | st.integers() | st.lists(st.text())))
def test_no_jwk_gives_anything_but_a_key_or_a_reason(changed):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            read_private_key(json.dumps(MEMBERS | changed).encode())
        except (Refused, Unreadable):
            assert changed


@settings(deadline=None)
@given(st.binary())
def test_no_bytes_give_anything_but_a_reason(content):
    for body in (content, b"-----BEGIN RSA PRIVATE KEY-----\n" + content):
        with pytest.raises((Refused, Unreadable)):
            read_private_key(body)


def test_ordinary_keys_are_not_taken_for_roca():
    assert not any(is_roca(rsa.generate_private_key(65537, 1024).private_numbers().public_numbers.n) for _ in range(20))
