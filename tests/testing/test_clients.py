"""authserver.testing: the clients that a test makes, what they sign in with, and the algorithms of their tokens."""

from collections.abc import Iterator
from typing import Any

import jwt
import pytest

from authserver.resource import TokenRejected
from authserver.testing import ErrorResponse, Issuer, running_issuer
from authserver.testing import issuer as issuer_fixture
from tests.harness.constants import PASSWORD

issuer = issuer_fixture
WRONG = [
    ({"grants": ("passwrod",)}, r"no grant type 'passwrod'\. Allowed: .*password"),
    ({"grants": ()}, r"can only introspect tokens, which requires a secret"),
    ({"grants": ("client_credentials",)}, r"client_credentials requires a secret"),
    ({"access_token_typ": "at-jwt"}, r"no access_token_typ 'at-jwt'\. Allowed: at\+jwt, JWT"),
    ({"web_origins": ["https://app.example/"]}, "without a path or a slash at the end"),
    ({"access_token_claims": ["scope"]}, r"The claim name 'scope' is reserved"),
    ({"access_token_ttl": 0}, r"access_token_ttl is 0\. Allowed: whole seconds from 1 to 86400"),
    ({"access_token_ttl": 60.0}, r"access_token_ttl is 60\.0\. Allowed: whole seconds"),
    ({"refresh_retry_window": 301}, r"refresh_retry_window is 301\. Allowed: whole seconds from 0 to 300"),
    ({"access_token_alg": "HS256"}, r"no access_token_alg 'HS256'\. Allowed: RS256, PS256, ES256, EdDSA"),
    ({"secret": "x", "auth_method": "private_key_jwt"}, r"no auth method 'private_key_jwt'\. Allowed: .*basic"),
    ({"secret": "x", "auth_method": "none"}, "an auth_method other than none"),
    ({"secret": ""}, "at least one character"),
    ({"rotation": False}, "give it a secret"),
    ({"scope": 'a "b'}, "RFC 6749 s3.3"),
]


@pytest.fixture(scope="module")
def shared() -> Iterator[Issuer]:
    with running_issuer() as issuer:
        yield issuer


@pytest.mark.parametrize(("policy", "told"), WRONG, ids=lambda each: str(each)[:40])
def test_a_client_that_cannot_be_is_refused_with_what_is_allowed(shared: Issuer, policy: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        shared.client(**policy)


@pytest.mark.parametrize("name", ["acess_token_ttl", "max_authorizations"])
def test_what_is_no_policy_of_a_client_is_not_dropped(shared: Issuer, name: str) -> None:
    unknown: dict[str, Any] = {name: 60}
    with pytest.raises(TypeError, match=name):
        shared.client(**unknown)


@pytest.mark.parametrize("auth_method", ["client_secret_basic", "client_secret_post"])
def test_a_confidential_client_logs_in(shared: Issuer, auth_method: str) -> None:
    shared.user(auth_method, PASSWORD)
    client = shared.client("read", secret="50 %+:é", auth_method=auth_method, refresh_retry_window=0, rotation=False)
    answer = shared.login(auth_method, PASSWORD, "read", client_id=client)
    assert shared.guard().verify(answer["access_token"], "read").client_id == client


def test_a_form_may_be_posted_with_basic(shared: Issuer) -> None:
    client = shared.client(grants=["client_credentials"], secret="ma:chine")
    answer = shared.post("/token", auth=(client, "ma:chine"), grant_type="client_credentials")
    assert shared.guard().verify(answer["access_token"]).client_id == client
    with pytest.raises(ErrorResponse, match="401 invalid_client"):
        shared.post("/token", auth=(client, "wrong"), grant_type="client_credentials")


@pytest.mark.thorough
@pytest.mark.parametrize("alg", ["PS256", "ES256", "EdDSA"])
def test_tokens_are_signed_with_each_algorithm_once_it_has_a_key(issuer: Any, alg: str) -> None:
    client = issuer.client(grants=["client_credentials"], secret="machine", access_token_alg=alg)
    with pytest.raises(
        ValueError, match=f'There is no active {alg} key: .*issuer.rotate\\(alg="{alg}"\\) makes it sign'
    ):
        issuer.token(alg=alg)
    kids = [key["kid"] for key in issuer.jwks()["keys"] if key["alg"] == alg]
    default = issuer.kid
    assert [issuer.rotate(alg=alg)] == kids == [issuer.kid_of(alg)]
    asked = issuer.post("/token", auth=(client, "machine"), grant_type="client_credentials")["access_token"]
    for token in (asked, issuer.token(alg=alg)):
        assert jwt.get_unverified_header(token) == {"typ": "at+jwt", "alg": alg, "kid": kids[0]}
        issuer.guard(algorithms=[alg]).verify(token)
    assert jwt.get_unverified_header(issuer.token())["kid"] == issuer.kid == default
    issuer.rotate(alg=alg)
    assert issuer.kid_of(alg) != kids[0]


def test_a_client_and_a_token_can_have_a_typ_of_their_own(shared: Issuer) -> None:
    client = shared.client(grants=["client_credentials"], secret="machine", access_token_typ="JWT")
    asked = shared.post("/token", auth=(client, "machine"), grant_type="client_credentials")["access_token"]
    for token in (asked, shared.token(typ="JWT")):
        assert jwt.get_unverified_header(token)["typ"] == "JWT"
        with pytest.raises(TokenRejected):
            shared.guard().verify(token)


def test_the_tokens_of_a_client_contain_the_claims_of_its_users_that_it_names(shared: Issuer) -> None:
    shared.user("grace", PASSWORD, claims={"roles": ["editor"], "salary": 1})
    client = shared.client("read", access_token_claims=["roles", "groups"])
    token = shared.login("grace", PASSWORD, client_id=client)["access_token"]
    claims = shared.guard().verify(token).claims
    assert claims["roles"] == ("editor",) and claims.keys().isdisjoint({"salary", "groups"})
    with pytest.raises(ValueError, match="The claim name 'iss' is reserved"):
        shared.user("eve", PASSWORD, claims={"iss": "https://evil.example"})


def test_a_client_without_a_grant_introspects(shared: Issuer) -> None:
    api = shared.client(grants=[], secret="notes")
    caller = shared.client(grants=["client_credentials"], secret="machine")
    token = shared.post("/token", auth=(caller, "machine"), grant_type="client_credentials")["access_token"]
    assert shared.post("/introspect", auth=(api, "notes"), token=token)["client_id"] == caller
    with pytest.raises(ErrorResponse, match="400 unauthorized_client"):
        shared.post("/token", auth=(api, "notes"), grant_type="client_credentials")


def test_an_algorithm_that_nobody_uses_has_no_key(shared: Issuer) -> None:
    for call in (shared.token, shared.rotate):
        with pytest.raises(ValueError, match=r'issuer\.client\(access_token_alg="EdDSA"\) publishes one'):
            call(alg="EdDSA")
        with pytest.raises(ValueError, match=r"no algorithm 'none'\. Allowed: RS256"):
            call(alg="none")
