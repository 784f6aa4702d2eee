"""Unknown kids, many threads, one fetch; and who may wait for it."""

import asyncio
from collections.abc import Callable, Mapping
from threading import Barrier, Event, Thread
from time import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import RSAKey

from authserver.resource import Fetched, Guard
from authserver.resource.keys import FetchedKeys, WouldWait
from authserver.resource.source import Source
from tests.harness.constants import LONG
from tests.harness.existing import existing
from tests.resource.network import JWKS, Network, found, guard_with, make
from tests.resource.tools import AUDIENCE, ISSUER, Clock, few, public, token_of


def test_10000_random_kids_cause_one_fetch_in_30_s(key: RSAKey, clock: Clock) -> None:
    network = Network(public(key))
    keys = make(network, clock)
    found(keys, "key-1")
    for number in range(10_000):
        assert not found(keys, f"random-{number}")
        clock.forward(0.03)
    assert len(network.seen) == 1 + 10  # 300 s


@few
@given(st.lists(st.tuples(st.floats(0, 40), st.integers(0, 9)), max_size=60))
def test_unknown_kids_never_cause_two_fetches_in_30_s(steps: list[tuple[float, int]]) -> None:
    clock, network = Clock(), Network({"keys": []})
    network.jwks = public(RSAKey.import_key(KNOWN))
    keys = make(network, clock)
    times = []
    for pause, kid in steps:
        clock.forward(pause)
        before = len(network.seen)
        found(keys, f"random-{kid}")
        times += [clock()] * (len(network.seen) - before)
    assert all(later - earlier >= 30 for earlier, later in zip(times, times[1:], strict=False))


KNOWN: Any = RSAKey.generate_key(2048, {"kid": "known", "use": "sig", "alg": "RS256"}).as_dict(private=False)


def test_the_first_unknown_kid_is_asked_for_at_once(key: RSAKey, other_key: RSAKey, clock: Clock) -> None:
    network = Network(public(key))
    guard = guard_with(network, clock)
    guard.verify(token_of(key))
    network.jwks = public(key, other_key)
    clock.forward(1)
    assert guard.verify(token_of(other_key)).subject == "user-1"


def test_unknown_kids_do_not_wait_while_the_issuer_is_down(key: RSAKey, clock: Clock) -> None:
    network = Network(public(key))
    held: list[Callable[[], None]] = []
    keys = make(network, clock)
    found(keys, "key-1")
    network.down = True
    assert not found(keys, "random-1")  # that was the one for 30 s, and it failed
    keys._spawn = held.append  # from now on fetches hang
    clock.forward(6)
    assert found(keys, "key-1") and len(held) == 1
    assert keys.find("random-2", wait=False) is None  # does not wait for what hangs


class NeverSet(Event):
    """Records how long it is waited for, and says at once that this was in vain."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout)
        assert len(self.waits) < 9, "it is waited for without end"
        return False


def test_an_unknown_kid_waits_once_for_3_s_for_an_issuer_that_hangs(key: RSAKey, clock: Clock) -> None:
    keys, ended = make(Network(public(key)), clock), NeverSet()
    found(keys, "key-1")

    def hang(_: Callable[[], None]) -> None:
        existing(keys._fetch).ended = ended

    keys._spawn = hang
    assert not found(keys, "random-1")
    assert ended.waits == [3]


def test_keys_that_are_known_are_not_waited_for(key: RSAKey, clock: Clock) -> None:
    held: list[Callable[[], None]] = []
    keys = make(Network(public(key)), clock)
    found(keys, "key-1")
    keys._spawn = held.append
    for _ in range(9):
        clock.forward(6)
        assert keys.find("key-1", wait=False)
    assert len(held) == 1  # single flight
    held[0]()
    assert keys.find("key-1", wait=False)


def test_single_flight_at_a_cold_start(key: RSAKey, clock: Clock) -> None:
    network, hold = Network(public(key)), Event()

    def slowly(url: str, headers: Mapping[str, str]) -> Fetched:
        answer = network(url, headers)
        hold.wait(5)
        return answer

    guard = Guard(ISSUER, AUDIENCE, jwks_uri=JWKS, now=clock, fetch=slowly)
    barrier, subjects = Barrier(17), []

    def work() -> None:
        barrier.wait(LONG)
        subjects.append(guard.verify(token_of(key)).subject)

    threads = [Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    barrier.wait(LONG)
    hold.set()
    for thread in threads:
        thread.join(LONG)
    assert subjects == ["user-1"] * 16 and len(network.seen) == 1


def test_many_threads_with_known_and_unknown_kids_cause_two_fetches(key: RSAKey) -> None:
    network, pause = Network(public(key)), Event()

    def slowly(url: str, headers: Mapping[str, str]) -> Fetched:
        pause.wait(0.02)
        return network(url, headers)

    keys = FetchedKeys(Source(ISSUER, JWKS, slowly, time).load, frozenset({"RS256"}), time)
    results: list[bool] = []

    def work(name: int) -> None:
        for number in range(100):
            results.append(keys.find("key-1", wait=True) is not None)
            results.append(keys.find(f"random-{name}-{number}", wait=True) is None)

    threads = [Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert all(results) and len(results) == 1600
    assert len(network.seen) <= 2  # the first load, and one for all unknown kids


def test_averify_waits_in_a_thread_and_only_when_it_must(key: RSAKey, clock: Clock) -> None:
    network = Network(public(key))
    guard = guard_with(network, clock)

    async def both() -> list[Any]:
        return await asyncio.gather(*(guard.averify(token_of(key), "read") for _ in range(8)))

    assert [token.subject for token in asyncio.run(both())] == ["user-1"] * 8
    assert len(network.seen) == 1
    keys = make(network, clock)
    with pytest.raises(WouldWait):
        keys.find("key-1", wait=False)
    found(keys, "key-1")
    with pytest.raises(WouldWait):
        keys.find("unknown", wait=False)
