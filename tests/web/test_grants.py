"""The three grants through the public door."""

from collections.abc import Callable
from typing import Any

from joserfc import jwt
from joserfc.jwk import KeySet
from starlette.testclient import TestClient

from tests.harness.clock import Clock


def test_client_credentials_verifies_against_the_jwks(http: TestClient, token: Callable[..., Any]) -> None:
    answer = token("client_credentials", "web", scope="read").json()
    keys = KeySet.import_key_set(http.get("/.well-known/jwks.json").json())
    verified = jwt.decode(answer["access_token"], keys, ["RS256"])
    assert verified.header["typ"] == "at+jwt"
    assert verified.claims["exp"] - verified.claims["iat"] == answer["expires_in"] == 900
    assert "refresh_token" not in answer


def test_a_token_used_again_is_a_retry_within_the_window_and_reuse_after_it_rfc9700_4_14_2(
    token: Callable[..., Any], login: Callable[..., Any], clock: Clock
) -> None:
    first = login()["refresh_token"]
    second = token("refresh_token", refresh_token=first).json()["refresh_token"]
    clock.forward(29.999999)
    assert token("refresh_token", refresh_token=first).json()["refresh_token"] == second
    clock.forward(0.000001)
    assert token("refresh_token", refresh_token=first).json()["error"] == "invalid_grant"
    assert token("refresh_token", refresh_token=second).json()["error"] == "invalid_grant"


def test_narrowing_does_not_stick_rfc6749_6(token: Callable[..., Any], login: Callable[..., Any]) -> None:
    answer = token("refresh_token", refresh_token=login()["refresh_token"], scope="read").json()
    assert answer["scope"] == "read"
    assert token("refresh_token", refresh_token=answer["refresh_token"]).json()["scope"] == "read write"
