"""`authserver restore`: what was ended or changed for safety since the backup stays so, and logins go on."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.cli.backups import add_login, lose_everything, sql
from tests.harness.sign_in_rows import code, device_code, interaction, session

DB = "authserver.db"
OLD, NEW = "an old password for tests", "a new password for tests"


@pytest.fixture
def ada(data: Callable[..., Any]) -> Any:
    return data("user", "create", "ada", "--password-stdin", input=OLD)["id"]


def login(id: int) -> Any:
    """What became of a login."""
    columns = "generation, idle_expires_at, revoked_reason"
    return sql(DB, f"SELECT {columns} FROM authorizations WHERE id = ?", id.to_bytes(16))[0]


def test_a_login_that_was_ended_stays_ended(ada: Any, backup: Callable[..., Path], restore: Callable[..., Any]) -> None:
    for id in (1, 2, 3):
        add_login(DB, id, ada)
    backup()
    sql(DB, "UPDATE authorizations SET revoked_at = 5, revoked_reason = 'logout' WHERE id = ?", (1).to_bytes(16))
    sql(DB, "DELETE FROM authorizations WHERE id = ?", (2).to_bytes(16))  # it was over, and is pruned
    told = restore()
    assert [login(id)[2] for id in (1, 2, 3)] == ["logout", "restored", None]
    assert "Ended since the backup, and ended now: 2 authorizations." in told.stderr
    assert (told.data["authorizations"], told.data["authorizations_ended"]) == (1, 2)
    assert "active again" not in told.stderr


def test_a_login_continues_where_it_was(ada: Any, backup: Callable[..., Path], restore: Callable[..., Any]) -> None:
    """With its generation: a token that was used up since the backup is still a used one."""
    add_login(DB, 1, ada)
    backup()
    sql(DB, "UPDATE authorizations SET generation = 9, rotated_at = 7, idle_expires_at = ?", 2**51)
    restore()
    assert login(1) == (9, 2**51, None)


def test_a_login_that_the_backup_knows_better_is_left_as_it_is(
    ada: Any, backup: Callable[..., Path], restore: Callable[..., Any]
) -> None:
    """Where the database is an older one than the backup."""
    add_login(DB, 1, ada)
    backup()
    sql(DB, "UPDATE authorizations SET generation = 1, idle_expires_at = 1")
    restore()
    assert login(1) == (3, 2**52, None)


def test_a_changed_password_stays_changed(
    ada: Any, cli: Callable[..., Result], backup: Callable[..., Path], restore: Callable[..., Any]
) -> None:
    add_login(DB, 1, ada)
    backup()
    cli("user", "set-password", "ada", "--password-stdin", input=NEW)
    changed = sql(DB, "SELECT password_hash, credential_version FROM users")
    restore()
    assert sql(DB, "SELECT password_hash, credential_version FROM users") == changed


def test_who_came_back_is_not_deleted_and_who_asked_for_it_since_is(
    ada: Any, data: Callable[..., Any], backup: Callable[..., Path], restore: Callable[..., Any]
) -> None:
    bob = data("user", "create", "bob", "--password-stdin", input=OLD)["id"]
    asked = "UPDATE users SET disabled = ?, delete_at = ? WHERE id = ?"
    sql(DB, asked, True, 5, ada)
    backup()
    sql(DB, asked, False, None, ada)
    sql(DB, asked, True, 7, bob)
    told = restore()
    assert sql(DB, "SELECT disabled, delete_at FROM users ORDER BY username") == [(0, None), (1, 7)]
    assert "disabled now" not in told.stderr


def test_a_database_of_before_there_were_deletions_and_sessions_is_replaced_all_the_same(
    ada: Any, backup: Callable[..., Path], restore: Callable[..., Any]
) -> None:
    sql(DB, "UPDATE users SET disabled = 1, delete_at = 5")
    add_session(1, ada)
    backup()
    sql(DB, "DROP INDEX ix_users_delete_at")
    sql(DB, "ALTER TABLE users DROP COLUMN delete_at")
    sql(DB, "DROP TABLE sessions")
    restore()
    assert sql(DB, "SELECT disabled, delete_at FROM users") == [(1, 5)]
    assert session_ends() == {1: None}


def test_an_access_that_was_withdrawn_is_asked_for_again(
    ada: Any, data: Callable[..., Any], backup: Callable[..., Path], restore: Callable[..., Any]
) -> None:
    add = "INSERT INTO consents VALUES (?, ?, ?, '', '', ?)"
    ids = sorted(data("client", "create", name, "--grant", "client_credentials")["client_id"] for name in "ABC")
    for client in ids:
        sql(DB, add, ada, client, "openid read write", 5)
    backup()
    sql(DB, "DELETE FROM consents WHERE client_id <> ?", ids[0])
    sql(DB, add, ada, ids[1], "openid read", 6)
    restore()
    kept = sql(DB, "SELECT client_id, scope, granted_at FROM consents ORDER BY client_id")
    assert kept == [(ids[0], "openid read write", 5), (ids[1], "openid read", 6)]


def test_a_client_comes_back_with_all_that_it_is_registered_for(
    data: Callable[..., Any], cli: Callable[..., Result], backup: Callable[..., Path], restore: Callable[..., Any]
) -> None:
    options = ["--access-token-typ", "JWT", "--web-origin", "https://a.example", "--web-origin", "https://b.example"]
    client = data("client", "create", "App", "--auth-method", "none", "--grant", "password", *options)["client_id"]
    registered = data("client", "show", client)
    assert registered["access_token_typ"] == "JWT" and len(registered["web_origins"]) == 2
    backup()
    cli("client", "delete", client, "--yes")
    restore()
    assert data("client", "show", client) == registered | {
        "disabled": True
    }  # deleted since: somebody may have meant it


def test_a_changed_client_secret_stays_changed(
    cli: Callable[..., Result], data: Callable[..., Any], backup: Callable[..., Path], restore: Callable[..., Any]
) -> None:
    client = data("client", "create", "Web", "--grant", "client_credentials", "--scope", "read")["client_id"]
    backup()
    cli("client", "rotate-secret", client)
    columns = "secret_hash, secret_expires_at, previous_secret_hash, previous_secret_expires_at"
    changed = sql(DB, f"SELECT {columns} FROM clients WHERE id = ?", client)
    restore()
    assert sql(DB, f"SELECT {columns} FROM clients WHERE id = ?", client) == changed


def test_a_disabled_user_stays_disabled_and_a_deleted_one_comes_back_disabled(
    ada: Any,
    cli: Callable[..., Result],
    data: Callable[..., Any],
    backup: Callable[..., Path],
    restore: Callable[..., Any],
) -> None:
    ids = [data("client", "create", name, "--grant", "client_credentials")["client_id"] for name in ("A", "B", "C")]
    bob = data("user", "create", "bob", "--password-stdin", input=OLD)["id"]
    backup()
    cli("user", "disable", "ada")
    sql(DB, "DELETE FROM users WHERE id = ?", bob)
    cli("client", "disable", ids[0])
    cli("client", "delete", ids[1], "--yes")
    told = restore().stderr
    assert {row["username"]: row["disabled"] for row in data("user", "list")} == {"ada": True, "bob": True}
    disabled = dict[str, int](sql(DB, "SELECT id, disabled FROM clients"))
    assert [disabled[id] for id in ids] == [1, 1, 0]
    assert "Disabled or deleted since the backup, and disabled now: 2 users." in told
    assert "Disabled or deleted since the backup, and disabled now: 2 clients." in told


def test_what_was_made_since_is_told_to_be_lost(
    ada: Any, data: Callable[..., Any], backup: Callable[..., Path], restore: Callable[..., Any]
) -> None:
    backup()
    data("user", "create", "bob", "--password-stdin", input=OLD)
    assert "Created since the backup, and lost: 1 user." in restore().stderr
    assert [row["username"] for row in data("user", "list")] == ["ada"]


def test_what_was_changed_by_mistake_is_as_it_was(
    data: Callable[..., Any], cli: Callable[..., Result], backup: Callable[..., Path], restore: Callable[..., Any]
) -> None:
    client = data("client", "create", "Web", "--grant", "client_credentials", "--scope", "read")["client_id"]
    backup()
    sql(DB, "UPDATE clients SET scope = '', name = 'oops' WHERE id = ?", client)
    restore()
    assert sql(DB, "SELECT scope, name FROM clients WHERE id = ?", client) == [("read", "Web")]


def test_a_denied_token_stays_denied(backup: Callable[..., Path], restore: Callable[..., Any]) -> None:
    sql(DB, "INSERT INTO denied_tokens VALUES ('both', 1), ('old', 2)")
    backup()
    sql(DB, "DELETE FROM denied_tokens WHERE jti = 'old'")
    sql(DB, "INSERT INTO denied_tokens VALUES ('new', 3)")
    restore()
    assert sql(DB, "SELECT * FROM denied_tokens ORDER BY expires_at") == [("both", 1), ("old", 2), ("new", 3)]


def test_a_longer_token_lifetime_stays_known(backup: Callable[..., Path], restore: Callable[..., Any]) -> None:
    backup()
    sql(DB, "UPDATE signing_keys SET max_token_ttl = 86400")
    restore()
    assert sql(DB, "SELECT DISTINCT max_token_ttl FROM signing_keys") == [(86400,)]


def test_where_nothing_is_known_logins_live_again_and_that_is_said(
    ada: Any, backup: Callable[..., Path], restore: Callable[..., Any]
) -> None:
    add_login(DB, 1, ada)
    backup()
    lose_everything()
    told = restore()
    assert "authorizations that were ended are active again" in told.stderr and "--end-logins" in told.stderr
    assert login(1)[2] is None and told.data["authorizations"] == 1


def test_a_database_that_has_tables_and_never_served_ends_nothing(
    ada: Any, cli: Callable[..., Result], backup: Callable[..., Path], restore: Callable[..., Any]
) -> None:
    add_login(DB, 1, ada)
    backup()
    lose_everything()
    Path(DB).touch()
    cli("db", "upgrade")
    told = restore()
    assert "authorizations that were ended are active again" in told.stderr
    assert login(1)[2] is None and told.data["authorizations"] == 1


def test_end_logins_ends_them_all(ada: Any, backup: Callable[..., Path], restore: Callable[..., Any]) -> None:
    add_login(DB, 1, ada)
    add_login(DB, 2, ada, revoked_at=4, revoked_reason="logout")
    backup()
    lose_everything()
    told = restore("--end-logins")
    assert [login(id)[2] for id in (1, 2)] == ["restored", "logout"]
    assert "Every authorization ends (1)" in told.stderr and "active again" not in told.stderr
    assert (told.data["authorizations"], told.data["authorizations_ended"]) == (0, 1)


def session_ends() -> dict[int, Any]:
    """When each session ended (or None), and the secret that is valid for it."""
    rows = sql(DB, "SELECT id, ended_at IS NULL, secret_hash FROM sessions ORDER BY id")
    return {int.from_bytes(id): bytes(secret)[-1] if active else None for id, active, secret in rows}


def add_session(number: int, user: str, **changes: Any) -> None:
    row = asdict(session(number, 2**51)) | {"user_id": user, "amr": "pwd"} | changes
    sql(DB, f"INSERT INTO sessions ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", *row.values())


def add_code_and_interaction(user: str) -> None:
    lists = {"scope": "openid", "resources": "", "amr": "pwd"}
    waiting: dict[str, Any] = {
        "codes": code(1, 2**51, client_id="first-party", user_id=user),
        "device_codes": device_code(1, 2**51, client_id="first-party", user_id=user),
        "interactions": WAITING,
    }
    for table, built in waiting.items():
        row = asdict(built) | (lists | {"delete_at": 2**51} if table != "interactions" else {})
        sql(DB, f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", *row.values())


WAITING = interaction(1, 2**51, client_id="first-party")


def test_a_session_that_was_ended_stays_ended_and_one_that_was_renewed_has_its_new_secret(
    ada: Any, backup: Callable[..., Path], restore: Callable[..., Any]
) -> None:
    for number in (1, 2, 3, 4):
        add_session(number, ada)
    add_code_and_interaction(ada)
    backup()
    sql(DB, "UPDATE sessions SET ended_at = 5 WHERE id = ?", (1).to_bytes(16))
    sql(DB, "DELETE FROM sessions WHERE id = ?", (2).to_bytes(16))
    sql(
        DB, "UPDATE sessions SET secret_hash = ?, seen_at = seen_at + 1 WHERE id = ?", bytes([9]) * 32, (3).to_bytes(16)
    )
    sql(DB, "UPDATE sessions SET secret_hash = ? WHERE id = ?", bytes([8]) * 32, (4).to_bytes(16))
    restore()
    assert session_ends() == {1: None, 2: None, 3: 9, 4: 8}
    for table in ("codes", "device_codes", "interactions"):
        assert sql(DB, f"SELECT count(*) FROM {table}") == [(0,)]


def test_end_logins_ends_sessions_too(ada: Any, backup: Callable[..., Path], restore: Callable[..., Any]) -> None:
    add_session(1, ada)
    backup()
    restore("--end-logins")
    assert session_ends() == {1: None}


HEARING = "INSERT INTO session_clients VALUES (?, 'first-party')"


def test_clients_that_signed_in_since_are_told_of_the_end_and_so_they_are_of_the_end_of_all(
    ada: Any, backup: Callable[..., Path], restore: Callable[..., Any]
) -> None:
    uri = '{"backchannel_logout_uri": "https://app.example/"}'
    sql(DB, "UPDATE clients SET client_metadata = ? WHERE id = 'first-party'", uri)
    for number in (1, 2):
        add_session(number, ada)
    sql(DB, HEARING, (1).to_bytes(16))
    backup()
    sql(DB, HEARING, (2).to_bytes(16))
    restore()
    assert sql(DB, "SELECT count(*) FROM outbox") == [(0,)]
    restore("--end-logins")
    told = sql(DB, "SELECT session_id, queue FROM outbox ORDER BY session_id")
    assert told == [(number.to_bytes(16), "logout first-party") for number in (1, 2)]


def test_where_nothing_is_known_sessions_are_active_again(
    ada: Any, backup: Callable[..., Path], restore: Callable[..., Any]
) -> None:
    add_session(1, ada)
    add_code_and_interaction(ada)
    backup()
    lose_everything()
    restore()
    assert session_ends() == {1: 1}
    assert sql(DB, "SELECT count(*) FROM codes") == [(0,)]


def test_what_the_replaced_database_had_to_send_is_sent_and_what_the_backup_had_is_not_sent_again(
    ada: Any, backup: Callable[..., Path], restore: Callable[..., Any]
) -> None:
    add_message("before the backup", next_at=1)
    backup()
    sql(DB, "UPDATE outbox SET next_at = NULL, finished_at = 2, is_delivered = 1")
    add_message("since the backup", next_at=1)
    restore()
    assert sql(DB, "SELECT queue, next_at FROM outbox ORDER BY id") == [
        ("before the backup", None),
        ("since the backup", 1),
    ]


def test_without_the_old_database_what_the_backup_had_to_send_is_sent(
    ada: Any, backup: Callable[..., Path], restore: Callable[..., Any]
) -> None:
    add_message("before the backup", next_at=1)
    backup()
    lose_everything()
    restore()
    assert sql(DB, "SELECT queue, next_at FROM outbox") == [("before the backup", 1)]


def add_message(queue: str, *, next_at: int) -> None:
    columns = "queue, content, created_at, next_at, failures, reason, is_delivered"
    sql(DB, f"INSERT INTO outbox ({columns}) VALUES (?, '{{}}', 1, ?, 0, '', 0)", queue, next_at)
