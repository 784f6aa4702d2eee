"""authserver outbox ...: what waits to be sent, and sending it again."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from tests.cli.backups import sql

DB = "authserver.db"
SECRETS = ("lk_secret", "abad1dea", "ada@")
ADD = (
    "INSERT INTO outbox (queue, content, client_id, created_at, next_at, failures, reason, finished_at, is_delivered) "
    "VALUES (?, ?, ?, 5000000, ?, ?, ?, ?, ?)"
)


@pytest.fixture
def messages(data: Callable[..., Any]) -> None:
    """One that waits, one that failed, one that was given up, and one that was delivered."""
    content = {"template": "reset", "address": "ada@example.com", "values": {"link": "abad1dea", "x": "lk_secret"}}
    for queue, client_id, next_at, failures, reason, finished_at, delivered in (
        ("mail example.com", None, 6_000_000, 0, "", None, False),
        ("logout c_app", "c_app", 7_000_000, 2, "status 500", None, False),
        ("mail example.org", None, None, 9, "no such mailbox", 8_000_000, False),
        ("mail example.com", None, None, 0, "", 8_000_000, True),
    ):
        sql(DB, ADD, queue, json.dumps(content), client_id, next_at, failures, reason, finished_at, delivered)


def test_list_has_what_was_not_delivered_without_what_it_says(data: Callable[..., Any], messages: None) -> None:
    listed = data("outbox", "list")
    assert [row["id"] for row in listed] == [3, 2, 1]
    assert listed[1] == {
        "id": 2,
        "kind": "logout",
        "to": "c_app",
        "state": "failed",
        "created_at": "1970-01-01T00:00:05Z",
        "failures": 2,
        "reason": "status 500",
        "next_at": "1970-01-01T00:00:07Z",
        "finished_at": None,
    }
    assert [(row["state"], row["to"]) for row in (listed[0], listed[2])] == [
        ("given_up", "example.org"),
        ("waiting", "example.com"),
    ]
    assert [row["state"] for row in data("outbox", "list", "--all")][0] == "delivered"
    assert len(data("outbox", "list", "--limit", "1")) == 1


def test_list_is_a_table_without_a_secret(cli: Callable[..., Result], messages: None) -> None:
    printed = cli("outbox", "list", "--all")
    titles = "id kind to created failures next attempt state reason"
    assert printed.stdout.splitlines()[0].split() == titles.split()
    assert "given up" in printed.stdout and "no such mailbox" in printed.stdout
    assert not any(secret in printed.stdout + printed.stderr for secret in SECRETS)


@pytest.mark.parametrize("id", [1, 2, 3])
def test_retry_lets_a_message_be_sent_at_once_and_is_on_record(
    data: Callable[..., Any], messages: None, id: int
) -> None:
    row = data("outbox", "retry", str(id))
    assert (row["id"], row["finished_at"]) == (id, None) and row["next_at"] > "2020"
    assert row["state"] == ("waiting" if id == 1 else "failed")
    ((client_id, detail),) = sql(DB, "SELECT client_id, detail FROM events WHERE event = 'message_retried'")
    assert client_id == ("c_app" if id == 2 else None) and detail.endswith(f"; id {id}")


def test_what_was_delivered_or_does_not_exist_is_not_sent_again(cli: Callable[..., Result], messages: None) -> None:
    assert "The message 4 was delivered at 1970-01-01T00:00:08Z." in cli("outbox", "retry", "4", code=1).stderr
    assert cli("outbox", "retry", "5", code=1).stderr.endswith("authserver outbox list\n")
    assert sql(DB, "SELECT count(*) FROM events WHERE event = 'message_retried'") == [(0,)]
