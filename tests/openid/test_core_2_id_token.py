"""OpenID Connect Core 1.0 s2, s3.1.3.6 and s3.1.3.7: what an ID token contains, and what clients check of it."""

from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

import pytest
from joserfc import jws

from authserver.resource import Guard, TokenRejected
from tests.harness.constants import AUDIENCE, ISSUER, SECOND, SECRET
from tests.openid.provider import NO_PKCE, Provider, granted, refused


@pytest.fixture(scope="module")
def tokens(op: Provider) -> dict[str, Any]:
    return op.tokens()


def test_2_an_id_token_has_the_required_claims(op: Provider, tokens: dict[str, Any]) -> None:
    claims = op.claims(tokens["id_token"])
    assert claims["iss"] == ISSUER
    assert claims["sub"] == "u_ada" and len(claims["sub"]) <= 255 and claims["sub"].isascii()
    assert claims["aud"] == "sso"
    assert all(type(claims[name]) is int for name in ("exp", "iat", "auth_time"))
    assert claims["auth_time"] <= claims["iat"] <= op.clock() // SECOND and claims["iat"] < claims["exp"]
    assert claims["nonce"] == "a nonce"


def test_2_acr_is_one_of_those_published_and_amr_is_an_array_of_strings(op: Provider, tokens: dict[str, Any]) -> None:
    claims, document = op.claims(tokens["id_token"]), op.http.get("/.well-known/openid-configuration").json()
    assert claims["acr"] in document["acr_values_supported"]
    assert claims["amr"] == ["pwd"]  # RFC 8176 s2


def test_2_there_is_no_claim_that_was_not_asked_for(op: Provider, tokens: dict[str, Any]) -> None:
    expected = {"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash"}
    assert op.claims(tokens["id_token"]).keys() == expected


def test_2_it_is_signed_by_a_published_key_and_names_no_key_itself(op: Provider, tokens: dict[str, Any]) -> None:
    """ID Tokens SHOULD NOT use the JWS x5u, x5c, jku, or jwk Header Parameter fields; and never alg=none."""
    header = jws.extract_compact(tokens["id_token"].encode()).headers()
    assert header["alg"] == "RS256" and header.keys() == {"alg", "typ", "kid"}
    assert header["kid"] in [key["kid"] for key in op.http.get("/.well-known/jwks.json").json()["keys"]]


@pytest.mark.parametrize("nonce", ["n", "é 漢字", "x" * 2048, '"><script>', " "])
def test_2_the_nonce_is_a_case_sensitive_string_that_passes_unmodified(op: Provider, nonce: str) -> None:
    code = op.signed_in().code(nonce=nonce)
    assert op.claims(granted(op.redeem(code))["id_token"])["nonce"] == nonce


@pytest.mark.parametrize("nonce", [None, ""])
def test_2_there_is_no_nonce_if_none_was_sent(op: Provider, nonce: str | None) -> None:
    code = op.signed_in().code(nonce=nonce)
    assert "nonce" not in op.claims(granted(op.redeem(code))["id_token"])


def test_3_1_3_6_at_hash_is_the_left_half_of_the_access_tokens_hash(op: Provider, tokens: dict[str, Any]) -> None:
    half = sha256(tokens["access_token"].encode()).digest()[:16]
    assert op.claims(tokens["id_token"])["at_hash"] == urlsafe_b64encode(half).rstrip(b"=").decode()


def test_3_1_3_7_a_confidential_clients_id_token_is_for_it_alone(op: Provider) -> None:
    claims = op.claims(op.tokens(client_id="rp", **NO_PKCE)["id_token"])
    assert claims["aud"] == "rp" and "azp" not in claims


def test_2_auth_time_is_when_the_user_signed_in_and_not_when_the_code_was_issued(op: Provider) -> None:
    browser = op.signed_in()
    signed_in_at = op.clock() // SECOND
    op.later(5)
    claims = op.claims(granted(op.redeem(browser.code()))["id_token"])
    assert (claims["auth_time"], claims["iat"]) == (signed_in_at, signed_in_at + 5)


def test_2_the_session_of_the_browser_is_sid(op: Provider) -> None:
    browser = op.signed_in()
    one, same = (op.claims(granted(op.redeem(browser.code()))["id_token"])["sid"] for _ in range(2))
    assert one == same != op.claims(op.tokens()["id_token"])["sid"]


def test_an_id_token_is_no_access_token(op: Provider, tokens: dict[str, Any]) -> None:
    keys = op.http.get("/.well-known/jwks.json").json()

    def guard(audience: str, typ: tuple[str, ...]) -> Guard:
        return Guard(ISSUER, audience, typ=typ, keys=lambda: keys, now=lambda: op.clock() / SECOND)

    assert guard(AUDIENCE, ("at+jwt",)).verify(tokens["access_token"]).subject == "u_ada"
    for audience in (AUDIENCE, "sso"):
        for typ in (("at+jwt",), ("at+jwt", "JWT"), ("JWT",)):
            with pytest.raises(TokenRejected):
                guard(audience, typ).verify(tokens["id_token"])
    assert op.userinfo(tokens["id_token"]).status_code == 401


def test_an_id_token_is_neither_introspected_nor_revoked_nor_exchanged(op: Provider) -> None:
    tokens = op.tokens(client_id="rp", **NO_PKCE)
    form = {"client_id": "rp", "client_secret": SECRET, "token": tokens["id_token"]}
    assert op.http.post("/introspect", data=form).json() == {"active": False}
    assert op.http.post("/introspect", data=form | {"token_type_hint": "id_token"}).json() == {"active": False}
    assert op.http.post("/revoke", data=form).status_code == 200
    assert op.http.post("/introspect", data=form | {"token": tokens["access_token"]}).json()["active"] is True
    assert op.userinfo(tokens["access_token"]).status_code == 200
    assert refused(op.redeem(tokens["id_token"], client_id="rp", client_secret=SECRET), "invalid_grant")
    assert refused(op.refresh(tokens["id_token"], client_id="rp", client_secret=SECRET), "invalid_grant")
