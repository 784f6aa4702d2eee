"""OpenID Connect Core 1.0 s5: claims, scopes, the claims parameter, and /userinfo after a sign-in."""

import json
from typing import Any

import pytest

from authserver.domain.standard_claims import CLAIMS_OF
from tests.domain.test_standard_claims import ADA
from tests.harness.browser import answer_of
from tests.openid.provider import Provider, granted
from tests.web.serving import change_client


def shown(response: Any) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    body: dict[str, Any] = response.json()
    return body


def request_of(userinfo: Any = None, id_token: Any = None) -> str:
    return json.dumps({"userinfo": userinfo or {}, "id_token": id_token or {}})


def of_ada(*names: str) -> dict[str, Any]:
    return {"sub": "u_ada"} | {name: ADA[name] for name in names}


@pytest.mark.parametrize("scope", ["openid", *(f"openid {word}" for word in CLAIMS_OF), "openid profile phone"])
def test_5_4_the_claims_of_a_scope_are_shown_by_userinfo_and_not_in_the_id_token(op: Provider, scope: str) -> None:
    tokens = op.tokens(scope=scope)
    names = [name for word in scope.split()[1:] for name in CLAIMS_OF[word]]
    assert shown(op.userinfo(tokens["access_token"])) == of_ada(*names)
    assert not set(op.claims(tokens["id_token"])) & set(names)


@pytest.mark.parametrize("method", ["GET", "POST", "form"])
def test_5_3_1_get_and_post_with_the_token_in_the_header_or_in_a_form(op: Provider, method: str) -> None:
    token = op.tokens(scope="openid email")["access_token"]
    header = {"Authorization": f"Bearer {token}"}
    if method == "form":
        response = op.http.post("/userinfo", data={"access_token": token})
    else:
        response = op.http.request(method, "/userinfo", headers=header)
    assert shown(response) == of_ada("email", "email_verified")


def test_5_3_2_sub_is_that_of_the_id_token(op: Provider) -> None:
    tokens = op.tokens()
    assert shown(op.userinfo(tokens["access_token"]))["sub"] == op.claims(tokens["id_token"])["sub"]


def test_5_3_2_claims_that_the_user_does_not_have_are_left_out(op: Provider) -> None:
    browser = op.signed_in("bob", client_id="another", scope="openid email")
    code = browser.code(client_id="another", scope="openid email")
    body = shown(op.userinfo(granted(op.redeem(code, client_id="another"))["access_token"]))
    assert body == {"sub": "u_bob"}


