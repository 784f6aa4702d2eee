"""Fetched keys over hours, with the clock passed in."""

import logging
import sys
import time
from contextlib import suppress

import pytest
from joserfc.jwk import RSAKey

from authserver.resource import KeysUnavailable, TokenRejected
from authserver.resource import clock as clock_of_the_guard
from authserver.resource.keys import WouldWait
from tests.harness.constants import LONG
from tests.resource.network import Network, found, guard_with, make
from tests.resource.tools import NOW, Clock, public, rejected, token_of


def test_nothing_is_fetched_before_the_first_token_and_nothing_for_garbage(key: RSAKey, clock: Clock) -> None:
    network = Network(public(key))
    guard = guard_with(network, clock)
    for garbage in ("", "a.b.c", "x" * 9000, token_of(key) + "=", token_of(key).replace(".", "..")):
        assert rejected(lambda garbage=garbage: guard.verify(garbage))  # type: ignore[misc]
    assert network.seen == []
    guard.verify(token_of(key))
    assert len(network.seen) == 1


def test_a_retired_key_verifies_and_a_removed_one_does_not(key: RSAKey, other_key: RSAKey, clock: Clock) -> None:
    network = Network(public(other_key, key))  # key-1 signs no more and is still published
    keys = make(network, clock)
    assert found(keys, "key-1")
    network.jwks = public(other_key)
    clock.forward(59)
    assert not found(keys, "key-1") and found(keys, "key-2")


@pytest.mark.parametrize("pause", [1, 7, 49, 51, 59])
def test_a_revoked_key_is_gone_within_60_s_while_tokens_arrive(
    key: RSAKey, other_key: RSAKey, clock: Clock, pause: int
) -> None:
    network = Network(public(key, other_key), cache_control="max-age=300")
    guard, token = guard_with(network, clock), token_of(key)
    guard.verify(token)
    network.jwks = public(other_key)
    accepted = []
    for seconds in range(pause, 200, pause):
        clock.now = NOW + seconds
        with suppress(TokenRejected):
            guard.verify(token)
            accepted.append(seconds)
    assert max(accepted, default=0) <= 60


def test_a_revoked_key_is_refused_at_once_after_a_quiet_hour(key: RSAKey, other_key: RSAKey, clock: Clock) -> None:
    network = Network(public(key, other_key))
    guard, token = guard_with(network, clock), token_of(key, exp=NOW + 9999)
    guard.verify(token)
    network.jwks = public(other_key)
    clock.forward(3600)
    assert "no such key" in rejected(lambda: guard.verify(token))


def test_after_a_quiet_minute_one_verification_waits_for_a_look(key: RSAKey, clock: Clock) -> None:
    network = Network(public(key))
    keys = make(network, clock)
    found(keys, "key-1")
    clock.forward(61)
    with pytest.raises(WouldWait):
        keys.find("key-1", wait=False)
    network.down = True
    assert found(keys, "key-1")  # the look failed: the last good keys
    clock.forward(61)
    assert keys.find("key-1", wait=False)  # and nobody waits for an issuer that is down


