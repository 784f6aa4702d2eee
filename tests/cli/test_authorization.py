"""authserver authorization ...: who is logged in where, and ending it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.cli.backups import add_login, sql
from tests.harness.constants import PASSWORD

DB = "authserver.db"
LISTED = ["id", "client_id", "subject", "username", "created_at", "last_refresh_at", "network", "ends_at", "state"]
FIRST, SECOND, THIRD = (f"{number:032x}" for number in (1, 2, 3))


@pytest.fixture
def people(data: Callable[..., Any]) -> Any:
    """ada with two logins, the older one ended by reuse; bob with one at another client."""
    ada, bob = (data("user", "create", name, "--password-stdin", input=PASSWORD)["id"] for name in ("ada", "bob"))
    app = data("client", "create", "App", "--grant", "password", "--auth-method", "none")["client_id"]
    times = {"rotated_from": "192.0.2.0/24", "rotated_at": 1_800_000_001_000_000}
    add_login(DB, 1, ada, created_at=1_700_000_000_000_000, revoked_at=5, revoked_reason="reuse", **times)
    add_login(DB, 2, ada, created_at=1_800_000_000_000_000, **times)
    add_login(DB, 3, bob, created_at=1_750_000_000_000_000, client_id=app, generation=0)
    return {"ada": ada, "bob": bob, "app": app}


def ids(listed: Any) -> Any:
    return [row["id"] for row in listed]


def test_list_has_the_newest_first_with_everything_that_tools_use(data: Callable[..., Any], people: Any) -> None:
    listed = data("authorization", "list")
    assert ids(listed) == [SECOND, THIRD, FIRST]
    assert {name: listed[0][name] for name in LISTED} == {
        "id": SECOND,
        "client_id": "first-party",
        "subject": people["ada"],
        "username": "ada",
        "created_at": "2027-01-15T08:00:00Z",
        "last_refresh_at": "2027-01-15T08:00:01Z",
        "network": "192.0.2.0/24",
        "ends_at": "2112-09-17T23:53:47Z",
        "state": "active",
    }
    assert listed[1]["last_refresh_at"] is None
    assert (listed[2]["state"], listed[2]["reason"]) == ("ended", "revoked by reuse at 1970-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--user", "ADA"], [SECOND, FIRST]),
        (["--user", "ada", "--active"], [SECOND]),
        (["--client", "APP"], [THIRD]),
        (["--user", "ada", "--client", "APP"], []),
        (["--active"], [SECOND, THIRD]),
    ],
    ids=lambda value: " ".join(value),
)
def test_list_by_user_by_client_and_only_what_is_active(
    data: Callable[..., Any], people: Any, options: Any, found: Any
) -> None:
    assert ids(data("authorization", "list", *(people["app"] if word == "APP" else word for word in options))) == found


def test_a_list_that_is_cut_says_so(cli: Callable[..., Result], data: Callable[..., Any], people: Any) -> None:
    cut = cli("authorization", "list", "--limit", "2")
    assert len(cut.stdout.splitlines()) == 3
    assert cut.stderr == "These are the newest 2; there are more. See them with --limit, up to 10000.\n"
    assert cli("authorization", "list", "--limit", "3").stderr == ""
    assert ids(data("authorization", "list", "--limit", "1")) == [SECOND]


def test_a_client_that_is_disabled_suspends_its_logins(
    cli: Callable[..., Result], data: Callable[..., Any], people: Any
) -> None:
    cli("client", "disable", people["app"])
    shown = data("authorization", "show", THIRD)
    assert (shown["state"], shown["reason"]) == ("suspended", "client disabled")
    cli("client", "enable", people["app"])
    assert data("authorization", "show", THIRD)["state"] == "active"


def test_show_has_more_than_list_and_no_secret(
    cli: Callable[..., Result], data: Callable[..., Any], people: Any
) -> None:
    shown, listed = data("authorization", "show", SECOND), data("authorization", "list")[0]
    assert listed.items() <= shown.items()
    assert (shown["generation"], shown["scope"], shown["client_name"]) == (3, "api", "The plain JSON interface")
    assert "salt" not in shown
    words = cli("authorization", "show", SECOND).stdout
    assert f"id: {SECOND}\n" in words and "revoked_at: -\n" in words


def test_end_ends_that_one_for_good(cli: Callable[..., Result], data: Callable[..., Any], people: Any) -> None:
    done = cli("authorization", "end", SECOND)
    assert done.stdout == "" and done.stderr.startswith("Ended: ended by an operator at 20")
    assert data("authorization", "show", SECOND)["state"] == "ended"
    assert data("authorization", "show", THIRD)["state"] == "active"
    assert sql(DB, "SELECT revoked_reason FROM authorizations WHERE id = ?", bytes.fromhex(SECOND)) == [("operator",)]
    again = data("authorization", "end", SECOND)
    assert again["state"] == "ended" and again["reason"].startswith("ended by an operator")
    assert (
        cli("authorization", "end", FIRST).stderr == "It had already ended: revoked by reuse at 1970-01-01T00:00:00Z.\n"
    )


def test_what_ends_a_users_logins_is_the_reason_that_is_shown(
    cli: Callable[..., Result], data: Callable[..., Any], people: Any
) -> None:
    cli("user", "disable", "ada")
    cli("user", "enable", "ada")
    cli("user", "end-logins", "bob")
    reasons = {row["id"]: row["reason"] for row in data("authorization", "list")}
    assert reasons[SECOND].startswith("ended because the user was disabled at ")
    assert reasons[THIRD].startswith("ended by an operator with all others of the user at ")
    assert reasons[FIRST].startswith("revoked by reuse at ")


@pytest.mark.parametrize("id", ["", "xyz", FIRST[:-1], f"{FIRST}00"])
def test_what_is_no_id_is_a_usage_error(cli: Callable[..., Result], here: Path, id: Any) -> None:
    for verb in ("show", "end"):
        assert "32 hexadecimal digits" in cli("authorization", verb, id, code=2).stderr


def test_what_is_not_there_is_an_error(cli: Callable[..., Result], here: Path) -> None:
    for verb in ("show", "end"):
        assert f"There is no authorization {FIRST}." in cli("authorization", verb, FIRST, code=1).stderr
    assert "There is no user nobody." in cli("authorization", "list", "--user", "nobody", code=1).stderr
    assert "There is no client nobody." in cli("authorization", "list", "--client", "nobody", code=1).stderr
