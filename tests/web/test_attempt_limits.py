"""Guessing passwords: when callers must wait, that nothing tells an account that exists, and who is never held up."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver.domain.attempts import FREE
from authserver.oauth.grants.password import PasswordGrant
from authserver.passwords import PasswordHasher
from authserver.pipeline.errors import Stale
from authserver.store.database import Database
from tests.api.calling import TOO_MANY as API_TOO_MANY
from tests.api.calling import WRONG_PASSWORD, Caller
from tests.api.calling import assert_refused as assert_api_refused
from tests.api.calling import assert_tokens as assert_api_tokens
from tests.harness.clock import Clock
from tests.harness.constants import PASSWORD
from tests.harness.sample_database import as_client
from tests.web.answers import (
    INVALID_GRANT,
    INVALID_REQUEST,
    INVALID_SCOPE,
    INVALID_TARGET,
    TOO_MANY,
    ExpectedError,
    assert_granted,
    assert_refused,
)
from tests.web.serving import ELSEWHERE, HOME, change_client, execute, rows

THIRD = "203.0.113.7"
FEW = pytest.mark.parametrize("settings", [{"network_attempts": 10}], indirect=True)
Ask = Callable[..., Any]


@pytest.fixture
def ask(token: Callable[..., Any]) -> Ask:
    return lambda username="ada", password="wrong one", **more: token(
        "password", more.pop("client_id", "app"), username=username, password=password, **more
    )


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that are hashed from now on."""
    work: list[str] = []
    match = PasswordHasher._match

    def counted(self: Any, password_hash: Any, password: str, renew: bool) -> Any:
        work.append(password)
        return match(self, password_hash, password, renew)

    monkeypatch.setattr(PasswordHasher, "_match", counted)
    return work


def exhaust(ask: Ask, username: str = "ada") -> None:
    for _ in range(FREE):
        assert_refused(ask(username), INVALID_GRANT)


def test_after_ten_wrong_passwords_even_the_right_one_waits_and_is_not_hashed(
    ask: Ask, clock: Clock, hashed: list[str]
) -> None:
    exhaust(ask)
    waiting = ask(password=PASSWORD)
    assert_refused(waiting, TOO_MANY)
    assert (waiting.headers["retry-after"], len(hashed)) == ("1", FREE)
    clock.forward(1)
    assert_granted(ask(password=PASSWORD))


def test_the_wait_doubles_with_each_further_wrong_password(ask: Ask, clock: Clock) -> None:
    exhaust(ask)
    for seconds in (1, 2, 4, 8):
        assert ask(password=PASSWORD).headers["retry-after"] == str(seconds)
        clock.forward(seconds)
        assert_refused(ask(), INVALID_GRANT)