def test_verification_continues_while_the_issuer_is_down_for_an_hour(
    key: RSAKey, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    network = Network(public(key))
    guard = guard_with(network, clock)
    guard.verify(token_of(key))
    network.down = True
    for second in range(0, 3600, 9):
        clock.now = NOW + second
        assert guard.verify(token_of(key, exp=NOW + 9999, jti=str(second))).subject == "user-1"
    assert len(network.seen) <= 400
    assert [record.levelno for record in caplog.records].count(logging.WARNING) == 1  # quiet


def test_last_good_keys_serve_for_24_hours_and_no_longer(key: RSAKey, clock: Clock) -> None:
    network = Network(public(key))
    keys = make(network, clock)
    assert found(keys, "key-1")
    network.down = True
    clock.forward(86_400)
    assert found(keys, "key-1")
    clock.forward(6)
    with pytest.raises(KeysUnavailable):
        keys.find("key-1", wait=True)
    network.down = False
    clock.forward(6)
    assert found(keys, "key-1")


@pytest.mark.parametrize("step", [2 * 86_400, -2 * 86_400])
def test_a_machine_whose_clock_is_set_while_the_issuer_is_down_keeps_its_keys(
    key: RSAKey, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    wall, steady, network = Clock(), Clock(), Network(public(key))
    monkeypatch.setattr("authserver.resource.clock.wall", wall)
    monkeypatch.setattr("authserver.resource.clock.steady", steady)
    guard, token = guard_with(network, None), token_of(key, iat=NOW - 3 * 86_400, exp=NOW + 9 * 86_400)
    guard.verify(token)
    network.down = True
    wall.forward(step)
    assert guard.verify(token).subject == "user-1"
    steady.forward(86_400)
    assert guard.verify(token).subject == "user-1"
    steady.forward(6)
    with pytest.raises(KeysUnavailable):
        guard.verify(token)


@pytest.mark.skipif(sys.platform != "linux", reason="CLOCK_BOOTTIME is Linux's")
def test_keys_age_while_linux_is_suspended() -> None:
    assert abs(clock_of_the_guard.steady() - time.clock_gettime(time.CLOCK_BOOTTIME)) < LONG


def test_no_keys_yet_is_503_and_not_asked_again_at_once(key: RSAKey, clock: Clock) -> None:
    network = Network(public(key))
    network.down = True
    guard = guard_with(network, clock)
    for _ in range(10):
        with pytest.raises(KeysUnavailable) as refused:
            guard.verify(token_of(key))
    assert refused.value.status == 503 and len(network.seen) == 1
    network.down = False
    clock.forward(6)
    assert guard.verify(token_of(key))


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b"{}", b'{"keys":[]}', b'{"keys":[{}]}', b'{"keys":[],"keys":[]}', b"[" * 9999]
)
def test_an_answer_without_a_usable_key_changes_nothing(key: RSAKey, clock: Clock, body: bytes) -> None:
    network = Network(public(key), etag='"1"')
    keys = make(network, clock)
    assert found(keys, "key-1")
    network.jwks, network.fields = body, {"etag": '"bad"'}  # type: ignore[assignment]
    clock.forward(51)
    assert found(keys, "key-1")
    clock.forward(6)
    assert found(keys, "key-1")
    assert [seen.get("If-None-Match") for seen in network.seen] == [None, '"1"', '"1"']


def test_the_etag_revalidates_within_60_s(key: RSAKey, clock: Clock) -> None:
    network = Network(public(key), etag='"1"')
    keys = make(network, clock)
    for _ in range(601):
        assert found(keys, "key-1")
        clock.forward(1)
    assert len(network.seen) == 12 or len(network.seen) == 13
    assert all(seen == {"If-None-Match": '"1"'} for seen in network.seen[1:])


@pytest.mark.parametrize(
    ("cache_control", "seconds"),
    [
        ("max-age=300", 50),
        ("max-age=20", 20),
        ("max-age=0", 5),
        ("no-store", 5),
        ("", 50),
        ("max-age=x", 50),
        ("public, Max-Age=7", 7),
    ],
)
def test_cache_control_is_honoured_within_bounds(key: RSAKey, clock: Clock, cache_control: str, seconds: int) -> None:
    network = Network(public(key), cache_control=cache_control)
    keys = make(network, clock)
    found(keys, "key-1")
    clock.forward(seconds - 1)
    found(keys, "key-1")
    assert len(network.seen) == 1
    clock.forward(1)
    found(keys, "key-1")
    assert len(network.seen) == 2


def test_a_clock_that_jumps_back_does_not_stop_the_refresh(key: RSAKey, other_key: RSAKey, clock: Clock) -> None:
    network = Network(public(key))
    keys = make(network, clock)
    found(keys, "key-1")
    network.jwks = public(other_key)
    clock.forward(-7200)
    assert found(keys, "key-2") and not found(keys, "key-1")


def test_a_thread_that_cannot_be_started_costs_nothing(key: RSAKey, clock: Clock) -> None:
    keys = make(Network(public(key)), clock)
    found(keys, "key-1")

    def exhausted(work: object) -> None:
        raise RuntimeError("can't start new thread")

    keys._spawn = exhausted
    clock.forward(55)
    assert found(keys, "key-1")


def test_a_fetch_that_does_not_end_is_given_up_after_30_s(key: RSAKey, clock: Clock) -> None:
    network = Network(public(key))
    keys = make(network, clock)
    found(keys, "key-1")
    keys._spawn = lambda work: None  # a transport that hangs
    clock.forward(51)
    found(keys, "key-1")
    keys._spawn = lambda work: work()
    clock.forward(31)
    found(keys, "key-1")
    assert len(network.seen) == 2


def test_an_unchanged_key_stays_the_same_object_and_a_replaced_one_does_not(
    key: RSAKey, other_key: RSAKey, clock: Clock
) -> None:
    network = Network(public(key))
    keys = make(network, clock)
    first = keys.find("key-1", wait=True)
    clock.forward(51)
    assert keys.find("key-1", wait=True) is first
    network.jwks = {"keys": [{**public(other_key)["keys"][0], "kid": "key-1"}]}
    clock.forward(51)
    keys.find("key-1", wait=True)
    assert keys.find("key-1", wait=True) is not first
