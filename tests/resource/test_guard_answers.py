"""What HTTP says: challenges, bodies, step-up and documents."""

import json
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from authserver.resource import (
    Guard,
    InsufficientAuthentication,
    KeysUnavailable,
    TokenMissing,
    TokenRejected,
)
from tests.resource.tools import AUDIENCE, ISSUER, NOW, Clock, public, token_of


def test_rfc9470_s3_a_sign_in_older_than_max_age_must_be_repeated(guard: Guard, key: RSAKey) -> None:
    assert guard.verify(token_of(key, auth_time=NOW - 300), max_age=300)
    for auth_time in ({"auth_time": NOW - 301}, {}):
        with pytest.raises(InsufficientAuthentication) as refused:
            guard.verify(token_of(key, **auth_time), "read", max_age=300)
        assert refused.value.status == 401
        challenge = guard.answer(refused.value).headers["WWW-Authenticate"]
        assert 'error="insufficient_user_authentication"' in challenge and 'max_age="300"' in challenge
        assert "acr_values" not in challenge


def test_rfc9470_s3_a_sign_in_of_another_acr_must_be_repeated(guard: Guard, key: RSAKey) -> None:
    assert guard.verify(token_of(key, acr="gold"), acr=["platinum", "gold"]).acr == "gold"
    with pytest.raises(InsufficientAuthentication) as refused:
        guard.verify(token_of(key, acr="tin"), acr=("gold", "platinum"))
    challenge = guard.answer(refused.value).headers["WWW-Authenticate"]
    assert 'acr_values="gold platinum"' in challenge and "max_age" not in challenge
    with pytest.raises(InsufficientAuthentication):
        guard.verify(token_of(key), acr="gold")


def test_the_log_says_why_and_the_caller_is_not_told(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "authserver.resource")
    assert b"issuer" not in guard.answer(TokenRejected("wrong issuer")).body
    assert caplog.messages == ["access token rejected: wrong issuer"]


def test_rfc9728_the_metadata_name_the_issuer_and_scopes_and_the_challenge_links_them(
    key: RSAKey, clock: Clock
) -> None:
    url = "https://api.example/.well-known/oauth-protected-resource"
    guard = Guard(ISSUER, AUDIENCE, keys=public(key), resource_metadata=url, now=clock)
    guard.flask("write")
    guard.django("read", "write")
    assert guard.metadata(resource_name="Notes") == {
        "resource": AUDIENCE,
        "authorization_servers": [ISSUER],
        "scopes_supported": ["read", "write"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Notes",
    }
    challenge = guard.answer(TokenMissing("none")).headers["WWW-Authenticate"]
    assert challenge == f'Bearer realm="{AUDIENCE}", resource_metadata="{url}"'


def test_rfc6750_s3_answers(guard: Guard, key: RSAKey, clock: Clock) -> None:
    def answered(*scope: str, **changes: object) -> tuple[int, str, Any]:
        with pytest.raises(TokenRejected) as refused:
            guard.verify(token_of(key, **changes), *scope)
        answer = guard.answer(refused.value)
        assert answer.headers["Content-Type"] == "application/json" and answer.headers["Cache-Control"] == "no-store"
        return answer.status, answer.headers["WWW-Authenticate"], json.loads(answer.body)

    realm = f'Bearer realm="{AUDIENCE}", '
    text = "The access token is invalid"
    assert answered(sub=1) == (
        401,
        f'{realm}error="invalid_token", error_description="{text}"',
        {"error": "invalid_token", "error_description": text},
    )
    text = "The access token has expired"
    assert answered(exp=NOW) == (
        401,
        f'{realm}error="invalid_token", error_description="{text}"',
        {"error": "invalid_token", "error_description": text},
    )
    text = "The access token does not have the required scope"
    assert answered("read", "admin") == (
        403,
        f'{realm}error="insufficient_scope", error_description="{text}", scope="read admin"',
        {"error": "insufficient_scope", "error_description": text},
    )


def test_503_has_retry_after_and_no_challenge(guard: Guard) -> None:
    answer = guard.answer(KeysUnavailable("x"))
    assert answer.status == 503 and answer.headers["Retry-After"] == "5" and "WWW-Authenticate" not in answer.headers


def test_the_body_can_be_one_s_own(key: RSAKey, clock: Clock) -> None:
    def body(rejected: TokenRejected) -> dict[str, object]:
        return {"error": "Access token has expired" if rejected.expired else "Access token is not valid"}

    guard = Guard(ISSUER, AUDIENCE, keys=public(key), body=body, now=clock)
    with pytest.raises(TokenRejected) as refused:
        guard.verify(token_of(key, exp=NOW))
    assert json.loads(guard.answer(refused.value).body) == {"error": "Access token has expired"}
