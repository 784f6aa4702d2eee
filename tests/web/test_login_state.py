"""What else ends a login, or holds it up for a while: its user, its client, their credentials."""

import sqlite3

import pytest

from authserver.store import clients, users
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
def refused(refresh, database):
    """`refused(text)`: the refresh is invalid_grant, and changes nothing."""

    def refused(text, client_id="app"):
        before = everything(database)
        assert_refused(refresh(text, client_id), INVALID_GRANT)
        assert everything(database) == before

    return refused


def set_password(database, password_hash):
    with database.begin() as connection:
        assert users.set_password(connection, "ada", password_hash)


def test_a_changed_password_ends_every_login_at_its_next_refresh(database, login, token, rotated, refused, clock):
    first, second = rotated(1)
    clock.forward(60)
    set_password(database, rows(database, "users")[0]["password_hash"])  # to the same one
    refused(second)
    refused(first)  # dead, so no longer reuse
    assert_granted(token("refresh_token", refresh_token=login()["refresh_token"]))


def test_a_login_that_races_the_change_of_password_is_dead_at_its_first_refresh(database, login, refused):
    text = login()["refresh_token"]
    execute(database, "UPDATE users SET credential_version = credential_version + 1")
    assert the_login(database)["credential_version"] == 0
    refused(text)


def test_a_disabled_users_logins_end_and_are_not_revived(database, login, token, rotated, refresh, refused):
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


def test_a_deleted_users_logins_are_dead(database, token, rotated, refused):
    first, second = rotated(1)
    execute(database, "DELETE FROM users WHERE username = 'ada'")
    refused(first)
    refused(second)
    assert_refused(token("password", username="ada", password=PASSWORD), INVALID_GRANT)


def test_a_user_who_has_gone_without_their_logins(database, settings, login, refused):
    """As in a database whose foreign keys were off, which is how SQLite's own shell opens it."""
    text = login()["refresh_token"]
    with sqlite3.connect(settings.database_url.get_secret_value().removeprefix("sqlite:///")) as connection:
        connection.execute("DELETE FROM users")
    connection.close()
    assert the_login(database)["subject"] == "u_ada"
    refused(text)


def test_a_disabled_clients_logins_are_held_up_within_5_seconds(http, database, rotated, refresh, clock):
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


def test_a_deleted_clients_logins_are_dead_at_once(database, login, refresh, refused, clock):
    text, others = login()["refresh_token"], login("other")["refresh_token"]
    with database.begin() as connection:
        assert clients.remove(connection, "app")
    refused(text)
    clock.forward(5)
    assert_refused(refresh(text), INVALID_CLIENT)
    assert_granted(refresh(others, "other"))


def test_a_login_at_a_client_that_has_just_been_deleted_writes_nothing(database, login, token, clock):
    login()
    with database.begin() as connection:
        assert clients.remove(connection, "app")
    before = everything(database)
    assert_refused(token("password", username="ada", password=PASSWORD), INVALID_CLIENT)  # though its row is cached
    assert everything(database) == before


def test_the_refresh_grant_is_withdrawn_from_the_client(http, database, login, refresh, clock):
    text = login()["refresh_token"]
    change_client(database, "app", grant_types=frozenset({"password"}))
    clock.forward(5)
    before = everything(database)
    assert_refused(refresh(text), UNAUTHORIZED_CLIENT)
    assert everything(database) == before
    assert_done(http.post("/revoke", data={"client_id": "app", "token": text}))  # which still ends it
    assert the_login(database)["revoked_reason"] == "revoked"


def test_one_login_ends_without_the_others(http, login, refresh):
    one, other = login()["refresh_token"], login()["refresh_token"]
    assert_done(http.post("/revoke", data={"client_id": "app", "token": one}))
    assert_refused(refresh(one), INVALID_GRANT)
    assert_granted(refresh(other))
