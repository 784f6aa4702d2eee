"""Access tokens of a client that is registered for `typ: JWT`, for verifiers that refuse at+jwt."""

from collections.abc import Callable
from typing import Any

import jwt
import pytest
from starlette.testclient import TestClient

from authserver.store.database import Database
from tests.harness.constants import AUDIENCE, PASSWORD
from tests.harness.sample_database import as_client
from tests.web.answers import assert_done, assert_granted
from tests.web.serving import change_client


@pytest.fixture
def typed(database: Database) -> None:
    change_client(database, "web", access_token_typ="JWT")


def typ(token: Any) -> Any:
    return jwt.get_unverified_header(token)["typ"]


def test_rfc9068_2_1_at_jwt_unless_the_client_is_registered_for_jwt(
    typed: Any, login: Callable[..., Any], refresh: Callable[..., Any], token: Callable[..., Any]
) -> None:
    assert typ(login("app")["access_token"]) == "at+jwt"
    body = login("web")
    again = assert_granted(refresh(body["refresh_token"], "web"))
    own = assert_granted(token("client_credentials", "web"))
    assert {typ(each["access_token"]) for each in (body, again, own)} == {"JWT"}


def test_the_published_keys_verify_it(typed: Any, login: Callable[..., Any], http: TestClient) -> None:
    token = login("web")["access_token"]
    keys = jwt.PyJWKSet.from_dict(http.get("/.well-known/jwks.json").json())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    later: jwt.types.Options = {"verify_exp": False, "verify_iat": False}
    assert jwt.decode(token, key, ["RS256"], audience=AUDIENCE, options=later)["client_id"] == "web"


def test_it_is_introspected_and_revoked_as_any_other(typed: Any, login: Callable[..., Any], http: TestClient) -> None:
    token = as_client("web") | {"token": login("web")["access_token"]}
    assert http.post("/introspect", data=token).json()["active"]
    assert_done(http.post("/revoke", data=token))
    assert http.post("/introspect", data=token).json() == {"active": False}


def test_a_header_of_the_other_typ_over_the_same_claims_is_not_ours(
    typed: Any, login: Callable[..., Any], http: TestClient
) -> None:
    own, other = login("web")["access_token"], login("app")["access_token"]
    swapped = other.partition(".")[0] + "." + own.partition(".")[2]
    assert http.post("/introspect", data=as_client("web") | {"token": swapped}).json() == {"active": False}


def test_our_own_api_accepts_it(database: Database, http: TestClient) -> None:
    change_client(database, "first-party", access_token_typ="JWT")
    token = http.post("/api/login", json={"username": "ada", "password": PASSWORD}).json()["access_token"]
    assert typ(token) == "JWT"
    assert http.get("/api/protected", headers={"Authorization": f"Bearer {token}"}).status_code == 200
