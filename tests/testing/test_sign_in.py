"""authserver.testing: users sign in at a client through the whole flow, without a browser."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest

from authserver.domain.client_kinds import DEVICE_CODE
from authserver.resource import TokenRejected
from authserver.testing import ErrorResponse, Issuer, SignInFailed, running_issuer
from authserver.testing.browser import sign_in
from tests.harness.chromium import launched, needs_chromium
from tests.harness.constants import PASSWORD

BACK = "https://app.example/callback?tenant=a%20b"
SECRET = "as_generated-43-characters-of-base64url-here"


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with running_issuer() as issuer:
        issuer.user("ada", PASSWORD, claims={"name": "Ada Lovelace", "email": "ada@example.com"})
        yield issuer


def verified(issuer: Issuer, id_token: str, client_id: str, alg: str = "RS256") -> dict[str, Any]:
    """The claims of an ID token that PyJWT has verified."""
    keys = {key.key_id: key.key for key in jwt.PyJWKSet.from_dict(issuer.jwks()).keys}
    kid = jwt.get_unverified_header(id_token)["kid"]
    claims: dict[str, Any] = jwt.decode(id_token, keys[kid], [alg], audience=client_id, issuer=issuer.url)
    return claims


@pytest.mark.parametrize("secret", [None, SECRET], ids=["public", "confidential"])
@pytest.mark.parametrize("auth_method", ["client_secret_basic", "client_secret_post"])
def test_sign_in_returns_tokens_that_verify(issuer: Issuer, secret: str | None, auth_method: str) -> None:
    client = issuer.client("openid email read", redirect_uris=[BACK], secret=secret, auth_method=auth_method)
    tokens = issuer.sign_in(client, "ada", "openid email read", nonce="n-0S6")
    claims = verified(issuer, tokens["id_token"], client)
    assert (claims["nonce"], claims["amr"]) == ("n-0S6", ["pwd"]) and "email" not in claims
    token = issuer.guard().verify(tokens["access_token"], "read")
    assert token.subject == claims["sub"] and token.client_id == client
    assert tokens["refresh_token"]


def test_oidc_core_2_no_api_takes_an_id_token_for_an_access_token(issuer: Issuer) -> None:
    """Not even one whose audience is the client itself, and that accepts both types of token."""
    client = issuer.client("openid", redirect_uris=[BACK])
    id_token = issuer.sign_in(client, "ada")["id_token"]
    for options in ({}, {"typ": ("at+jwt", "JWT")}, {"typ": "JWT"}):
        for audience in (None, client):
            with pytest.raises(TokenRejected):
                issuer.guard(audience, **options).verify(id_token)


def test_an_authorization_url_that_a_client_library_made(issuer: Issuer) -> None:
    client = issuer.client("openid", redirect_uris=[BACK], secret=SECRET, pkce="optional")
    url = f"{issuer.url}/authorize?response_type=code&scope=openid&client_id={client}&state=s%26t"
    callback = issuer.authorize(f"{url}&redirect_uri=https%3A%2F%2Fapp.example%2Fcallback%3Ftenant%3Da%2520b", "ada")
    assert callback.startswith(BACK + "&")
    response = parse_qs(urlsplit(callback).query)
    assert response["state"] == ["s&t"] and response["iss"] == [issuer.url] and response["code"][0]


def test_a_first_party_client_signs_in_with_another_algorithm_once_it_has_a_key(issuer: Issuer) -> None:
    client = issuer.client("openid", redirect_uris=[BACK], first_party=True, id_token_alg="ES256")
    with pytest.raises(ErrorResponse, match="temporarily_unavailable"):
        issuer.sign_in(client, "ada")
    issuer.rotate(alg="ES256")
    assert verified(issuer, issuer.sign_in(client, "ada")["id_token"], client, "ES256")["aud"] == client


def test_oidc_core_8_pairwise_clients_get_a_subject_for_each_sector(issuer: Issuer) -> None:
    clients = [issuer.client("openid", redirect_uris=[BACK], first_party=True, subject_type="pairwise")]
    other = "https://other.example/callback"
    clients += [issuer.client("openid", redirect_uris=[other], first_party=True, subject_type="pairwise")]
    subjects = [verified(issuer, issuer.sign_in(id, "ada")["id_token"], id)["sub"] for id in (*clients, clients[0])]
    assert len(set(subjects)) == 2 and subjects[0] == subjects[2]


@pytest.mark.parametrize("secret", [None, SECRET], ids=["public", "confidential"])
def test_sign_in_device_returns_tokens_that_verify(issuer: Issuer, secret: str | None) -> None:
    client = issuer.client("openid read", grants=[DEVICE_CODE], secret=secret)
    tokens = issuer.sign_in_device(client, "ada", "openid read")
    subject = verified(issuer, tokens["id_token"], client)["sub"]
    assert issuer.guard().verify(tokens["access_token"], "read").subject == subject
    with pytest.raises(ErrorResponse, match="unauthorized_client"):
        issuer.sign_in_device(issuer.client("openid"), "ada")


def test_a_device_of_ones_own_waits_until_it_is_allowed(issuer: Issuer) -> None:
    client = issuer.client("openid", grants=[DEVICE_CODE])
    begun = issuer.post("/device_authorization", client_id=client, scope="openid")
    poll = {"grant_type": DEVICE_CODE, "device_code": begun["device_code"], "client_id": client}
    with pytest.raises(ErrorResponse, match="authorization_pending"):
        issuer.post("/token", **poll)
    issuer.allow_device(begun["verification_uri_complete"], "ada")
    issuer.clock.forward(begun["interval"])
    assert issuer.post("/token", **poll)["token_type"] == "Bearer"
    with pytest.raises(SignInFailed, match="No device is waiting"):
        issuer.allow_device(begun["verification_uri_complete"], "ada")


def test_errors_for_the_client_and_errors_on_a_page_are_raised_apart(issuer: Issuer) -> None:
    client = issuer.client("openid", redirect_uris=[BACK])
    with pytest.raises(ErrorResponse, match="login_required") as refused:
        issuer.sign_in(client, "ada", prompt="none")
    assert refused.value.members["error"] == "login_required"
    with pytest.raises(SignInFailed, match="400"):
        issuer.sign_in(client, "ada", redirect_uri="https://evil.example/")
    with pytest.raises(ValueError, match="has no redirect URI"):
        issuer.sign_in(issuer.client("openid"), "ada")
    with pytest.raises(KeyError):
        issuer.sign_in(client, "nobody")


@needs_chromium
def test_the_helper_for_playwright_signs_in_and_agrees(issuer: Issuer) -> None:
    """A new user of the browser types name and password and agrees; one who is known types the password."""
    client = issuer.client("openid", redirect_uris=["https://app.example/callback"])
    url = f"{issuer.url}/authorize?" + urlencode(
        {"response_type": "code", "client_id": client, "redirect_uri": "https://app.example/callback"}
        | {"scope": "openid", "code_challenge": "c" * 43, "code_challenge_method": "S256", "prompt": "login"}
    )
    with launched() as browser:
        page = browser.new_page()
        page.route("https://app.example/**", lambda route: route.fulfill(body="signed in"))
        for _ in range(2):
            page.goto(url)
            sign_in(page, "ada", PASSWORD)
            page.wait_for_url("https://app.example/callback?code=*")
