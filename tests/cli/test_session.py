"""authserver session ...: who is signed in where, and ending it."""

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from authserver.domain.models import SECOND
from tests.cli.backups import add_login, add_session, sql
from tests.harness.constants import PASSWORD

DB = "authserver.db"
NEWER, OLDER, BOBS = (f"{number:032x}" for number in (1, 2, 3))
BEGAN = 1_800_000_000 * SECOND


@pytest.fixture
def people(data: Callable[..., Any]) -> dict[str, str]:
    """ada with two sessions, the older one ended; bob with one."""
    ada, bob = (data("user", "create", name, "--password-stdin", input=PASSWORD)["id"] for name in ("ada", "bob"))
    add_session(DB, 1, ada)
    add_session(DB, 2, ada, created_at=BEGAN - 2, ended_at=BEGAN - 1)
    add_session(DB, 3, bob, created_at=BEGAN - 1)
    return {"ada": ada, "bob": bob}


def ids(listed: Any) -> list[str]:
    return [row["id"] for row in listed]


def test_list_has_the_newest_first_with_everything_that_tools_use(data: Callable[..., Any], people: Any) -> None:
    listed = data("session", "list")
    assert ids(listed) == [NEWER, BOBS, OLDER]
    assert listed[0] == {
        "id": NEWER,
        "subject": people["ada"],
        "username": "ada",
        "network": "192.0.2.0/24",
        "device": None,
        "created_at": "2027-01-15T08:00:00Z",
        "authenticated_at": "2027-01-15T08:00:00Z",
        "seen_at": "2027-01-15T08:00:00Z",
        "ends_at": "2112-09-17T23:53:47Z",
        "kept": False,
        "state": "active",
        "reason": None,
    }
    assert (listed[2]["state"], listed[2]["reason"]) == ("ended", "ended")


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--user", "ADA"], [NEWER, OLDER]),
        (["--user", "ada", "--active"], [NEWER]),
        (["--active"], [NEWER, BOBS]),
        (["--limit", "1"], [NEWER]),
    ],
)
def test_list_finds(data: Callable[..., Any], people: Any, options: list[str], found: list[str]) -> None:
    assert ids(data("session", "list", *options)) == found


def test_list_as_a_table_says_that_there_are_more(cli: Callable[..., Result], people: Any) -> None:
    result = cli("session", "list", "--limit", "2")
    assert result.stdout.splitlines()[0].split() == ["id", "user", "device", "network", "last", "used", "state"]
    assert "bob" in result.stdout and "These are the newest 2" in result.stderr


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE sessions SET idle_expires_at = 1", "idle for too long"),
        ("UPDATE sessions SET expires_at = 1", "reached its absolute end"),
        ("UPDATE users SET disabled = true", "user disabled"),
        ("UPDATE users SET credential_version = 9", "password changed"),
    ],
)
def test_show_says_why_a_session_is_over_and_the_database_agrees(
    data: Callable[..., Any], people: Any, change: str, reason: str
) -> None:
    assert data("session", "show", NEWER)["state"] == "active"
    sql(DB, change)
    assert data("session", "show", NEWER)["reason"] == reason
    assert ids(data("session", "list", "--active")) == []


def test_end_ends_it_once_and_says_so(cli: Callable[..., Result], data: Callable[..., Any], people: Any) -> None:
    assert "Ended." in cli("session", "end", NEWER).stderr
    assert "It had already ended." in cli("session", "end", NEWER).stderr
    assert data("session", "end", OLDER)["state"] == "ended"
    assert data("session", "show", NEWER)["reason"] == "ended by an operator"
    (event,) = data("audit", "list", "--event", "session_ended")
    assert (event["user"], event["subject"], event["detail"]) == (
        "ada",
        people["ada"],
        f"ended by an operator; sid {NEWER}",
    )


@pytest.mark.parametrize(
    ("changes", "expected", "words"),
    [
        ("failures = 0", ("waiting", 0), "first-party is told at "),
        ("failures = 2, reason = 'down'", ("failed", 2), "after 2 failures (down)"),
        ("next_at = NULL, finished_at = 5, is_delivered = true", ("delivered", 0), "first-party received it at 1970-"),
        ("next_at = NULL, finished_at = 5, failures = 1, reason = 'down'", ("given_up", 1), "given up at 1970-"),
    ],
)
def test_show_says_which_clients_were_told(
    cli: Callable[..., Result], data: Callable[..., Any], people: Any, changes: str, expected: Any, words: str
) -> None:
    sql(DB, "INSERT INTO session_clients VALUES (?, 'first-party')", bytes.fromhex(NEWER))
    cli("client", "update", "first-party", "--backchannel-logout-uri", "https://app.example/backchannel-logout")
    assert data("session", "show", NEWER)["logout_tokens"] == []
    cli("session", "end", NEWER)
    sql(DB, f"UPDATE outbox SET {changes}")
    (told,) = data("session", "show", NEWER)["logout_tokens"]
    assert (told["client_id"], (told["state"], told["failures"])) == ("first-party", expected)
    assert words in cli("session", "show", NEWER).stdout


def test_show_of_a_session_that_was_deleted_with_its_user_says_why_it_ended_and_who_was_told(
    cli: Callable[..., Result], data: Callable[..., Any], people: Any
) -> None:
    sql(DB, "INSERT INTO session_clients VALUES (?, 'first-party')", bytes.fromhex(NEWER))
    cli("client", "update", "first-party", "--backchannel-logout-uri", "https://app.example/backchannel-logout")
    cli("user", "delete", "ada", "--yes")
    shown = data("session", "show", NEWER)
    (told,) = shown.pop("logout_tokens")
    assert (told["client_id"], told["state"]) == ("first-party", "waiting")
    assert shown.pop("ended_at") == data("audit", "list", "--event", "user_deleted")[0]["at"][:19] + "Z"
    about = {"id": NEWER, "subject": people["ada"], "username": "ada"}
    assert shown == about | {"state": "deleted", "reason": "user deleted"}
    assert "first-party is told at" in cli("session", "show", NEWER).stdout
    assert "deleted with its user" in cli("session", "end", NEWER, code=1).stderr


@pytest.mark.parametrize(("options", "left"), [([], [2]), (["--offline"], [])])
def test_end_keeps_offline_logins_unless_they_are_to_end_too(
    cli: Callable[..., Result], people: Any, options: list[str], left: list[int]
) -> None:
    online, offline = ({"session_id": bytes.fromhex(NEWER), "ends_with_session": ends} for ends in (True, False))
    add_login(DB, 1, people["ada"], **online)
    add_login(DB, 2, people["ada"], **offline)
    cli("session", "end", NEWER, *options)
    active = sql(DB, "SELECT id FROM authorizations WHERE revoked_at IS NULL")
    assert [int.from_bytes(id) for (id,) in active] == left


@pytest.mark.parametrize(("id", "code"), [("0" * 32, 1), ("x", 2), ("0" * 30, 2)])
@pytest.mark.parametrize("verb", ["show", "end"])
def test_an_unknown_id_is_refused_with_what_to_do(
    cli: Callable[..., Result], here: Any, verb: str, id: str, code: int
) -> None:
    result = cli("session", verb, id, code=code)
    assert "There is no session" in result.stderr or "authserver session list" in result.stderr