def test_5_3_3_a_request_without_or_with_a_wrong_token_gets_an_error_of_rfc6750(op: Provider) -> None:
    bare = op.http.get("/userinfo")
    assert (bare.status_code, bare.headers["www-authenticate"]) == (401, 'Bearer realm="authserver"')
    wrong = op.userinfo("x")
    assert wrong.status_code == 401 and 'error="invalid_token"' in wrong.headers["www-authenticate"]
    lacking = op.userinfo(op.tokens(scope="read")["access_token"])
    assert lacking.status_code in (401, 403), "it is not for /userinfo at all"
    twice = op.http.post("/userinfo", data={"access_token": "x"}, headers={"Authorization": "Bearer x"})
    assert (twice.status_code, twice.json()["error"]) == (400, "invalid_request")
    in_query = op.http.get("/userinfo?access_token=x")
    assert (in_query.status_code, in_query.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("how", [None, {"essential": True}, {"essential": False}, {"value": "x"}, {"unknown": [1]}])
def test_5_5_a_claim_is_shown_where_it_is_asked_for(op: Provider, how: Any) -> None:
    tokens = op.tokens(claims=request_of({"email": how}, {"name": how}))
    assert shown(op.userinfo(tokens["access_token"])) == of_ada("email")
    claims = op.claims(tokens["id_token"])
    assert claims["name"] == ADA["name"] and "email" not in claims


def test_5_5_the_claims_are_those_of_the_refresh_too(op: Provider) -> None:
    tokens = op.tokens(claims=request_of({"email": None}, {"name": None}))
    again = granted(op.refresh(tokens["refresh_token"]))
    assert shown(op.userinfo(again["access_token"])) == of_ada("email")
    assert op.claims(again["id_token"])["name"] == ADA["name"]


def test_claims_that_the_operator_names_for_a_client_are_in_its_id_tokens_whatever_it_asks_for(op: Provider) -> None:
    change_client(op.database, "another", id_token_claims=("nickname", "roles", "missing"))
    op.later(6)  # the cache of clients
    try:
        tokens = op.tokens(client_id="another", claims=request_of(id_token={"name": None}))
        again = granted(op.refresh(tokens["refresh_token"], client_id="another"))
    finally:
        change_client(op.database, "another", id_token_claims=())
        op.later(6)
    for token in (tokens["id_token"], again["id_token"]):
        claims = op.claims(token)
        assert (claims["nickname"], claims["name"]) == (ADA["nickname"], ADA["name"])
        assert "missing" not in claims and "email" not in claims


def test_5_5_claims_that_are_not_understood_are_ignored(op: Provider) -> None:
    asked = {"http://example.info/claims/groups": None, "roles": {"essential": True}, "sub": None, "iss": None}
    tokens = op.tokens(claims=json.dumps({"userinfo": asked, "id_token": asked, "other": 1}))
    assert shown(op.userinfo(tokens["access_token"])) == {"sub": "u_ada"}
    assert not {"roles", "http://example.info/claims/groups"} & op.claims(tokens["id_token"]).keys()


@pytest.mark.parametrize(
    "name", ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash"]
)
def test_5_5_no_claim_of_the_id_token_is_replaced_by_what_was_asked_for(op: Provider, name: str) -> None:
    how = {"value": "u_ada"} if name == "sub" else {"values": ["forged"]} if name != "acr" else None
    browser = op.signed_in()
    plain = op.claims(granted(op.redeem(browser.code()))["id_token"])
    asked = op.claims(granted(op.redeem(browser.code(claims=request_of(id_token={name: how}))))["id_token"])
    varying = {"at_hash"}
    assert {key: asked[key] for key in asked.keys() - varying} == {key: plain[key] for key in plain.keys() - varying}


def test_5_5_a_claim_that_is_added_later_needs_consent_and_is_remembered_then(op: Provider) -> None:
    browser = op.signed_in("bob", client_id="another")
    more = {"client_id": "another", "claims": request_of({"birthdate": None})}
    assert answer_of(browser.authorize(prompt="none", **more))["error"] == "consent_required"
    browser.allow(browser.authorize(**more))
    assert "code" in answer_of(browser.authorize(prompt="none", **more))
    other = {"client_id": "another", "claims": request_of(id_token={"gender": None})}
    assert answer_of(browser.authorize(prompt="none", **other))["error"] == "consent_required"


def test_5_5_1_1_an_essential_acr_that_cannot_be_reached_is_an_error(op: Provider) -> None:
    (reached, *_) = op.http.get("/.well-known/openid-configuration").json()["acr_values_supported"]
    browser = op.signed_in()

    def asking(how: Any) -> dict[str, str]:
        return answer_of(browser.authorize(claims=request_of(id_token={"acr": how})))

    assert "code" in asking({"essential": True, "values": ["other", reached]})
    assert "code" in asking({"values": ["other"]})
    assert asking({"essential": True, "values": ["other"]})["error"] == "unmet_authentication_requirements"


def test_5_3_2_what_an_access_token_shows_ends_with_its_authorization(op: Provider) -> None:
    tokens = op.tokens()
    assert op.userinfo(tokens["access_token"]).status_code == 200
    op.http.post("/revoke", data={"client_id": "sso", "token": tokens["refresh_token"]})
    assert op.userinfo(tokens["access_token"]).status_code == 401
