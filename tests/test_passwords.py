"""Usernames and passwords in their PRECIS forms, and hashing that is bounded and the same for everybody."""

import asyncio
import re
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from unicodedata import normalize

import argon2
import pytest
from argon2 import Type, extract_parameters
from argon2.exceptions import VerifyMismatchError
from hypothesis import given
from hypothesis import strategies as st
from precis_i18n import get_profile

from authserver import cpu
from authserver.domain.errors import Unavailable
from authserver.passwords import PasswordCheck, PasswordHasher, password_form, username_form
from tests.harness.constants import LONG

NO_MATCH = PasswordCheck(False)
NETWORK = "192.0.2.0/24"
ARGON2, OWNERS = "$argon2id$hash", "$argon2id$owner"


odd = st.sampled_from(["\ud800", "\udfff", "\u0130", "\u1e9e", "\ufb03", "\u05d0", "\u0301", "\uff21", " ", "\0"])
anything = st.lists(st.one_of(st.characters(), odd), max_size=30).map("".join)


ASKING = "\u30fb\u0660\u0661\u06f0\u06f1l\u00b7\u200c\u200d\u0628\u064b\u30a2\u0915\u094d\u05d0\u05f3\u0375\u03b1aA "
asking = st.text(ASKING, max_size=9)


@given(asking | anything)
def test_the_form_of_a_username_is_that_of_rfc_8265(text: str) -> None:
    try:
        expected = get_profile("UsernameCaseMapped").enforce(text)
    except UnicodeError:
        expected = None
    assert username_form(text) == expected


@pytest.mark.parametrize(
    "pattern",
    [
        "\u30fb",
        "\u0661",
        "\u06f1",
        "\u0628\u200c",
        "\u0628\u064b\u200c\u064b",
        "\u0915\u094d\u200d",
        "\u05d0\u05f3",
        "a",
        "e\u0301",
    ]
    + ["\uff21", "\u0390", "\uac00", "\u0628\u0661", "l\u00b7"],
)
def test_the_work_on_a_username_grows_with_its_length_and_not_faster(pattern: str) -> None:
    """256 middle dots before a letter of katakana took 44 ms of the event loop."""

    def calls(length: int) -> int:
        count = 0

        def counted(*_: object) -> None:
            nonlocal count
            count += 1

        text = ("\u0628" if pattern in "\u0661\u06f1" else "") + (pattern * length)[: length - 2] + "\u30a2"
        sys.setprofile(counted)
        try:
            username_form(text)
        finally:
            sys.setprofile(None)
        return count

    assert calls(256) < 2.5 * calls(128) + 100


@pytest.mark.parametrize(
    ("text", "form"),
    [
        # RFC 8265 s3.5, tables 1 and 2.
        ("juliet@example.com", "juliet@example.com"),
        ("fussball", "fussball"),
        ("fu\u00dfball", "fu\u00dfball"),
        ("\u03c0", "\u03c0"),
        ("\u03a3", "\u03c3"),
        ("\u03c3", "\u03c3"),
        ("\u03c2", "\u03c2"),
        ("foo bar", None),
        ("", None),
        ("henry\u2163", None),
        ("\u265a", None),
        # s3.3.2: width, case, NFC, the Bidi Rule.
        ("\uff2a\uff35\uff2c\uff29\uff25\uff34", "juliet"),
        ("ADA", "ada"),
        ("A\u030angstro\u0308m", "\u00e5ngstr\u00f6m"),
        ("\u05d0\u05d1", "\u05d0\u05d1"),
        ("\u05d0a", None),
        ("a\u200bb", None),
        ("ada\n", None),
        ("ada\0", None),
        (" ada", None),
        ("\ud800", None),
        ("a" * 256, "a" * 256),
        ("a" * 257, None),
    ],
)
def test_the_form_of_a_username_rfc8265_3_3(text: str, form: str | None) -> None:
    assert username_form(text) == form


@pytest.mark.parametrize(
    ("text", "form"),
    [
        # RFC 8265 s4.3, tables 3 and 4.
        ("correct horse battery staple", "correct horse battery staple"),
        ("Correct Horse Battery Staple", "Correct Horse Battery Staple"),
        ("\u03c0\u00df\u00e5", "\u03c0\u00df\u00e5"),
        ("Jack of \u2666s", "Jack of \u2666s"),
        ("foo\u1680bar", "foo bar"),
        ("", None),
        ("my cat is a \tby", None),
        # s4.2.2: no width, no case, no trimming; spaces are one kind of space; NFC.
        (" leading and trailing ", " leading and trailing "),
        ("\u00a0\u2003", "  "),
        ("\uff21", "\uff21"),
        ("e\u0301", "\u00e9"),
        ("a\0b", None),
        ("line\n", None),
        ("\ud800", None),
        ("p" * 1024, "p" * 1024),
        ("p" * 1025, None),
        ("\u00e9" * 512, "\u00e9" * 512),
        ("\u00e9" * 513, None),
        # Characters that the profile refuses, and people type: a heart with its variation selector, a joined family,
        # a keycap, a joiner as Persian needs it, a character that no version of Unicode that we know has assigned.
        ("\u2764\ufe0f", "\u2764\ufe0f"),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f468\u200d\U0001f469\u200d\U0001f467"),
        ("1\ufe0f\u20e3", "1\ufe0f\u20e3"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        ("\U000e01ef\u0378", "\U000e01ef\u0378"),
        # Controls, of either set.
        ("\u2764\x7f", None),
        ("\u2764\x85", None),
    ],
)
def test_the_form_of_a_password_rfc8265_4_2(text: str, form: str | None) -> None:
    assert password_form(text) == form


@given(st.one_of(anything, st.text(st.characters(max_codepoint=0x3000), max_size=30)))
def test_a_password_that_the_profile_has_a_form_of_has_the_same_form_here_rfc8265_4_2(text: str) -> None:
    try:
        form = get_profile("OpaqueString").enforce(text)
    except UnicodeError:
        return
    assert password_form(text) == form


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=200))
def test_every_text_without_controls_can_be_a_password_sp800_63b_3_1_1_2(text: str) -> None:
    assert password_form(text) == normalize("NFC", re.sub(r"[^\S\u2028\u2029]", " ", text))


@given(anything)
def test_any_text_has_one_form_or_none_and_a_form_is_its_own_rfc8264_7(text: str) -> None:
    for form_of in (username_form, password_form):
        form = form_of(text)
        assert form is None or form_of(form) == form


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


def test_who_leaves_before_the_work_has_begun_makes_room_and_costs_nothing(
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
def test_one_core_is_left_to_whoever_refreshes_meanwhile_and_workers_share_the_others(
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
def test_a_stored_hash_that_is_none_matches_nothing(passwords: PasswordHasher, stored: str) -> None:
    assert match(passwords, stored, "plain text") == NO_MATCH


def test_a_hash_with_older_parameters_is_renewed_by_a_right_password_only(passwords: PasswordHasher) -> None:
    old = argon2.PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash("right")
    found = match(passwords, old, "right")
    assert found.matches and found.rehashed
    assert extract_parameters(found.rehashed) == extract_parameters(passwords.hash("right"))
    assert match(passwords, found.rehashed, "right") == PasswordCheck(True)
    assert match(passwords, old, "wrong") == NO_MATCH
