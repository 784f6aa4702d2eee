"""The JWKS and the metadata (RFC 7517, RFC 8414): their content, and that request headers change nothing."""

import json
import re
from typing import Any

import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oidc.discovery import OpenIDProviderMetadata
from joserfc.jwk import RSAKey
from starlette.testclient import TestClient

from authserver.domain.algorithms import ALGORITHMS
from authserver.oauth import client_auth, metadata
from authserver.oauth.grants import GRANTS
from tests.harness.constants import ISSUER
from tests.harness.sample_database import as_client
from tests.web.answers import NOT_ALLOWED, NOT_FOUND, assert_granted, assert_refused
from tests.web.serving import LocalServer, rows

JWKS = "/.well-known/jwks.json"
METADATA = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
each_document = pytest.mark.parametrize("path", [JWKS, METADATA, OPENID])


def headers_of(answer: Any) -> Any:
    return {name.lower(): value for name, value in answer.headers.items() if name.lower() != "x-request-id"}


@each_document
def test_get_and_head(shared: LocalServer, path: Any) -> None:
    got = shared.http.get(path)
    expected = {
        "content-type": "application/json",
        "cache-control": "public, max-age=300",
        "access-control-allow-origin": "*",
        "x-content-type-options": "nosniff",
        "etag": got.headers["etag"],
        "content-length": str(len(got.content)),
    }
    assert (got.status_code, headers_of(got)) == (200, expected)
    head = shared.http.head(path)
    assert (head.status_code, headers_of(head)) == (200, expected)


@each_document
def test_a_preflight_from_any_origin_is_allowed_without_credentials(shared: LocalServer, path: Any) -> None:
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}
    answer = shared.http.options(path, headers=asked)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == "GET, HEAD"
    assert "access-control-allow-credentials" not in answer.headers
    assert "content-length" not in answer.headers  # RFC 9110 s8.6


@each_document
@pytest.mark.parametrize("form", ["{}", "W/{}", '"x", {}', '"x",W/{}, "y"', "*"])
def test_rfc9110_13_1_2_if_none_match(shared: LocalServer, path: Any, form: str) -> None:
    etag = shared.http.get(path).headers["etag"]
    answer = shared.http.get(path, headers={"If-None-Match": form.format(etag)})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert answer.headers["cache-control"] == "public, max-age=300"


def test_each_document_has_its_own_etag(shared: LocalServer) -> None:
    etags = [shared.http.get(path).headers["etag"] for path in (JWKS, METADATA, OPENID)]
    assert len(set(etags)) == 3 and all(re.fullmatch('"[0-9a-f]{32}"', etag) for etag in etags)


@each_document
@pytest.mark.parametrize("form", ['"x"', "x", "", ",", '"'])
def test_if_none_match_of_something_else(shared: LocalServer, path: Any, form: str) -> None:
    assert shared.http.get(path, headers={"If-None-Match": form}).status_code == 200


@each_document
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_other_methods_than_get_are_405(shared: LocalServer, path: Any, method: str) -> None:
    answer = shared.http.request(method, path)
    assert_refused(answer, NOT_ALLOWED)
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


@each_document
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http", "X-Forwarded-Port": "81"},
        {"Forwarded": "host=evil.example;proto=http", "X-Forwarded-Prefix": "/evil", "X-Original-URL": "/evil"},
        {"Range": "bytes=" + ",".join(f"{place}-{place}" for place in range(10_000))},
        {"Range": "bytes=0-0", "If-Range": '"x"'},
        {"Accept": "text/html", "Accept-Language": "tlh", "Accept-Encoding": "gzip"},
        {"Origin": "https://evil.example", "Cookie": "a=b"},
    ],
    ids=["host", "forwarded", "other forwarding headers", "ten thousand ranges", "one range", "accept", "origin"],
)
def test_headers_do_not_change_a_document(shared: LocalServer, path: Any, headers: Any) -> None:
    plain, answer = shared.http.get(path), shared.http.get(path, headers=headers)
    assert (answer.status_code, answer.content) == (200, plain.content)
    assert headers_of(answer) == headers_of(plain)


@each_document
@pytest.mark.parametrize("form", ["{}/", "/{}", "{}//", "//{}", "{}%2e", "/%2ewell-known/jwks.json", "{}/..", "{};x"])
def test_other_spellings_of_the_path_are_404(shared: LocalServer, path: Any, form: str) -> None:
    answer = shared.http.get(ISSUER + form.format(path), follow_redirects=False)
    assert_refused(answer, NOT_FOUND)


def test_the_jwks_publishes_public_members_and_the_active_key_first(shared: LocalServer) -> None:
    keys = shared.http.get(JWKS).json()["keys"]
    assert [set(key) for key in keys] == [{"kty", "n", "e", "kid", "alg", "use"}] * 2
    assert [(key["kty"], key["alg"], key["use"]) for key in keys] == [("RSA", "RS256", "sig")] * 2
    state = {row["kid"]: row["state"] for row in rows(shared.database, "signing_keys")}
    assert [state[key["kid"]] for key in keys] == ["active", "pending"]
    assert [RSAKey.import_key(key).thumbprint() for key in keys] == [key["kid"] for key in keys]  # RFC 7638


@pytest.mark.parametrize("settings", [{"jwks_max_age": 60}], indirect=True)
def test_the_jwks_may_be_cached_for_as_long_as_is_configured(http: TestClient) -> None:
    assert http.get(JWKS).headers["cache-control"] == "public, max-age=60"


