"""The memory of verified tokens, and what nobody can change in it."""

import copy
import dataclasses
import json
from threading import Thread
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from authserver.resource import (
    Guard,
    InsufficientScope,
)
from tests.harness.constants import LONG
from tests.harness.existing import existing
from tests.resource.tools import AUDIENCE, ISSUER, Clock, public, rejected, token_of


def test_a_repeated_token_is_remembered_and_is_the_same_value(guard: Guard, key: RSAKey) -> None:
    token = token_of(key)
    assert guard.verify(token) is guard.verify(token)


def test_a_remembered_token_expires(guard: Guard, key: RSAKey, clock: Clock) -> None:
    token = token_of(key)
    guard.verify(token)
    clock.forward(899)
    guard.verify(token)
    clock.forward(1)
    assert rejected(lambda: guard.verify(token)) == "expired"


def test_a_remembered_token_goes_with_its_key(key: RSAKey, other_key: RSAKey, clock: Clock) -> None:
    jwks = public(key, other_key)
    guard = Guard(ISSUER, AUDIENCE, keys=lambda: jwks, now=clock)
    token = token_of(key)
    guard.verify(token)
    jwks["keys"].pop(0)  # in place: noticed all the same
    assert "no such key" in rejected(lambda: guard.verify(token))
    jwks["keys"][0]["kid"] = "key-1"  # another key under its name
    assert rejected(lambda: guard.verify(token)) == "wrong signature"


def test_a_remembered_token_is_asked_for_scopes_again(guard: Guard, key: RSAKey) -> None:
    token = token_of(key)
    guard.verify(token)
    with pytest.raises(InsufficientScope):
        guard.verify(token, "admin")


def test_the_memory_of_tokens_is_bounded(guard: Guard, key: RSAKey, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = guard._verifier._verified
    monkeypatch.setattr(memory, "_size", 10)
    tokens = [token_of(key, jti=str(number)) for number in range(15)]
    often = guard.verify(tokens[0])
    for token in tokens:
        guard.verify(token)
        assert guard.verify(tokens[0]) is often
    memory.drop("what another thread has dropped")
    assert len(memory) == 10 and memory.get(tokens[0]) and not memory.get(tokens[1])


def test_refused_tokens_and_their_headers_are_not_remembered(guard: Guard, key: RSAKey) -> None:
    for number in range(50):
        rejected(lambda number=number: guard.verify(token_of(key, aud=str(number))[:-9] + "AAAAAAAAA"))  # type: ignore[misc]
    assert len(guard._verifier._verified) == len(existing(guard._verifier._only).headers) == 0


def test_nobody_can_change_what_a_remembered_token_says(guard: Guard, key: RSAKey) -> None:
    token: Any = guard.verify(token_of(key, roles=["user"], tenant={"id": 1, "list": [{"a": 1}]}))
    for spoil in (
        lambda: token.claims.update(sub="admin"),
        lambda: token.claims.pop("sub"),
        lambda: token.claims.__setitem__("sub", "admin"),
        lambda: token.claims.__ior__({"sub": "admin"}),
        lambda: token.claims["tenant"].clear(),
        lambda: token.claims["tenant"]["list"][0].setdefault("b", 1),
        lambda: setattr(token, "subject", "admin"),
    ):
        with pytest.raises((TypeError, AttributeError)):
            spoil()
    assert token.claims["roles"] == ("user",) and token.claims["sub"] == token.subject == "user-1"


def test_a_token_can_be_hashed_copied_and_shown(guard: Guard, key: RSAKey) -> None:
    token = guard.verify(token_of(key))
    assert len({token, dataclasses.replace(token)}) == 1
    assert json.loads(json.dumps(token.claims)) == token.claims
    assert dataclasses.asdict(token)["claims"]["sub"] == copy.copy(token).subject == "user-1"


def test_many_threads_verify_at_once(guard: Guard, key: RSAKey) -> None:
    tokens = [token_of(key, jti=str(number)) for number in range(20)]
    seen: list[str] = []

    def work() -> None:
        for _ in range(20):
            seen.extend(guard.verify(token, "read").jti for token in tokens)

    threads = [Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert len(seen) == 8 * 20 * 20
