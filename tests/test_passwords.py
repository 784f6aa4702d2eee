"""Hashing passwords, which is bounded and the same for everybody."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator

import argon2
import pytest
from argon2 import Type, extract_parameters
from argon2.exceptions import VerifyMismatchError

from authserver import cpu
from authserver.domain.errors import Unavailable
from authserver.passwords import PasswordCheck, PasswordHasher
from tests.harness.constants import LONG

NO_MATCH = PasswordCheck(False)
NETWORK = "192.0.2.0/24"
ARGON2, OWNERS = "$argon2id$hash", "$argon2id$owner"


class Hasher:
    """In place of Argon2: every verification waits until the gate is open, and is counted."""

    def __init__(self) -> None:
        self.gate, self.begun = threading.Event(), threading.Semaphore(0)
        self.verified: list[tuple[str, str]] = []

    def verify(self, password_hash: str, password: str) -> None:
        self.verified.append((password_hash, password))
        self.begun.release()
        assert self.gate.wait(LONG)
        raise VerifyMismatchError


@pytest.fixture
def hasher() -> Hasher:
    return Hasher()


def pool(monkeypatch: pytest.MonkeyPatch, hasher: Hasher, *, threads: int, queue: int) -> PasswordHasher:
    monkeypatch.setattr(cpu, "available", lambda: threads + 1)
    passwords = PasswordHasher(queue)
    monkeypatch.setattr(passwords, "_hasher", hasher)
    return passwords


def live(passwords: PasswordHasher, hasher: Hasher, scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    """Whatever happens, nothing is left hanging."""

    async def whole() -> None:
        try:
            await scenario()
        finally:
            hasher.gate.set()
            await asyncio.to_thread(passwords.close)

    asyncio.run(whole())


async def is_full(passwords: PasswordHasher) -> bool:
    try:
        await asyncio.wait_for(passwords.match(ARGON2, "password", NETWORK), 0.01)
    except Unavailable as error:
        assert error.retry_after >= 1
        return True
    except TimeoutError:
        return False
    raise AssertionError("The gate is open.")


async def begun(passwords: PasswordHasher, many: int) -> list[asyncio.Task[PasswordCheck]]:
    tasks = [asyncio.create_task(passwords.match(ARGON2, "password", NETWORK)) for _ in range(many)]
    await asyncio.sleep(0)
    return tasks


async def until_there_is_room(passwords: PasswordHasher) -> PasswordCheck:
    for _ in range(1000):
        try:
            return await passwords.match(ARGON2, "password", NETWORK)
        except Unavailable:
            await asyncio.sleep(0.005)
    raise AssertionError("Room has not come back.")


@pytest.mark.parametrize(("threads", "queue"), [(1, 0), (2, 0), (1, 3), (2, 2)])
def test_when_the_queue_is_full_more_are_refused_until_one_is_done(
    monkeypatch: pytest.MonkeyPatch, hasher: Hasher, threads: int, queue: int
) -> None:
    passwords = pool(monkeypatch, hasher, threads=threads, queue=queue)

    async def fill_and_empty() -> None:
        waiting = await begun(passwords, threads + queue)
        assert await is_full(passwords)
        assert not any(task.done() for task in waiting)
        hasher.gate.set()
        assert await asyncio.gather(*waiting) == [NO_MATCH] * (threads + queue)
        again = await begun(passwords, threads + queue)
        assert await asyncio.gather(*again) == [NO_MATCH] * (threads + queue)

    live(passwords, hasher, fill_and_empty)
    assert len(hasher.verified) == 2 * (threads + queue)


def test_room_comes_back_when_the_work_is_over_not_when_the_caller_has_gone(
    monkeypatch: pytest.MonkeyPatch, hasher: Hasher
) -> None:
    passwords = pool(monkeypatch, hasher, threads=2, queue=0)

    async def leave() -> None:
        waiting = await begun(passwords, 2)
        for _ in waiting:
            assert await asyncio.to_thread(hasher.begun.acquire, timeout=LONG)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert await is_full(passwords)
        hasher.gate.set()
        assert await until_there_is_room(passwords) == NO_MATCH

    live(passwords, hasher, leave)


def test_a_caller_who_leaves_before_the_work_has_begun_makes_room_and_costs_nothing(
    monkeypatch: pytest.MonkeyPatch, hasher: Hasher
) -> None:
    passwords = pool(monkeypatch, hasher, threads=1, queue=1)

    async def leave() -> None:
        first, second = await begun(passwords, 2)
        assert await is_full(passwords)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        await asyncio.sleep(0)
        (third,) = await begun(passwords, 1)
        hasher.gate.set()
        assert [*await asyncio.gather(first, third)] == [NO_MATCH, NO_MATCH]

    live(passwords, hasher, leave)
    assert len(hasher.verified) == 2


@pytest.mark.parametrize(
    ("cpus", "workers", "threads"), [(1, 1, 1), (2, 1, 1), (8, 1, 7), (8, 4, 1), (8, 2, 3), (2, 8, 1)]
)
def test_hashing_leaves_one_core_to_refreshes_and_workers_share_the_others(
    monkeypatch: pytest.MonkeyPatch, cpus: int, workers: int, threads: int
) -> None:
    monkeypatch.setattr(cpu, "available", lambda: cpus)
    passwords = PasswordHasher(workers=workers)
    assert passwords._pool._max_threads == threads
    passwords.close()


def test_a_network_that_fills_the_queue_keeps_no_other_from_being_next(
    monkeypatch: pytest.MonkeyPatch, hasher: Hasher
) -> None:
    passwords = pool(monkeypatch, hasher, threads=1, queue=10)

    async def storm() -> None:
        guesses = await begun(passwords, 11)
        owner = asyncio.create_task(passwords.match(OWNERS, "password", "198.51.100.0/24"))
        await asyncio.sleep(0)
        hasher.gate.set()
        assert await owner == NO_MATCH
        with pytest.raises(Unavailable, match="queue is full"):
            await guesses[-1]
        assert await asyncio.gather(*guesses[:-1]) == [NO_MATCH] * 10

    live(passwords, hasher, storm)
    assert [hash for hash, _ in hasher.verified].index(OWNERS) <= 2


def test_hundreds_of_networks_that_fill_the_queue_keep_a_known_network_from_nothing(
    monkeypatch: pytest.MonkeyPatch, hasher: Hasher
) -> None:
    passwords = pool(monkeypatch, hasher, threads=1, queue=10)

    async def storm() -> None:
        guesses = [asyncio.create_task(passwords.match(ARGON2, "password", f"10.0.{n}.0/24")) for n in range(11)]
        await asyncio.sleep(0)
        owner = asyncio.create_task(passwords.match(OWNERS, "password", "198.51.100.0/24", is_known=True))
        await asyncio.sleep(0)
        hasher.gate.set()
        assert await owner == NO_MATCH
        outcomes = await asyncio.gather(*guesses, return_exceptions=True)
        assert sum(isinstance(outcome, Unavailable) for outcome in outcomes) == 1

    live(passwords, hasher, storm)
    assert [hash for hash, _ in hasher.verified].index(OWNERS) <= 2


def test_a_check_that_does_not_begin_in_time_is_refused_and_one_that_has_begun_is_finished(
    monkeypatch: pytest.MonkeyPatch, hasher: Hasher
) -> None:
    monkeypatch.setattr("authserver.passwords._MAX_WAIT", 0.05)
    passwords = pool(monkeypatch, hasher, threads=1, queue=1)

    async def wait() -> None:
        (first,) = await begun(passwords, 1)
        assert await asyncio.to_thread(hasher.begun.acquire, timeout=LONG)
        with pytest.raises(Unavailable, match=r"took longer than 0\.05 s") as late:
            await passwords.match(ARGON2, "password", NETWORK)
        assert late.value.retry_after == 2
        hasher.gate.set()
        assert await first == NO_MATCH

    live(passwords, hasher, wait)
    assert len(hasher.verified) == 1


@pytest.fixture(scope="module")
def passwords(full_cost: None) -> Iterator[PasswordHasher]:
    passwords = PasswordHasher()
    yield passwords
    passwords.close()


def match(passwords: PasswordHasher, password_hash: str | None, password: str | None) -> PasswordCheck:
    return asyncio.run(passwords.match(password_hash, password, NETWORK))


def test_a_right_password_matches_and_a_wrong_one_does_not(passwords: PasswordHasher) -> None:
    stored = passwords.hash("right")
    assert match(passwords, stored, "right") == PasswordCheck(True)
    assert [match(passwords, stored, wrong) for wrong in ("wrong", "Right", "right ", "", None)] == [NO_MATCH] * 5


def test_hashes_are_argon2id_salted_and_not_cheap(passwords: PasswordHasher) -> None:
    one, other = passwords.hash("right"), passwords.hash("right")
    found = extract_parameters(one)
    assert one != other and found.type is Type.ID
    assert (found.time_cost, found.memory_cost, found.parallelism) == (2, 19 * 1024, 1)  # the least that OWASP advises
    assert found.salt_len >= 16


def test_the_same_work_is_done_whether_or_not_there_is_a_user_or_a_password(
    monkeypatch: pytest.MonkeyPatch, hasher: Hasher
) -> None:
    passwords = PasswordHasher()
    stored = passwords.hash("right")
    monkeypatch.setattr(passwords, "_hasher", hasher)
    hasher.gate.set()
    for password_hash in (stored, None):
        for password in ("wrong", None):
            hasher.verified.clear()
            assert match(passwords, password_hash, password) == NO_MATCH
            ((verified, _),) = hasher.verified
            assert extract_parameters(verified) == extract_parameters(stored)
    passwords.close()


def test_nobody_logs_in_as_nobody(passwords: PasswordHasher) -> None:
    assert match(passwords, None, "nobody has this password") == NO_MATCH
    assert match(passwords, passwords.hash(""), None) == NO_MATCH


@pytest.mark.parametrize("stored", ["", "!", "$argon2id$v=19$", "plain text", "$2b$12$" + "a" * 53])
def test_a_stored_text_that_is_no_hash_matches_nothing(passwords: PasswordHasher, stored: str) -> None:
    assert match(passwords, stored, "plain text") == NO_MATCH


def test_a_hash_with_older_parameters_is_renewed_by_a_right_password_only(passwords: PasswordHasher) -> None:
    old = argon2.PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash("right")
    found = match(passwords, old, "right")
    assert found.matches and found.rehashed
    assert extract_parameters(found.rehashed) == extract_parameters(passwords.hash("right"))
    assert match(passwords, found.rehashed, "right") == PasswordCheck(True)
    assert match(passwords, old, "wrong") == NO_MATCH