@pytest.mark.parametrize("path", [METADATA, OPENID])
def test_rfc8414_2_and_oidc_discovery_3_the_metadata_say_what_the_server_supports(
    shared: LocalServer, path: str
) -> None:
    document = shared.http.get(path).json()
    assert document["issuer"] == ISSUER
    for endpoint in ("authorize", "token", "userinfo", "revoke", "introspect"):
        assert f"{ISSUER}/{endpoint}" in document.values()
    assert document["jwks_uri"] == ISSUER + JWKS
    assert document["response_types_supported"] == ["code"]
    assert document["response_modes_supported"] == ["query", "form_post"]
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["authorization_response_iss_parameter_supported"] is True
    assert document["subject_types_supported"] == ["public", "pairwise"]
    # OpenID Connect Discovery s3: the algorithm RS256 MUST be included.
    assert document["id_token_signing_alg_values_supported"][0] == "RS256"
    assert document["scopes_supported"] == ["openid", "profile", "email", "address", "phone", "offline_access"]
    assert {"sub", "name", "email", "address", "acr", "sid"} <= set(document["claims_supported"])
    assert document["prompt_values_supported"] == ["consent", "login", "none", "select_account"]
    assert (document["request_parameter_supported"], document["request_uri_parameter_supported"]) == (False, False)
    assert document["ui_locales_supported"] == ["en", "de"]
    assert all(value not in (None, [], "") for value in document.values())


@pytest.mark.parametrize(("path", "model"), [(METADATA, AuthorizationServerMetadata), (OPENID, OpenIDProviderMetadata)])
def test_the_metadata_is_valid_by_authlibs_model(shared: LocalServer, path: str, model: Any) -> None:
    metadata = model(shared.http.get(path).json())
    metadata.validate()
    both_models = {*AuthorizationServerMetadata.REGISTRY_KEYS, *OpenIDProviderMetadata.REGISTRY_KEYS}
    unknown = metadata.keys() - both_models - REGISTERED_ELSEWHERE
    assert unknown == ({"access_token_signing_alg_values_supported"} if path == METADATA else set())


def test_only_a_member_that_no_registry_knows_is_not_in_both(shared: LocalServer) -> None:
    oauth, openid = (shared.http.get(path).json() for path in (METADATA, OPENID))
    assert oauth == openid | {"access_token_signing_alg_values_supported": list(ALGORITHMS)}


def test_rfc8414_2_the_metadata_is_derived_from_what_is_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    document = metadata.server_metadata(ISSUER, ["en"], sign_up=False)
    assert document["grant_types_supported"] == [grant.GRANT_TYPE for grant in GRANTS]
    assert document["token_endpoint_auth_methods_supported"] == list(client_auth.METHODS)
    assert document["revocation_endpoint_auth_methods_supported"] == list(client_auth.METHODS)
    monkeypatch.setattr(metadata, "GRANTS", GRANTS[:1])
    monkeypatch.setattr(metadata, "METHODS", {"private_key_jwt": None})
    monkeypatch.setattr(metadata, "ALGORITHMS", ("RS256",))
    fewer = metadata.openid_configuration(ISSUER, ["en"], sign_up=False)
    assert fewer["grant_types_supported"] == [GRANTS[0].GRANT_TYPE]
    assert fewer["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert fewer["revocation_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert fewer["id_token_signing_alg_values_supported"] == ["RS256"]


def test_each_grant_type_and_endpoint_of_the_metadata_is_there(shared: LocalServer) -> None:
    document = shared.http.get(METADATA).json()
    for name, url in document.items():
        if name.endswith(("_endpoint", "_uri")):
            statuses = {"jwks_uri": 200, "authorization_endpoint": 400, "userinfo_endpoint": 401}
            statuses["end_session_endpoint"] = 200
            assert shared.http.get(url).status_code == statuses.get(name, 405)
    for grant_type in document["grant_types_supported"]:
        answer = shared.http.post(document["token_endpoint"], data={"client_id": "app", "grant_type": grant_type})
        assert answer.json()["error"] != "unsupported_grant_type"


REGISTERED_ELSEWHERE = {
    "userinfo_endpoint",  # OpenID Connect Discovery s3; Authlib's list lacks it
    "authorization_response_iss_parameter_supported",  # RFC 9207 s3
    "prompt_values_supported",  # Initiating User Registration via OpenID Connect s4
    "device_authorization_endpoint",  # RFC 8628 s4
    "end_session_endpoint",  # RP-Initiated Logout s2.1
    *("backchannel_logout_supported", "backchannel_logout_session_supported"),  # Back-Channel Logout s2.1
}
TENANT = "https://as.example/tenants/one"


@pytest.mark.parametrize("settings", [{"issuer": TENANT}], indirect=True)
def test_rfc8414_3_1_an_issuer_with_a_path_has_its_documents_where_clients_look(http: TestClient) -> None:
    document = http.get(f"{METADATA}/tenants/one").json()
    assert document["issuer"] == TENANT
    assert document["token_endpoint"] == f"{TENANT}/token"
    assert http.get(document["jwks_uri"]).json()["keys"]
    form = as_client("web") | {"grant_type": "client_credentials"}
    assert_granted(http.post(document["token_endpoint"], data=form))
    # OpenID Connect Discovery s4.1: using path components enables supporting multiple issuers per host.
    openid = http.get(f"/tenants/one{OPENID}").json()
    assert openid.items() <= document.items() and openid["authorization_endpoint"] == f"{TENANT}/authorize"
    for elsewhere in ("/token", JWKS, METADATA, OPENID, f"/tenants/one{METADATA}", f"{METADATA}/tenants/one/"):
        assert_refused(http.get(elsewhere), NOT_FOUND)


@each_document
def test_documents_are_json_without_repeated_members(shared: LocalServer, path: Any) -> None:
    def unique(pairs: Any) -> Any:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    assert json.loads(shared.http.get(path).content, object_pairs_hook=unique)
