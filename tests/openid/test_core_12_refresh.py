"""OpenID Connect Core 1.0 s11 and s12: offline access, and ID tokens of refreshes."""

from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

import pytest

from tests.harness.constants import ISSUER, SECRET
from tests.openid.provider import NO_PKCE, Provider, granted, refused

OFFLINE = "openid offline_access read"


@pytest.mark.parametrize("times", [1, 3])
def test_12_2_the_id_token_of_a_refresh_is_about_the_same_sign_in(op: Provider, times: int) -> None:
    tokens = op.tokens()
    first = op.claims(tokens["id_token"])
    for _ in range(times):
        op.later(7)
        tokens = granted(op.refresh(tokens["refresh_token"]))
    claims = op.claims(tokens["id_token"])
    # s12.2: its iss, sub, aud, auth_time and azp MUST be the same; iat MUST represent the time that the new ID Token is
    # issued; it SHOULD NOT have a nonce.
    for name in ("iss", "sub", "aud", "auth_time", "acr", "amr", "sid"):
        assert claims[name] == first[name]
    assert claims["iat"] == first["iat"] + 7 * times
    assert claims["exp"] - claims["iat"] == first["exp"] - first["iat"]
    assert "nonce" not in claims and "azp" not in claims
    half = sha256(tokens["access_token"].encode()).digest()[:16]
    assert claims["at_hash"] == urlsafe_b64encode(half).rstrip(b"=").decode()


def test_12_1_a_confidential_client_must_authenticate(op: Provider) -> None:
    token = op.tokens(client_id="rp", **NO_PKCE)["refresh_token"]
    assert refused(op.refresh(token, client_id="rp"), "invalid_client", 401)
    assert refused(op.refresh(token, client_id="rp", client_secret="x" * 43), "invalid_client", 401)
    assert "id_token" in granted(op.refresh(token, client_id="rp", client_secret=SECRET))


def test_12_1_a_refresh_token_is_its_clients_alone(op: Provider) -> None:
    tokens = op.tokens()
    assert refused(op.refresh(tokens["refresh_token"], client_id="another"), "invalid_grant")
    granted(op.refresh(tokens["refresh_token"]))


def test_12_2_a_refresh_without_openid_has_no_id_token_and_no_way_to_userinfo(op: Provider) -> None:
    tokens = op.tokens()
    less = granted(op.refresh(tokens["refresh_token"], scope="read"))
    assert "id_token" not in less and less["scope"] == "read"
    assert op.userinfo(less["access_token"]).status_code in (401, 403)
    assert "id_token" in granted(op.refresh(less["refresh_token"]))  # RFC 6749 s6: the grant is what it was


@pytest.mark.parametrize("scope", ["openid read email", "openid offline_access", "openid admin"])
def test_rfc6749_6_a_refresh_never_gets_more(op: Provider, scope: str) -> None:
    assert refused(op.refresh(op.tokens()["refresh_token"], scope=scope), "invalid_scope")


def test_11_without_offline_access_refresh_tokens_end_with_the_session(op: Provider) -> None:
    browser = op.signed_in(scope=OFFLINE)
    online, offline = (granted(op.redeem(browser.code(scope=scope))) for scope in ("openid read", OFFLINE))
    browser.sign_in(browser.authorize(prompt="login"), username="bob")  # which ends ada's session
    assert refused(op.refresh(online["refresh_token"]), "invalid_grant")
    assert op.userinfo(online["access_token"]).status_code == 401
    claims = op.claims(granted(op.refresh(offline["refresh_token"]))["id_token"])
    assert (claims["iss"], claims["sub"]) == (ISSUER, "u_ada")


def test_11_offline_access_needs_consent(op: Provider) -> None:
    browser = op.signed_in("bob")
    assert 'id="allow"' in browser.authorize(scope=OFFLINE).text


def test_11_a_scope_that_is_left_out_is_neither_openid_nor_offline_access(op: Provider) -> None:
    browser = op.signed_in(scope=None)
    body: dict[str, Any] = granted(op.redeem(browser.code(scope=None)))
    assert not {"openid", "offline_access"} & set(body["scope"].split()) and "id_token" not in body
