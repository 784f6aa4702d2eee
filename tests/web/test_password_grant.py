"""The password grant: users, their passwords and the hashing pool."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from threading import Event
from typing import Any

import argon2
import pytest
from argon2 import extract_parameters
from starlette.testclient import TestClient

from authserver import passwords
from authserver.domain.models import User
from authserver.passwords import PasswordHasher, password_form, username_form
from authserver.store import users
from authserver.store.database import Database
from tests.harness.clock import Clock
from tests.harness.constants import LONG, PASSWORD
from tests.harness.existing import existing
from tests.web.answers import (
    INVALID_CLIENT,
    INVALID_GRANT,
    INVALID_REQUEST,
    INVALID_SCOPE,
    INVALID_TARGET,
    TOO_LARGE,
    UNAUTHORIZED_CLIENT,
    UNAVAILABLE,
    assert_granted,
    assert_refused,
)
from tests.web.serving import LocalServer, add_client, change_client, everything, execute, rows

CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def bytes_of(answer: Any) -> Any:
    """The body and the headers; each response has another id."""
    return answer.content, [header for header in answer.headers.items() if header[0] != "x-request-id"]


@pytest.fixture(scope="module")
def ask(shared: LocalServer) -> Callable[..., Any]:
    """`ask(username, password)` as the client app, on the module's server."""

    def ask(username: Any, password: Any, **more: Any) -> Any:
        form = {"grant_type": "password", "client_id": "app", "username": username, "password": password} | more
        return shared.http.post("/token", data=form)

    return ask


