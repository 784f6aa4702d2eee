"""What else ends a login, or holds it up for a while: its user, its client, their credentials."""

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver.settings import Settings
from authserver.store import clients, users
from authserver.store.database import Database
from tests.harness.clock import Clock
from tests.harness.constants import PASSWORD
from tests.web.answers import (
    INVALID_CLIENT,
    INVALID_GRANT,
    UNAUTHORIZED_CLIENT,
    assert_done,
    assert_granted,
    assert_refused,
)
from tests.web.serving import change_client, everything, execute, rows, the_login


@pytest.fixture
def refused(refresh: Callable[..., Any], database: Database) -> Callable[..., Any]:
    """`refused(text)`: the refresh is invalid_grant, and changes nothing."""

    def refused(text: Any, client_id: Any = "app") -> None:
        before = everything(database)
        assert_refused(refresh(text, client_id), INVALID_GRANT)
        assert everything(database) == before

    return refused


def set_password(database: Database, password_hash: Any) -> None:
    with database.begin() as connection:
        assert users.set_password(connection, "ada", password_hash)


def test_a_changed_password_ends_every_login_at_its_next_refresh(
    database: Database,
    login: Callable[..., Any],
    token: Callable[..., Any],
    rotated: Callable[..., list[str]],
    refused: Any,
    clock: Clock,
) -> None:
    first, second = rotated(1)
    clock.forward(60)
    set_password(database, rows(database, "users")[0]["password_hash"])  # to the same one
    refused(second)
    refused(first)  # dead, so no longer reuse
    assert_granted(token("refresh_token", refresh_token=login()["refresh_token"]))


def test_a_login_that_races_the_change_of_password_is_dead_at_its_first_refresh(
    database: Database, login: Callable[..., Any], refused: Any
) -> None:
    text = login()["refresh_token"]
    execute(database, "UPDATE users SET credential_version = credential_version + 1")
    assert the_login(database)["credential_version"] == 0
    refused(text)


def test_a_disabled_users_logins_end_and_are_not_revived(
    database: Database,
    login: Callable[..., Any],
    token: Callable[..., Any],
    rotated: Callable[..., list[str]],
    refresh: Callable[..., Any],
    refused: Any,
) -> None:
    first, second = rotated(1)
    with database.begin() as connection:
        assert users.set_disabled(connection, "ada", True)
    refused(first)
    refused(second)
    assert_refused(token("password", username="ada", password=PASSWORD), INVALID_GRANT)
    with database.begin() as connection:
        assert users.set_disabled(connection, "ada", False)
    refused(second)
    assert_granted(refresh(login()["refresh_token"]))


def test_a_deleted_users_logins_are_dead(
    database: Database, token: Callable[..., Any], rotated: Callable[..., list[str]], refused: Any
) -> None:
    first, second = rotated(1)
    execute(database, "DELETE FROM users WHERE username = 'ada'")
    refused(first)
    refused(second)
    assert_refused(token("password", username="ada", password=PASSWORD), INVALID_GRANT)


def test_a_user_who_has_gone_without_their_logins(
    database: Database, settings: Settings, login: Callable[..., Any], refused: Any
) -> None:
    """As in a database whose foreign keys were off, which is how SQLite's own shell opens it."""
    text = login()["refresh_token"]
    with sqlite3.connect(settings.database_url.get_secret_value().removeprefix("sqlite:///")) as connection:
        connection.execute("DELETE FROM users")
    connection.close()
    assert the_login(database)["subject"] == "u_ada"
    refused(text)


def test_a_disabled_clients_logins_are_held_up_within_5_seconds(
    http: TestClient, database: Database, rotated: Callable[..., list[str]], refresh: Callable[..., Any], clock: Clock
) -> None:
    first, second = rotated(1)
    change_client(database, "app", disabled=True)
    clock.forward(5)
    before = everything(database)
    assert_refused(refresh(second), INVALID_CLIENT)
    assert_refused(refresh(first), INVALID_CLIENT)
    assert_refused(http.post("/revoke", data={"client_id": "app", "token": second}), INVALID_CLIENT)
    assert everything(database) == before
    change_client(database, "app", disabled=False)
    clock.forward(5)
    assert_granted(refresh(second))


def test_a_deleted_clients_logins_are_dead_at_once(
    database: Database, login: Callable[..., Any], refresh: Callable[..., Any], refused: Any, clock: Clock
) -> None:
    text, others = login()["refresh_token"], login("other")["refresh_token"]
    with database.begin() as connection:
        assert clients.remove(connection, "app")
    refused(text)
    clock.forward(5)
    assert_refused(refresh(text), INVALID_CLIENT)
    assert_granted(refresh(others, "other"))


def test_a_login_at_a_client_that_has_just_been_deleted_writes_nothing(
    database: Database, login: Callable[..., Any], token: Callable[..., Any], clock: Clock
) -> None:
    login()
    with database.begin() as connection:
        assert clients.remove(connection, "app")
    before = everything(database)
    assert_refused(token("password", username="ada", password=PASSWORD), INVALID_CLIENT)  # though its row is cached
    assert everything(database) == before


def test_the_refresh_grant_is_withdrawn_from_the_client(
    http: TestClient, database: Database, login: Callable[..., Any], refresh: Callable[..., Any], clock: Clock
) -> None:
    text = login()["refresh_token"]
    change_client(database, "app", grant_types=frozenset({"password"}))
    clock.forward(5)
    before = everything(database)
    assert_refused(refresh(text), UNAUTHORIZED_CLIENT)
    assert everything(database) == before
    assert_done(http.post("/revoke", data={"client_id": "app", "token": text}))  # which still ends it
    assert the_login(database)["revoked_reason"] == "revoked"


def test_one_login_ends_without_the_others(
    http: TestClient, login: Callable[..., Any], refresh: Callable[..., Any]
) -> None:
    one, other = login()["refresh_token"], login()["refresh_token"]
    assert_done(http.post("/revoke", data={"client_id": "app", "token": one}))
    assert_refused(refresh(one), INVALID_GRANT)
    assert_granted(refresh(other))
