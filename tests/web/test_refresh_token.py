"""What a presented refresh token means: the table of verdicts row by row, and tokens that are forged or malformed."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from authserver.settings import Settings
from authserver.store.database import Database
from tests.harness.clock import Clock
from tests.harness.constants import SECOND
from tests.web.answers import INVALID_GRANT, INVALID_REQUEST, assert_granted, assert_refused, claims_of
from tests.web.serving import change_client, everything, execute, the_login


def about_refresh(events: Any) -> Any:
    return [(entry["event"], entry["log_level"]) for entry in events if entry["event"].startswith("refresh_token")]


def assert_revoked_by_reuse(database: Database, clock: Clock) -> None:
    row = the_login(database)
    assert (row["revoked_reason"], row["revoked_at"]) == ("reuse", clock())


def case_flipped(text: Any) -> Any:
    return text[:3] + text[3:].swapcase()


def changed_at(place: Any) -> Callable[..., Any]:
    return lambda text: text[:place] + ("A" if text[place] != "A" else "B") + text[place:][1:]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "rt_" + "A" * 72,
        lambda text: text[:-1],
        lambda text: text + "A",
        case_flipped,
        lambda text: quote(quote(text.replace("_", "%5F"))),
        changed_at(4),
        changed_at(10),
        changed_at(30),
        changed_at(-1),
        lambda text: text + "=",
        lambda text: " " + text,
        lambda text: text + "\n",
        lambda text: text[3:],
        lambda text: "RT_" + text[3:],
        lambda text: text.replace("_", "＿"),
        lambda text: "x" * 60_000,
        lambda text: "é",
    ],
    ids=["nobody's", "-1", "+1", "case", "encoded twice", "version", "id", "generation", "MAC", "padded"]
    + ["space", "newline", "no prefix", "prefix in capitals", "full-width", "long", "not ASCII"],
)
def test_an_unknown_refresh_token_is_refused(
    login: Callable[..., Any], refresh: Callable[..., Any], database: Database, events: list[Any], spoil: Any
) -> None:
    text = login()["refresh_token"]
    before = everything(database)
    assert_refused(refresh(spoil(text)), INVALID_GRANT)
    assert everything(database) == before
    assert about_refresh(events) == []
    assert_granted(refresh(text))


def test_rfc6749_6_the_refresh_token_is_required(token: Callable[..., Any], login: Callable[..., Any]) -> None:
    assert_refused(token("refresh_token"), INVALID_REQUEST)


def test_another_clients_token_is_foreign_and_an_event(
    rotated: Callable[..., list[str]], refresh: Callable[..., Any], database: Database, events: list[Any], clock: Clock
) -> None:
    tokens = rotated(2)
    clock.forward(31)  # not one of them is reuse in a stranger's hands
    before = everything(database)
    for text in tokens:
        assert_refused(refresh(text, "other"), INVALID_GRANT)
        assert_refused(refresh(text, "web"), INVALID_GRANT)
    assert everything(database) == before
    assert set(about_refresh(events)) == {("refresh_token_foreign", "warning")}
    assert_granted(refresh(tokens[-1]))


def test_an_access_token_is_refused_as_a_refresh_token(
    login: Callable[..., Any], refresh: Callable[..., Any], database: Database
) -> None:
    answer = login()
    before = everything(database)
    assert_refused(refresh(answer["access_token"]), INVALID_GRANT)
    assert everything(database) == before


def test_a_refresh_rotates_the_token(
    login: Callable[..., Any], refresh: Callable[..., Any], database: Database, clock: Clock
) -> None:
    first = login()
    clock.forward(7)
    second = assert_granted(refresh(first["refresh_token"]))
    assert second["refresh_token"] != first["refresh_token"]
    assert claims_of(second)["jti"] != claims_of(first)["jti"]
    row = the_login(database)
    assert (row["generation"], row["rotated_at"]) == (1, clock())
    assert row["idle_expires_at"] == clock() + 7 * 86400 * SECOND
    assert claims_of(second)["auth_time"] == row["authenticated_at"] // SECOND
    assert claims_of(second)["grant_id"] == claims_of(first)["grant_id"] == row["id"].hex()


def test_replay_within_the_window_gets_the_same_successor(
    login: Callable[..., Any], refresh: Callable[..., Any], database: Database, events: list[Any], clock: Clock
) -> None:
    first = login()["refresh_token"]
    second = assert_granted(refresh(first))
    clock.forward(29.999999)
    before = everything(database)
    retried = assert_granted(refresh(first))
    assert retried["refresh_token"] == second["refresh_token"]
    assert claims_of(retried)["jti"] != claims_of(second)["jti"]
    assert everything(database) == before
    assert about_refresh(events) == [("refresh_token_retried", "info")]
    assert_granted(refresh(retried["refresh_token"]))


def test_retry_from_another_network_is_a_warning(
    login: Callable[..., Any], refresh: Callable[..., Any], events: list[Any], from_host: Callable[[str], None]
) -> None:
    from_host("198.51.100.7")
    first = login()["refresh_token"]
    assert_granted(refresh(first))
    from_host("198.51.100.250")  # the same network
    assert_granted(refresh(first))
    from_host("203.0.113.7")
    assert_granted(refresh(first))
    expected = [("refresh_token_retried", "info"), ("refresh_token_retried_from_elsewhere", "warning")]
    assert about_refresh(events) == expected
    assert events[-1]["network"] == "203.0.113.0/24"


def test_replay_after_the_window_is_reuse(
    rotated: Callable[..., list[str]], refresh: Callable[..., Any], database: Database, events: list[Any], clock: Clock
) -> None:
    first, second = rotated(1)
    clock.forward(30)
    assert_refused(refresh(first), INVALID_GRANT)
    assert_revoked_by_reuse(database, clock)
    assert about_refresh(events) == [("refresh_token_reused", "error")]
    assert_refused(refresh(second), INVALID_GRANT)


def test_two_generations_back_is_reuse_within_the_window(
    rotated: Callable[..., list[str]], refresh: Callable[..., Any], database: Database, clock: Clock
) -> None:
    first, _, third = rotated(2)
    assert_refused(refresh(first), INVALID_GRANT)
    assert_revoked_by_reuse(database, clock)
    assert_refused(refresh(third), INVALID_GRANT)


def test_reuse_is_seen_whatever_else_the_request_asks(
    rotated: Callable[..., list[str]], refresh: Callable[..., Any], database: Database, clock: Clock
) -> None:
    first, _, _ = rotated(2)
    assert_refused(refresh(first, scope="admin", resource="https://unknown.example"), INVALID_GRANT)
    assert_revoked_by_reuse(database, clock)


def test_a_revoked_token_within_the_window(
    http: TestClient, rotated: Callable[..., list[str]], refresh: Callable[..., Any], database: Database
) -> None:
    first, second = rotated(1)
    assert http.post("/revoke", data={"client_id": "app", "token": second}).status_code == 200
    before = everything(database)
    assert_refused(refresh(first), INVALID_GRANT)
    assert_refused(refresh(second), INVALID_GRANT)
    assert everything(database) == before


def test_ahead_the_database_has_lost_commits(
    rotated: Callable[..., list[str]], refresh: Callable[..., Any], database: Database, events: list[Any], clock: Clock
) -> None:
    tokens = rotated(4)
    execute(database, "UPDATE authorizations SET generation = 1")  # as a restored backup does
    fifth = assert_granted(refresh(tokens[4]))["refresh_token"]
    assert the_login(database)["generation"] == 5
    assert about_refresh(events) == [("refresh_token_ahead", "warning")]
    assert assert_granted(refresh(tokens[4]))["refresh_token"] == fifth  # a retry like any other
    assert_refused(refresh(tokens[2]), INVALID_GRANT)
    assert_revoked_by_reuse(database, clock)


def test_rotation_off_the_token_stays_and_only_the_idle_end_moves(
    login: Callable[..., Any], refresh: Callable[..., Any], database: Database, events: list[Any], clock: Clock
) -> None:
    change_client(database, "web", policy={"rotation": False})
    text = login("web")["refresh_token"]
    before = the_login(database)
    for _ in range(3):
        clock.forward(8)
        assert assert_granted(refresh(text, "web"))["refresh_token"] == text
        moved = {"idle_expires_at": clock() + 7 * 86400 * SECOND}
        assert the_login(database) == before | moved
    assert about_refresh(events) == []


def test_rotation_turned_off_for_a_login_that_has_rotated(
    rotated: Callable[..., list[str]], refresh: Callable[..., Any], database: Database, clock: Clock
) -> None:
    first, second = rotated(1, "web")
    change_client(database, "web", policy={"rotation": False})
    clock.forward(5)
    assert assert_granted(refresh(first, "web"))["refresh_token"] == second
    assert assert_granted(refresh(second, "web"))["refresh_token"] == second
    clock.forward(25)
    assert_refused(refresh(first, "web"), INVALID_GRANT)
    assert_revoked_by_reuse(database, clock)


def assert_window(seconds: Any, rotated: Any, refresh: Any, database: Database, clock: Clock, later: Any) -> None:
    """That long, to the microsecond, is the previous token good for its successor."""
    first, second = rotated(1)
    if seconds:
        later(seconds - 0.000001)
        assert assert_granted(refresh(first))["refresh_token"] == second
        clock.now += 1
    assert_refused(refresh(first), INVALID_GRANT)
    assert_revoked_by_reuse(database, clock)


@pytest.mark.parametrize("settings", [{"refresh_retry_window": seconds} for seconds in (0, 1, 300)], indirect=True)
def test_a_retry_works_within_the_servers_retry_window(
    settings: Settings,
    rotated: Callable[..., list[str]],
    refresh: Callable[..., Any],
    database: Database,
    clock: Clock,
    later: Callable[[float], None],
) -> None:
    assert_window(settings.refresh_retry_window, rotated, refresh, database, clock, later)


@pytest.mark.parametrize("seconds", [0, 1, 300])
def test_a_retry_works_within_the_clients_own_retry_window(
    seconds: int,
    rotated: Callable[..., list[str]],
    refresh: Callable[..., Any],
    database: Database,
    clock: Clock,
    later: Callable[[float], None],
) -> None:
    change_client(database, "app", policy={"refresh_retry_window": seconds})
    assert_window(seconds, rotated, refresh, database, clock, later)