def test_the_api_shares_the_counters_and_says_so_in_its_own_words(ask: Ask, http: TestClient) -> None:
    api = Caller(http)
    for _ in range(FREE // 2):
        assert_refused(ask(), INVALID_GRANT)
        assert_api_refused(api.login("ADA", "wrong one"), WRONG_PASSWORD)
    assert_refused(ask(), TOO_MANY)
    assert_api_refused(api.login(), API_TOO_MANY)


def seen(answer: Any) -> tuple[int, bytes, dict[str, str]]:
    """What an answer shows, but for the request's own id."""
    return answer.status_code, answer.content, {**answer.headers, "x-request-id": ""}


@pytest.mark.parametrize("stranger", ["nobody", "a\u202eb", "x" * 257])
def test_a_name_without_an_account_is_treated_exactly_alike(ask: Ask, hashed: list[str], stranger: str) -> None:
    existing, missing = ([ask(name) for _ in range(FREE + 2)] for name in ("ada", stranger))
    assert [seen(answer) for answer in existing] == [seen(answer) for answer in missing]
    assert len(hashed) == 2 * FREE


def test_an_attacker_elsewhere_does_not_hold_up_the_owner_at_home(
    ask: Ask, from_host: Callable[[str], None], http: TestClient, clock: Clock
) -> None:
    from_host(HOME)
    assert_granted(ask(password=PASSWORD))
    from_host(ELSEWHERE)
    exhaust(ask)
    for _ in range(20):
        assert_refused(ask(), TOO_MANY)
    from_host(HOME)
    assert_granted(ask(password=PASSWORD))
    assert_api_tokens(Caller(http).login())
    from_host(THIRD)
    waiting = ask(password=PASSWORD)
    assert_refused(waiting, TOO_MANY)
    clock.forward(int(waiting.headers["retry-after"]))
    assert_granted(ask(password=PASSWORD))


def test_a_known_network_is_limited_too_by_a_counter_of_its_own(
    ask: Ask, from_host: Callable[[str], None], hashed: list[str]
) -> None:
    for home in (HOME, ELSEWHERE):
        from_host(home)
        assert_granted(ask(password=PASSWORD))
    exhaust(ask)
    assert_refused(ask(), TOO_MANY)
    from_host(HOME)
    exhaust(ask)
    assert len(hashed) == 2 + 2 * FREE


def test_nist_5_2_2_a_right_password_where_the_user_has_signed_in_before_forgets_the_wrong_ones_there(
    ask: Ask, from_host: Callable[[str], None], clock: Clock
) -> None:
    from_host(HOME)
    assert_granted(ask(password=PASSWORD))
    exhaust(ask)
    waiting = ask(password=PASSWORD)
    assert_refused(waiting, TOO_MANY)
    clock.forward(int(waiting.headers["retry-after"]))
    for _ in range(3):
        assert_granted(ask(password=PASSWORD))


def test_a_right_password_forgets_no_wrong_ones_of_other_networks(
    ask: Ask, from_host: Callable[[str], None], clock: Clock
) -> None:
    from_host(ELSEWHERE)
    exhaust(ask)
    from_host(HOME)
    waiting = ask(password=PASSWORD)
    clock.forward(int(waiting.headers["retry-after"]))
    assert_granted(ask(password=PASSWORD))
    from_host(ELSEWHERE)
    assert_refused(ask(), INVALID_GRANT)
    assert_refused(ask(), TOO_MANY)


def test_where_the_user_has_signed_in_a_password_is_checked_before_those_from_elsewhere(
    ask: Ask, from_host: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    known: list[bool] = []
    from_host(HOME)
    match = PasswordHasher.match

    async def noted(self: Any, *arguments: Any, is_known: bool, **options: Any) -> Any:
        known.append(is_known)
        return await match(self, *arguments, is_known=is_known, **options)

    monkeypatch.setattr(PasswordHasher, "match", noted)
    for username, password in (("ada", PASSWORD), ("ada", PASSWORD), ("ada", "wrong one"), ("nobody", "wrong one")):
        ask(username, password)
    assert known == [False, True, True, False]


def test_a_network_is_known_for_90_days(
    ask: Ask, from_host: Callable[[str], None], later: Callable[[float], None]
) -> None:
    from_host(HOME)
    assert_granted(ask(password=PASSWORD))
    later(89 * 86400)
    from_host(ELSEWHERE)
    exhaust(ask)
    from_host(HOME)
    assert_granted(ask(password=PASSWORD))
    later(91 * 86400)
    from_host(ELSEWHERE)
    exhaust(ask)
    from_host(HOME)
    assert_refused(ask(password=PASSWORD), TOO_MANY)


@FEW
def test_a_network_that_tries_many_accounts_waits_as_a_whole_and_no_other(
    ask: Ask, from_host: Callable[[str], None], clock: Clock, hashed: list[str]
) -> None:
    from_host(ELSEWHERE)
    answers = [ask(f"user{number}") for number in range(4)]
    assert [answer.status_code for answer in answers] == [400, 400, 429, 429]
    from_host("198.51.100.200")
    waiting = ask(password=PASSWORD)
    assert_refused(waiting, TOO_MANY, longest_wait=86400)
    from_host(HOME)
    assert_granted(ask(password=PASSWORD))
    from_host(ELSEWHERE)
    clock.forward(int(waiting.headers["retry-after"]))
    assert_refused(ask("user9"), INVALID_GRANT)
    assert len(hashed) == 4


@FEW
def test_right_passwords_cost_a_network_nothing(ask: Ask) -> None:
    for _ in range(5):
        assert_granted(ask(password=PASSWORD))


@FEW
def test_the_network_of_a_confidential_client_is_not_limited_for_it_stands_before_its_users(
    ask: Ask, from_host: Callable[[str], None]
) -> None:
    from_host(ELSEWHERE)
    for number in range(5):
        assert_refused(ask(f"user{number}", client_id="web"), INVALID_GRANT)
    assert_granted(ask(password=PASSWORD))


@pytest.fixture
def ask_for_user_at(http: TestClient, database: Database, from_host: Callable[[str], None]) -> Ask:
    """`ask_for_user_at("192.0.2.7", ...)`: the client `web`, from its own network, names its user's address."""
    change_client(database, "web", user_address_header="x-user-address")
    from_host(THIRD)

    def ask(*addresses: str, username: str = "ada", password: str = "wrong one", client_id: str = "web") -> Any:
        form = {"grant_type": "password", "username": username, "password": password} | as_client(client_id)
        return http.post("/token", data=form, headers=[("X-User-Address", address) for address in addresses])

    return ask


def test_a_client_that_names_its_users_addresses_keeps_attackers_and_owners_apart(ask_for_user_at: Ask) -> None:
    assert_granted(ask_for_user_at(HOME, password=PASSWORD))
    for _ in range(FREE):
        assert_refused(ask_for_user_at(ELSEWHERE), INVALID_GRANT)
    assert_refused(ask_for_user_at(ELSEWHERE, password=PASSWORD), TOO_MANY)
    assert_granted(ask_for_user_at(f"{HOME}:50000", password=PASSWORD))
    assert_refused(ask_for_user_at("2001:db8::7", password=PASSWORD), TOO_MANY)


@FEW
def test_the_network_that_a_client_names_is_limited(ask_for_user_at: Ask) -> None:
    answers = [ask_for_user_at(ELSEWHERE, username=f"user{number}") for number in range(3)]
    assert [answer.status_code for answer in answers] == [400, 400, 429]
    assert_granted(ask_for_user_at(HOME, password=PASSWORD))


@FEW
@pytest.mark.parametrize("addresses", [[], [HOME, ELSEWHERE], ["somewhere"], [f"{HOME}, {ELSEWHERE}"], ["unknown"]])
def test_a_client_that_names_no_single_address_is_treated_as_one_that_names_none(
    ask_for_user_at: Ask, database: Database, addresses: list[str]
) -> None:
    for number in range(3):
        assert_refused(ask_for_user_at(*addresses, username=f"user{number}"), INVALID_GRANT)
    assert_granted(ask_for_user_at(*addresses, password=PASSWORD))
    assert [row["network"] for row in rows(database, "known_networks")] == ["203.0.113.0/24"]


@FEW
def test_a_public_client_names_nobodys_address(ask_for_user_at: Ask, database: Database) -> None:
    """Nor does a confidential one that is not registered for it."""
    answers = [ask_for_user_at(f"10.0.{number}.1", client_id="app", username=f"u{number}") for number in range(3)]
    assert [answer.status_code for answer in answers] == [400, 400, 429]
    change_client(database, "web", user_address_header="x-other")
    assert_granted(ask_for_user_at(HOME, password=PASSWORD))
    assert [row["network"] for row in rows(database, "known_networks")] == ["203.0.113.0/24"]


@pytest.mark.parametrize("settings", [{"account_attempts": 0, "network_attempts": 0}], indirect=True)
def test_0_turns_a_limit_off_and_writes_nothing(ask: Ask, database: Database) -> None:
    for _ in range(2 * FREE):
        assert_refused(ask(), INVALID_GRANT)
    assert rows(database, "attempts") == []


def test_64_guesses_at_once_are_counted_one_by_one(ask: Ask, hashed: list[str]) -> None:
    with ThreadPoolExecutor(16) as callers:
        answers = list(callers.map(lambda _: ask().status_code, range(64)))
    assert (answers.count(400), answers.count(429), len(hashed)) == (FREE, 64 - FREE, FREE)


def test_what_is_refused_writes_nothing_more(ask: Ask, database: Database) -> None:
    """So a flood writes a few rows, however long it is."""
    exhaust(ask)
    assert_refused(ask(), TOO_MANY)
    before = rows(database, "attempts")
    for _ in range(20):
        assert_refused(ask(), TOO_MANY)
    assert rows(database, "attempts") == before


def test_what_is_not_hashed_is_not_counted(ask: Ask, database: Database) -> None:
    assert_refused(ask(password="x" * 1025), INVALID_GRANT)
    assert_refused(ask(password=""), INVALID_REQUEST)
    assert_refused(ask(username=""), INVALID_REQUEST)
    assert rows(database, "attempts") == []


def test_a_request_that_begins_again_is_counted_once(
    ask: Ask, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue, tries = PasswordGrant.issue, list[int]()

    def stale_once(self: PasswordGrant) -> Any:
        tries.append(self.attempt.number)
        if len(tries) == 1:
            raise Stale
        return issue(self)

    monkeypatch.setattr(PasswordGrant, "issue", stale_once)
    assert_granted(ask(password=PASSWORD))
    assert tries == [0, 1]
    exhaust(ask)
    assert_refused(ask(), TOO_MANY)


@pytest.mark.parametrize(
    ("target", "refused"),
    [({"scope": "admin"}, INVALID_SCOPE), ({"resource": "https://elsewhere.example"}, INVALID_TARGET)],
)
def test_a_request_for_what_the_client_may_not_have_tells_nothing_of_a_password(
    ask: Ask, database: Database, hashed: list[str], target: dict[str, str], refused: ExpectedError
) -> None:
    for password in (PASSWORD, "wrong one"):
        assert_refused(ask(password=password, **target), refused)
    assert (hashed, rows(database, "attempts")) == ([], [])


def test_without_the_table_of_counters_nothing_is_hashed(ask: Ask, database: Database, hashed: list[str]) -> None:
    execute(database, "ALTER TABLE attempts RENAME TO elsewhere")
    assert ask(password=PASSWORD).status_code == 503
    assert hashed == []
    execute(database, "ALTER TABLE elsewhere RENAME TO attempts")


@pytest.mark.parametrize("settings", [{"network_attempts": 55}], indirect=True)
def test_the_log_says_who_must_wait_and_why(ask: Ask, from_host: Callable[[str], None], events: list[Any]) -> None:
    from_host(ELSEWHERE)
    exhaust(ask)
    assert_refused(ask(), TOO_MANY)
    ask("bob")
    assert_refused(ask("bob"), TOO_MANY, longest_wait=86400)
    told = [(entry["event"], entry.get("wait")) for entry in events if entry["event"].endswith("_delayed")]
    assert told == [("account_delayed", "1 s"), ("network_delayed", None)]
    refused = [entry for entry in events if entry.get("error") == "temporarily_unavailable"]
    assert [entry["reason"] for entry in refused] == ["account must wait", "network must wait"]
    assert {entry["network"] for entry in refused} == {"198.51.100.0/24"}