@pytest.fixture(scope="module")
def register(shared: LocalServer) -> Callable[..., Any]:
    """`register(username, password)` adds a user in the forms in which commands store them."""

    def register(username: Any, password: Any = PASSWORD, **more: Any) -> None:
        name, hashed = existing(username_form(username)), CHEAP.hash(existing(password_form(password)))
        user = User(f"u_{username.encode().hex()}"[:64], name, hashed)
        with shared.database.begin() as connection:
            assert users.add(connection, user)

    return register


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The parameters of every password hash that is computed from now on, and the password's length."""
    work, verify = [], argon2.PasswordHasher.verify

    def counted(self: Any, hash: Any, password: Any) -> Any:
        work.append((extract_parameters(hash), len(password)))
        return verify(self, hash, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", counted)
    return work


def test_a_wrong_password_is_refused(ask: Any) -> None:
    assert_granted(ask("ada", PASSWORD))
    for wrong in (PASSWORD[:-1], PASSWORD + "x", PASSWORD.upper(), PASSWORD.replace(" ", ""), "é"):
        assert_refused(ask("ada", wrong), INVALID_GRANT)


def test_unknown_user_has_the_same_answer_for_the_same_work(ask: Any, hashed: Any) -> None:
    wrong, unknown = ask("ada", "wrong one"), ask("nobody", "wrong one")
    assert_refused(unknown, INVALID_GRANT)
    assert bytes_of(unknown) == bytes_of(wrong)
    assert len(hashed) == 2
    assert hashed[0] == hashed[1]


def test_a_name_that_nobody_can_have_costs_the_same_work(ask: Any, hashed: Any) -> None:
    assert_refused(ask("a\u202eb", "wrong one"), INVALID_GRANT)
    assert_refused(ask("ada", "wrong one"), INVALID_GRANT)
    assert len(hashed) == 2
    assert hashed[0] == hashed[1]


def test_a_disabled_user_is_refused_as_if_the_password_were_wrong(
    shared: LocalServer, ask: Any, register: Any, hashed: Any
) -> None:
    register("grace")
    assert_granted(ask("grace", PASSWORD))
    execute(shared.database, "UPDATE users SET disabled = 1 WHERE username = 'grace'")
    disabled, wrong = ask("grace", PASSWORD), ask("grace", "wrong one")
    assert_refused(disabled, INVALID_GRANT)
    assert bytes_of(disabled) == bytes_of(wrong)
    assert len(hashed) == 3


BCRYPT = "$2y$10$.vGA1O9wmRjrwAVXD98HNOgsNpDczlqm3Jq7KnEd1rVAGv3Fykk1a"


def stored_hash(shared: LocalServer, username: str) -> str:
    with shared.database.begin() as connection:
        user = users.load(connection, username)
    assert user
    return user.password_hash


def test_the_first_login_replaces_a_hash_of_another_server(shared: LocalServer, ask: Any, hashed: Any) -> None:
    with shared.database.begin() as connection:
        assert users.add(connection, User("u_php", "php", BCRYPT))
    assert_refused(ask("php", "wrong one"), INVALID_GRANT)
    assert stored_hash(shared, "php") == BCRYPT and hashed == []
    assert_granted(ask("php", "rasmuslerdorf"))
    assert stored_hash(shared, "php").startswith("$argon2id$")
    assert_granted(ask("php", "rasmuslerdorf"))
    assert_refused(ask("php", "wrong one"), INVALID_GRANT)
    assert len(hashed) == 2


@pytest.mark.parametrize("stored", ["", "!", "md5$salt$hash", "$2b$99$", "$argon2id$v=19$m=8", "scrypt$x", "é"])
def test_a_stored_hash_of_no_known_algorithm_is_a_wrong_password(shared: LocalServer, ask: Any, stored: str) -> None:
    name = f"odd{stored.encode().hex()}"
    with shared.database.begin() as connection:
        assert users.add(connection, User(f"u_{name}", name, stored))
    for password in (PASSWORD, "nobody has this password"):  # the second is that of the hash for unknown users
        assert_refused(ask(name, password), INVALID_GRANT)


def test_username_of_257_code_points_is_not_even_normalised(
    ask: Any, register: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest = "é" * 256
    register(longest)
    assert_granted(ask(longest.upper(), PASSWORD))

    class Forbidden:
        def enforce(self, text: Any) -> None:
            raise AssertionError("normalised")

    monkeypatch.setattr("authserver.passwords._USERNAME", Forbidden())
    assert_refused(ask(longest + "a", PASSWORD), INVALID_GRANT)


def test_password_of_1025_bytes_is_not_hashed(ask: Any, hashed: Any) -> None:
    for password in ("a" * 1025, "é" * 513, "a" * 60_000):
        assert_refused(ask("ada", password), INVALID_GRANT)
        assert_refused(ask("nobody", password), INVALID_GRANT)
    assert hashed == []


def test_a_password_of_20_mb_is_refused_before_it_is_hashed(ask: Any, hashed: Any) -> None:
    assert_refused(ask("ada", "a" * 20_000_000), TOO_LARGE)
    assert hashed == []


@pytest.mark.parametrize("length", [51, 52, 53, 71, 72, 73, 1023, 1024])
def test_every_byte_of_a_password_counts(ask: Any, register: Any, length: int) -> None:
    register(f"long{length}", "p" * length)
    assert_granted(ask(f"long{length}", "p" * length))
    assert_refused(ask(f"long{length}", "p" * (length - 1)), INVALID_GRANT)
    assert_refused(ask(f"long{length}", "p" * (length - 1) + "q"), INVALID_GRANT)


@pytest.mark.parametrize("odd", ["\x07", "\x7f", "\u202e", "\u2066", "\u200d", "\ufeff", "\u2028", "\ue000", " "])
def test_a_username_with_a_control_or_invisible_character_is_refused(ask: Any, odd: str) -> None:
    assert username_form(f"a{odd}da") is None  # so nobody can be registered under it
    for username in (f"ada{odd}", f"{odd}ada", f"a{odd}da"):
        assert_refused(ask(username, PASSWORD), INVALID_GRANT)


def test_a_username_with_a_nul_is_refused(ask: Any) -> None:
    assert username_form("ada\0") is None
    assert_refused(ask("ada\0", PASSWORD), INVALID_REQUEST)


@pytest.mark.parametrize("same", ["ZOË", "zoë", "zoe\u0308", "ZOE\u0308", "ｚｏë", "Ｚｏｅ\u0308"])
def test_rfc8265_3_3_one_account_however_its_name_is_written(
    ask: Any, register: Any, shared: LocalServer, same: str
) -> None:
    if not any(row["username"] == "zoë" for row in rows(shared.database, "users")):
        register("Zoë")
    answer = assert_granted(ask(same, PASSWORD))
    assert answer["scope"] == "read write"
    assert_refused(ask("zoe", PASSWORD), INVALID_GRANT)


# RFC 8265 s4.2: other spaces become U+0020, NFC, and nothing is trimmed, folded or mapped.
@pytest.mark.parametrize(
    ("password", "same", "others"),
    [
        ("  two spaces  ", ["\u00a0 two\u00a0spaces \u3000", "  two\u2003spaces  "], ["two spaces", " two spaces  "]),
        ("cafe\u0301", ["caf\u00e9"], ["cafe", "CAF\u00c9", "caf\u00e9 "]),
        ("\u2764\ufe0f \U0001f468\u200d\U0001f469", [], ["\u2764 \U0001f468\u200d\U0001f469"]),
        ("\u00c5ngstr\u00f6m", ["A\u030angstro\u0308m", "\u212bngstr\u00f6m"], ["\u00e5ngstr\u00f6m"]),
        ("\uff41b", [], ["ab", "\uff41B"]),
        ("\U0001f511 \U0001f512", ["\U0001f511\u00a0\U0001f512"], ["\U0001f511\U0001f512"]),
    ],
    ids=["spaces", "combining", "joiners", "angstrom", "full-width", "emoji"],
)
def test_rfc8265_4_2_a_password_is_accepted_in_all_its_spellings_and_in_no_other(
    ask: Any, register: Any, request: pytest.FixtureRequest, password: str, same: Any, others: Any
) -> None:
    name = "opaque-" + request.node.callspec.id
    register(name, password)
    for accepted in (password, *same):
        assert_granted(ask(name, accepted))
    for refused in others:
        assert_refused(ask(name, refused), INVALID_GRANT)


@pytest.mark.parametrize("missing", [{"username": ""}, {"password": ""}], ids=["username", "password"])
def test_rfc6749_4_3_2_username_and_password_are_required(ask: Any, hashed: Any, missing: Any) -> None:
    form = {"username": "ada", "password": PASSWORD} | missing
    assert_refused(ask(**form), INVALID_REQUEST)
    assert hashed == []


def test_nothing_is_hashed_for_a_client_that_is_unauthenticated_or_may_not_use_the_grant(
    shared: LocalServer, ask: Any, hashed: Any
) -> None:
    add_client(shared.database, "app", id="no-password", grant_types=frozenset({"refresh_token"}))
    assert_refused(ask("ada", PASSWORD, client_id="web", client_secret="wrong"), INVALID_CLIENT)
    assert_refused(ask("ada", PASSWORD, client_id="nobody"), INVALID_CLIENT)
    assert_refused(ask("ada", PASSWORD, client_id="no-password"), UNAUTHORIZED_CLIENT)
    assert hashed == []


def test_a_refused_login_leaves_nothing_behind(shared: LocalServer, ask: Any) -> None:
    before = everything(shared.database)
    assert_refused(ask("ada", "wrong one"), INVALID_GRANT)
    assert_refused(ask("ada", PASSWORD, scope="admin"), INVALID_SCOPE)
    assert_refused(ask("ada", PASSWORD, resource="https://elsewhere.example"), INVALID_TARGET)
    assert everything(shared.database) == before


def test_a_client_without_the_refresh_grant_gets_no_refresh_token(
    http: TestClient, database: Database, login: Callable[..., Any]
) -> None:
    change_client(database, "app", grant_types=frozenset({"password"}))
    answer = login()
    assert "refresh_token" not in answer
    (row,) = rows(database, "authorizations")
    assert row["expires_at"] - row["created_at"] == answer["expires_in"] * 1_000_000


def test_hashes_with_older_parameters_are_renewed_at_login(
    http: TestClient, database: Database, token: Callable[..., Any], login: Callable[..., Any]
) -> None:
    old = CHEAP.hash(PASSWORD)
    execute(database, "UPDATE users SET password_hash = ?", old)
    assert_refused(token("password", username="ada", password="wrong one"), INVALID_GRANT)
    assert rows(database, "users")[0]["password_hash"] == old
    first = login()
    (renewed,) = rows(database, "users")
    assert extract_parameters(renewed["password_hash"]).memory_cost == passwords.COST[1]
    login()
    assert rows(database, "users") == [renewed]
    assert_granted(token("refresh_token", refresh_token=first["refresh_token"]))  # the password is the same


@pytest.mark.parametrize("settings", [{"max_authorizations": 2}], indirect=True)
def test_at_most_so_many_active_authorizations_the_one_idle_longest_ends(
    database: Database, login: Callable[..., Any], refresh: Callable[..., Any], clock: Clock
) -> None:
    def next_login(client_id: Any = "app") -> Any:
        clock.forward(1)
        return login(client_id)["refresh_token"]

    elsewhere, first, second = next_login("other"), next_login(), next_login()
    clock.forward(1)
    first = assert_granted(refresh(first))["refresh_token"]
    third = next_login()
    assert_refused(refresh(second), INVALID_GRANT)
    for text, client_id in ((first, "app"), (third, "app"), (elsewhere, "other")):
        assert_granted(refresh(text, client_id))
    over = [row for row in rows(database, "authorizations") if row["revoked_at"]]
    assert [(row["revoked_reason"], row["revoked_at"]) for row in over] == [("too_many", clock())]


def test_a_client_has_a_limit_of_logins_of_its_own(
    database: Database, login: Callable[..., Any], refresh: Callable[..., Any], clock: Clock
) -> None:
    change_client(database, "app", policy={"max_authorizations": 1})
    clock.forward(5)
    first, others = login()["refresh_token"], [login("other")["refresh_token"] for _ in range(2)]
    clock.forward(1)
    second = login()["refresh_token"]
    assert_refused(refresh(first), INVALID_GRANT)
    for text, client_id in ((second, "app"), *((other, "other") for other in others)):
        assert_granted(refresh(text, client_id))


@contextmanager
def no_hash_ends(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whoever hashes waits until the context ends."""
    may_end, match = Event(), PasswordHasher._match
    with monkeypatch.context() as patch:
        patch.setattr(PasswordHasher, "_match", lambda *arguments: may_end.wait(LONG) and match(*arguments))
        try:
            yield
        finally:
            may_end.set()


@pytest.fixture
def one_hashing_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("authserver.cpu.available", lambda: 1)


@pytest.mark.parametrize("settings", [{"password_queue": 1}], indirect=True)
def test_a_full_password_queue_is_503_with_retry_after(
    one_hashing_thread: Any,
    token: Callable[..., Any],
    login: Callable[..., Any],
    refresh: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def log_in() -> Any:
        return token("password", username="ada", password=PASSWORD)

    text = login()["refresh_token"]
    with ThreadPoolExecutor(3) as callers, no_hash_ends(monkeypatch):
        logins = [callers.submit(log_in) for _ in range(3)]  # one is hashed, one waits
        assert_refused(next(as_completed(logins)).result(), UNAVAILABLE)
        assert_refused(log_in(), UNAVAILABLE)
        assert_granted(refresh(text))  # whoever refreshes is not held up
        assert_granted(token("client_credentials", "web"))
    assert sorted(answer.result().status_code for answer in logins) == [200, 200, 503]
    assert_granted(log_in())  # there is room again
