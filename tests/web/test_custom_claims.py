"""Users' claims in access tokens: which ones a client gets, that they are the present ones, and introspection."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver.domain.claim_rules import MAX_BYTES
from authserver.resource import Guard
from authserver.store import user_claims
from authserver.store.database import Database
from tests.api.introspecting import Introspector
from tests.harness.clock import Clock
from tests.harness.constants import AUDIENCE, ISSUER, PASSWORD, SECOND
from tests.web.answers import assert_granted
from tests.web.serving import change_client

CLAIMS = {"roles": ["editor", "é"], "tenant": {"id": 7}, "salary": 1}


def set_claims(database: Database, claims: dict[str, Any]) -> None:
    with database.begin() as connection:
        user_claims.replace(connection, "u_ada", claims)


@pytest.fixture
def verified(http: TestClient, clock: Clock) -> Callable[[str], dict[str, Any]]:
    guard = Guard(ISSUER, AUDIENCE, keys=http.get("/.well-known/jwks.json").json(), now=lambda: clock() / SECOND)
    return lambda token: dict(guard.verify(token).claims)


@pytest.fixture
def mapped(database: Database) -> None:
    set_claims(database, CLAIMS)
    change_client(database, "app", access_token_claims=("tenant", "roles", "groups"))


def test_a_token_has_the_claims_that_its_client_names_and_no_other(
    mapped: None, login: Callable[..., Any], verified: Callable[..., Any]
) -> None:
    claims = verified(login("app")["access_token"])
    assert claims["roles"] == ("editor", "é") and claims["tenant"] == {"id": 7}
    others = verified(login("web")["access_token"])
    assert claims.keys() - others.keys() == {"roles", "tenant"}


def test_each_refresh_and_each_retry_have_the_present_claims(
    mapped: None, database: Database, login: Callable[..., Any], refresh: Callable[..., Any], verified: Any
) -> None:
    first = login("app")
    set_claims(database, {"groups": ["staff"]})
    second = assert_granted(refresh(first["refresh_token"]))
    set_claims(database, {})
    retried = assert_granted(refresh(first["refresh_token"]))
    claims = [verified(body["access_token"]) for body in (first, second, retried)]
    assert [each.get("groups") for each in claims] == [None, ("staff",), None]
    assert ["roles" in each for each in claims] == [True, False, False]


def test_the_mapping_is_followed_at_the_next_refresh(
    database: Database, login: Callable[..., Any], refresh: Callable[..., Any], verified: Any, clock: Clock
) -> None:
    set_claims(database, CLAIMS)
    token = login("app")["refresh_token"]
    change_client(database, "app", access_token_claims=("salary",))
    clock.forward(6)  # a client's row is cached for 5 s
    assert verified(assert_granted(refresh(token))["access_token"])["salary"] == 1


def test_the_json_interface_follows_the_mapping_of_its_client(
    database: Database, http: TestClient, introspect: Introspector
) -> None:
    set_claims(database, CLAIMS)
    change_client(database, "first-party", access_token_claims=("roles",))
    change_client(database, "machine", audiences=(f"{ISSUER}/api",))
    body = http.post("/api/login", json={"username": "ada", "password": PASSWORD}).json()
    renewed = http.post("/api/refresh-token", json={"refresh_token": body["refresh_token"]}).json()
    for tokens in (body, renewed):
        assert introspect.shown(tokens["access_token"])["roles"] == CLAIMS["roles"]


def test_a_clients_own_token_has_no_users_claims(
    mapped: None, database: Database, token: Callable[..., Any], verified: Any
) -> None:
    change_client(database, "machine", access_token_claims=("roles",))
    assert "roles" not in verified(assert_granted(token("client_credentials", "machine"))["access_token"])


@pytest.fixture
def introspect(http: TestClient) -> Introspector:
    return Introspector(http)


def test_introspection_shows_them_beside_its_own_members_rfc7662_2_2(
    mapped: None, login: Callable[..., Any], introspect: Introspector
) -> None:
    body = login("app")
    shown = introspect.shown(body["access_token"])
    assert shown["roles"] == CLAIMS["roles"] and shown["tenant"] == CLAIMS["tenant"]
    assert shown["active"] is True and shown["username"] == "ada" and "salary" not in shown


def test_the_largest_claims_fit_into_a_token_that_guards_accept(
    database: Database, login: Callable[..., Any], verified: Callable[..., Any]
) -> None:
    text = "x" * (MAX_BYTES - len('{"roles":""}'))
    set_claims(database, {"roles": text})
    change_client(database, "app", access_token_claims=("roles",))
    assert verified(login("app")["access_token"])["roles"] == text
