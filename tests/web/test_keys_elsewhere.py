"""Moving here from another issuer: its last tokens stay valid at APIs, and its odd tokens never make a 5xx here."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.testclient import TestClient

from authserver.domain import base64url, key_transitions
from authserver.domain.key_schedule import removable_at
from authserver.keyring.database_keys import InProcess
from authserver.keyring.jwk import public_jwk
from authserver.keyring.jwt import AccessTokens
from authserver.keyring.lifecycle import Lifecycle
from authserver.resource import Guard
from tests.api.introspecting import INACTIVE, Introspector
from tests.harness.clock import Clock
from tests.harness.constants import AUDIENCE, ISSUER, SECOND

OLD = RSAKey.generate_key(2048)
HOUR = 3600


@pytest.fixture
def server(started: Callable[[], TestClient], lifecycle: Lifecycle, clock: Clock) -> Any:
    """This server, which publishes the key that the old issuer signed with."""
    public = public_jwk(OLD, "RS256", "old-1")
    lifecycle.publish([key_transitions.published_to_verify("old-1", "RS256", public, HOUR, clock())])
    return started()


def claims(clock: Clock, **more: Any) -> Any:
    now = clock() // SECOND
    return {
        "iss": ISSUER,
        "sub": "u_ada",
        "aud": AUDIENCE,
        "client_id": "app",
        "iat": now,
        "exp": now + HOUR,
        "jti": "old-1-token",
    } | more


def test_a_token_of_the_old_issuer_verifies_until_it_expires_and_then_its_key_goes(
    server: Any, lifecycle: Lifecycle, clock: Clock
) -> None:
    token = jwt.encode({"alg": "RS256", "typ": "at+jwt", "kid": "old-1"}, claims(clock), OLD)
    guard = Guard(
        ISSUER,
        AUDIENCE,
        keys=lambda: server.get("/.well-known/jwks.json").json(),
        now=lambda: clock() / SECOND,
    )
    assert guard.verify(token).subject == "u_ada"
    lifecycle.run_due()
    key = next(key for key in lifecycle.read() if key.kid == "old-1")
    assert (key.state, key.wrapped) == ("retired", None)
    lifecycle.promote("RS256", emergency=True)  # the key that it announces stays no longer for the old issuer's tokens
    assert {one.max_token_ttl for one in lifecycle.read() if one.state == "pending"} == {900}
    clock.forward((removable_at(key, lifecycle.policy) - clock()) // SECOND - 1)
    lifecycle.run_due()
    assert "old-1" in [key.kid for key in lifecycle.read() if key.state == "retired"]
    clock.forward(2)
    lifecycle.run_due()
    assert "old-1" in [key.kid for key in lifecycle.read() if key.state == "removed"]


ODD = [
    {"jti": None},
    {"jti": "x" * 65},
    {"jti": 5},
    {"sub": None},
    {"client_id": ["app"]},
    {"iat": "now"},
    {"exp": 1e300},
    {"exp": True},
    {"exp": -1},
    {"aud": None},
    {"aud": {"a": 1}},
    {"aud": [{"a": 1}]},
    {"grant_id": "not hex"},
    {"grant_id": 7},
    {"iss": "https://old.example"},
]


@pytest.mark.parametrize("endpoint", ["/introspect", "/revoke"])
@pytest.mark.parametrize("odd", ODD, ids=str)
def test_a_token_that_this_server_would_not_write_is_unknown_here(
    server: Any, clock: Clock, odd: Any, endpoint: str
) -> None:
    made_elsewhere = AccessTokens(public_jwk(OLD, "RS256", "old-1"), "RS256", InProcess("RS256", OLD))
    token = made_elsewhere.sign(claims(clock, **odd))
    if endpoint == "/introspect":
        assert Introspector(server).shown(token) == INACTIVE
    else:
        assert server.post("/revoke", data={"client_id": "app", "token": token}).status_code == 200


@pytest.mark.parametrize("payload", ["[]", "null", "1", "[" * 5000, "{", json.dumps("claims")])
def test_a_payload_that_is_no_object_is_unknown_here(server: Any, payload: Any) -> None:
    made_elsewhere = AccessTokens(public_jwk(OLD, "RS256", "old-1"), "RS256", InProcess("RS256", OLD))
    header = made_elsewhere.headers["at+jwt"].decode()
    signing_input = f"{header}.{base64url.encode(payload.encode())}"
    signature = base64url.encode(InProcess("RS256", OLD).sign(signing_input.encode()))
    assert Introspector(server).shown(f"{signing_input}.{signature}") == INACTIVE
