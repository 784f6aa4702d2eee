"""OpenID Connect Discovery 1.0 s3 and s4, RFC 8414 and RFC 9207 s3: what clients configure themselves by is true."""

from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.harness.browser import answer_of
from tests.harness.constants import ISSUER
from tests.openid.provider import Provider, granted

PATH = "/.well-known/openid-configuration"


@pytest.fixture(scope="module")
def document(op: Provider) -> dict[str, Any]:
    members: dict[str, Any] = op.http.get(PATH).json()
    return members


def test_4_2_the_response_is_json_for_every_origin(op: Provider) -> None:
    response = op.http.get(PATH)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    "name",
    [
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "response_types_supported",
        "subject_types_supported",
        "id_token_signing_alg_values_supported",
    ],
)
def test_3_every_required_member_is_there(document: dict[str, Any], name: str) -> None:
    assert document[name]


def test_3_the_issuer_is_a_url_without_query_and_fragment_and_that_of_id_tokens(
    op: Provider, document: dict[str, Any]
) -> None:
    parts = urlsplit(document["issuer"])
    assert parts.scheme == "https" and not parts.query and not parts.fragment
    # s4.3: the issuer value returned MUST be identical to the Issuer URL [...] and to the iss Claim in ID Tokens.
    assert document["issuer"] == ISSUER == op.claims(op.tokens()["id_token"])["iss"]


def test_3_rs256_is_among_the_algorithms_and_none_is_not(document: dict[str, Any]) -> None:
    algorithms = document["id_token_signing_alg_values_supported"]
    assert "RS256" in algorithms and "none" not in algorithms and not any(alg.startswith("HS") for alg in algorithms)


def test_3_members_that_default_to_true_or_more_than_there_is_are_said(document: dict[str, Any]) -> None:
    assert document["request_uri_parameter_supported"] is False
    assert document["response_modes_supported"] == ["query", "form_post"]
    assert "implicit" not in document["grant_types_supported"]
    assert document["claims_parameter_supported"] is True
    assert document["request_parameter_supported"] is False
    assert document["authorization_response_iss_parameter_supported"] is True
    assert document["code_challenge_methods_supported"] == ["S256"]


def test_3_members_with_no_elements_are_left_out(document: dict[str, Any]) -> None:
    assert all(value not in (None, [], "") for value in document.values())


def test_3_each_advertised_way_works(op: Provider, document: dict[str, Any]) -> None:
    browser = op.signed_in()
    for mode in document["response_modes_supported"]:
        response = browser.authorize(response_mode=mode)
        assert 'name="code"' in response.text if mode == "form_post" else "code" in answer_of(response)
    for display in document.get("display_values_supported", []):
        assert "code" in answer_of(browser.authorize(display=display))
    for acr in document["acr_values_supported"]:
        assert op.claims(granted(op.redeem(browser.code(acr_values=acr)))["id_token"])["acr"] == acr
    for prompt in document["prompt_values_supported"]:
        assert browser.authorize(prompt=prompt).status_code in (200, 303)
    for locale in document["ui_locales_supported"]:
        assert f'lang="{locale}"' in browser.authorize(prompt="login", ui_locales=locale).text


def test_3_each_advertised_scope_is_one_that_clients_may_have(op: Provider, document: dict[str, Any]) -> None:
    scope = " ".join(document["scopes_supported"])
    assert set(granted(op.redeem(op.signed_in(scope=scope).code(scope=scope)))["scope"].split()) == set(scope.split())


def test_3_each_advertised_claim_can_be_had(op: Provider, document: dict[str, Any]) -> None:
    scope = "openid profile email address phone"
    tokens = op.tokens(scope=scope)
    there = op.claims(tokens["id_token"]).keys() | op.userinfo(tokens["access_token"]).json().keys()
    assert set(document["claims_supported"]) == there


def test_4_1_an_issuer_without_a_path_has_its_document_at_its_root(op: Provider) -> None:
    for path in (f"{PATH}/", f"/x{PATH}", PATH.upper(), "/.well-known/openid-configuration.json"):
        assert op.http.get(path, follow_redirects=False).status_code == 404
