"""Idle and absolute ends, to the second, and what never outlives them."""

from collections.abc import Callable
from typing import Any

import pytest

from authserver.settings import Settings
from authserver.store.database import Database
from tests.harness.clock import Clock
from tests.harness.constants import PASSWORD, SECOND
from tests.web.answers import INVALID_GRANT, assert_granted, assert_refused, claims_of
from tests.web.serving import change_client, everything, the_login

SHORT = {"refresh_idle_ttl": 20, "refresh_absolute_ttl": 25, "access_token_ttl": 10}
"""Within the 30 s for which the server may sign without having read its keys anew."""
DAY = 86400


@pytest.mark.thorough
@pytest.mark.parametrize("end", ["refresh_idle_ttl", "refresh_absolute_ttl"])
@pytest.mark.parametrize("seconds", [-1, 0, 1])
@pytest.mark.parametrize("policy", [{}, {"refresh_idle_ttl": 3 * DAY, "refresh_absolute_ttl": 4 * DAY}])
def test_idle_and_absolute_end_to_the_second(
    settings: Settings,
    database: Database,
    login: Callable[..., Any],
    refresh: Callable[..., Any],
    clock: Clock,
    later: Callable[[float], None],
    end: str,
    seconds: int,
    policy: Any,
) -> None:
    change_client(database, "app", policy=policy)
    lives = {"refresh_idle_ttl": settings.refresh_idle_ttl, "refresh_absolute_ttl": settings.refresh_absolute_ttl}
    lives |= policy
    began, text = clock(), login()["refresh_token"]
    if end == "refresh_absolute_ttl":
        while clock() - began + lives["refresh_idle_ttl"] * SECOND <= lives[end] * SECOND:
            later(lives["refresh_idle_ttl"] - 1)
            text = assert_granted(refresh(text))["refresh_token"]
    later((began - clock()) / SECOND + lives[end] + seconds)
    before = everything(database)
    if seconds < 0:
        assert_granted(refresh(text))
    else:
        assert_refused(refresh(text), INVALID_GRANT)
        assert everything(database) == before


def test_each_refresh_moves_the_idle_end_but_a_retry_does_not(
    database: Database, login: Callable[..., Any], refresh: Callable[..., Any], clock: Clock
) -> None:
    change_client(database, "app", policy=SHORT | {"refresh_absolute_ttl": 1000})
    first = login()["refresh_token"]
    clock.forward(15)
    second = assert_granted(refresh(first))["refresh_token"]
    clock.forward(15)
    assert assert_granted(refresh(first))["refresh_token"] == second
    assert the_login(database)["idle_expires_at"] == clock() + 5 * SECOND


@pytest.mark.parametrize("rotation", [True, False])
def test_the_idle_end_never_passes_the_absolute_one(
    database: Database, login: Callable[..., Any], refresh: Callable[..., Any], clock: Clock, rotation: bool
) -> None:
    change_client(database, "web", policy=SHORT | {"rotation": rotation})
    text = login("web")["refresh_token"]
    ends = clock() + 25 * SECOND
    for _ in range(3):
        clock.forward(6)
        text = assert_granted(refresh(text, "web"))["refresh_token"]
        assert the_login(database)["idle_expires_at"] <= the_login(database)["expires_at"] == ends
    clock.now = ends
    assert_refused(refresh(text, "web"), INVALID_GRANT)


def test_an_idle_time_never_outlasts_the_absolute_end(database: Database, login: Callable[..., Any]) -> None:
    change_client(database, "app", policy={"refresh_idle_ttl": 100, "refresh_absolute_ttl": 50})
    login()
    row = the_login(database)
    assert row["idle_expires_at"] == row["expires_at"] == row["created_at"] + 50 * SECOND


def test_an_access_token_never_outlives_the_absolute_end(
    database: Database, login: Callable[..., Any], refresh: Callable[..., Any], clock: Clock
) -> None:
    change_client(database, "app", policy=SHORT)
    answer = login()
    ends = the_login(database)["expires_at"]
    assert answer["expires_in"] == 10
    for passes, expires_in in ((15, 10), (3.5, 6), (5.5, 1)):
        clock.forward(passes)
        answer = assert_granted(refresh(answer["refresh_token"]))
        assert answer["expires_in"] == expires_in
        assert claims_of(answer)["exp"] * SECOND <= ends


def test_no_access_token_of_no_seconds_is_given(
    database: Database, login: Callable[..., Any], refresh: Callable[..., Any], clock: Clock
) -> None:
    change_client(database, "app", policy=SHORT)
    text = login()["refresh_token"]
    clock.forward(18)
    text = assert_granted(refresh(text))["refresh_token"]
    clock.forward(6.5)
    before = everything(database)
    assert_refused(refresh(text), INVALID_GRANT)
    assert everything(database) == before


def test_an_access_token_never_outlasts_its_login(database: Database, login: Callable[..., Any]) -> None:
    change_client(database, "app", policy={"refresh_absolute_ttl": 50})
    assert claims_of(login())["exp"] * SECOND == the_login(database)["expires_at"]


def test_a_clients_own_policy_stands_over_the_servers(
    database: Database, token: Callable[..., Any], login: Callable[..., Any], clock: Clock
) -> None:
    change_client(database, "web", policy={"access_token_ttl": 77, "refresh_idle_ttl": 88, "refresh_absolute_ttl": 99})
    assert assert_granted(token("client_credentials", "web"))["expires_in"] == 77
    assert login("web")["expires_in"] == 77
    row = the_login(database)
    assert (row["idle_expires_at"] - clock(), row["expires_at"] - clock()) == (88 * SECOND, 99 * SECOND)
    assert login()["expires_in"] == 900


def test_a_shortened_policy_counts_for_logins_that_were_made_before(
    database: Database, login: Callable[..., Any], refresh: Callable[..., Any], clock: Clock
) -> None:
    text = login()["refresh_token"]
    change_client(database, "app", policy={"refresh_idle_ttl": 20})
    clock.forward(5)
    text = assert_granted(refresh(text))["refresh_token"]
    clock.forward(20)
    assert_refused(refresh(text), INVALID_GRANT)


@pytest.mark.parametrize("settings", [SHORT], indirect=True)
def test_the_servers_settings_are_the_lifetimes_of_a_client_without_its_own(
    database: Database, token: Callable[..., Any], clock: Clock
) -> None:
    answer = assert_granted(token("password", username="ada", password=PASSWORD))
    assert answer["expires_in"] == 10
    row = the_login(database)
    assert (row["idle_expires_at"] - clock(), row["expires_at"] - clock()) == (20 * SECOND, 25 * SECOND)
