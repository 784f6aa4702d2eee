"""The webhook gets every event of the audit trail: signed, in order, at least once."""

import json
import re
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any, BinaryIO

import pytest
from sqlalchemy import delete
from starlette.testclient import TestClient

from authserver.domain.delivery import LEASE
from authserver.store import schema
from authserver.store.database import Database
from tests.event_delivery.conftest import SECRET, Node, count
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER, LONG, PASSWORD
from tests.harness.receiver import Received, Receiver, responding

NewNode = Callable[[], Node]
Happen = Callable[..., None]
PAGE = Path(__file__).parents[2] / "docs/how-to/audit.md"


def rows(receiver: Receiver) -> list[dict[str, Any]]:
    """Those that were received, in order."""
    return [row for received in receiver.received for row in json.loads(received.body)["data"]["events"]]


def names(receiver: Receiver) -> list[str]:
    return [row["event"] for row in rows(receiver)]


def log_in(http: TestClient) -> None:
    form = {"grant_type": "password", "client_id": "app", "username": "ada", "password": PASSWORD}
    assert http.post("/token", data=form).status_code == 200


def test_an_event_is_posted_as_audit_list_shows_it(receiver: Receiver, node: NewNode, events: list[Any]) -> None:
    server = node()
    log_in(server.http)
    server.deliver()
    [received] = receiver.received
    assert (received.path, received.headers["content-type"]) == ("/hook", "application/json")
    content = json.loads(received.body)
    assert (content["type"], content["data"]["issuer"]) == ("audit.events", ISSUER)
    [row] = [row for row in content["data"]["events"] if row["event"] == "login"]
    fields = ["id", "at", "event", "actor", "user", "subject", "client_id"]
    assert list(row) == [*fields, "authorization_id", "network", "result", "detail"]
    assert (row["user"], row["client_id"], row["result"]) == ("ada", "app", "success")
    assert content["timestamp"] == row["at"] == content["data"]["events"][-1]["at"]


def test_the_receiver_of_the_documentation_accepts_it_and_nothing_else(
    receiver: Receiver, node: NewNode, happen: Happen, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    happen("one")
    node().deliver()
    [received] = receiver.received
    [code] = re.findall(r"```python\n(# receiver.py\n.*?)```", PAGE.read_text(), re.DOTALL)
    [placeholder] = re.findall(r'b64decode\("(\w+)"\)', code)
    module: dict[str, Any] = {}
    exec(code.replace(placeholder, SECRET.removeprefix("whsec_")), module)
    is_genuine: Callable[..., bool] = module["is_genuine"]
    monkeypatch.setattr(time, "time", lambda: clock() / 1e6)
    assert is_genuine(received.headers, received.body)
    assert is_genuine(received.headers | {"webhook-signature": f"v1,other {signature(received)}"}, received.body)
    assert not is_genuine(received.headers, received.body + b" ")
    assert not is_genuine(received.headers | {"webhook-id": "other"}, received.body)
    assert not is_genuine(received.headers | {"webhook-signature": f"v1,{b64encode(bytes(32)).decode()}"}, b"")
    monkeypatch.setattr(time, "time", lambda: clock() / 1e6 + 301)
    assert not is_genuine(received.headers, received.body)


def signature(received: Received) -> str:
    return received.headers["webhook-signature"]


def test_events_come_once_in_order_in_batches_of_a_hundred_and_add_none(
    receiver: Receiver, node: NewNode, happen: Happen, database: Database
) -> None:
    server, before = node(), count(database)
    happen(*(f"e{number}" for number in range(250)))
    server.deliver()
    server.deliver()
    assert names(receiver)[before:] == [f"e{number}" for number in range(250)]
    assert [len(json.loads(each.body)["data"]["events"]) for each in receiver.received][:2] == [100, 100]
    ids = [each.headers["webhook-id"] for each in receiver.received]
    assert len(set(ids)) == len(ids)
    assert count(database) == before + 250


def test_a_failure_is_repeated_after_waits_that_double_with_the_same_id_and_content(
    receiver: Receiver, node: NewNode, happen: Happen, clock: Clock, events: list[Any]
) -> None:
    server = node()
    happen("one")
    receiver.respond = responding(500, b"secret text")
    for wait in (5, 10, 20):
        server.deliver()
        sent = len(receiver.received)
        happen("later")
        clock.forward(wait - 0.001)
        server.deliver()
        assert len(receiver.received) == sent
        clock.forward(0.001)
    receiver.respond = responding(204)
    server.deliver()
    first, *others, last = receiver.received
    assert len(others) == 3 and all(each.body == first.body for each in others)
    assert {each.headers["webhook-id"] for each in (first, *others)} == {first.headers["webhook-id"]}
    assert signature(others[0]) != signature(first)  # with the time of the attempt
    assert names(receiver)[-3:] == ["later"] * 3 and last.body != first.body
    failed = [event for event in events if event["event"] == "event_delivery_failed"]
    assert [(event["to"], event["failures"], event["wait"]) for event in failed] == [
        ("webhook", 1, "5 seconds"),
        ("webhook", 2, "10 seconds"),
        ("webhook", 3, "20 seconds"),
    ]
    assert {event["reason"] for event in failed} == {"The response has status 500."}
    assert [event["failures"] for event in events if event["event"] == "event_delivery_resumed"] == [3]


@pytest.mark.parametrize(
    ("respond", "reason"),
    [
        (responding(300), "status 300. Redirects are not followed."),
        (responding(302, Location="https://elsewhere.example/"), "status 302. Redirects are not followed."),
        (responding(200, b"x" * 70_000), "larger than 65536 bytes"),
        (lambda connection: connection.write(b"no HTTP"), "There was no response (BadStatusLine)."),
    ],
)
def test_what_is_no_success_is_a_failure_with_its_reason(
    receiver: Receiver, node: NewNode, happen: Happen, events: list[Any], respond: Any, reason: str
) -> None:
    happen("one")
    receiver.respond = respond
    node().deliver()
    [failed] = [event for event in events if event["event"] == "event_delivery_failed"]
    assert reason in failed["reason"]


@pytest.mark.parametrize("status", [200, 299])
def test_any_status_from_200_to_299_is_a_success(
    receiver: Receiver, node: NewNode, happen: Happen, clock: Clock, events: list[Any], status: int
) -> None:
    happen("one")
    receiver.respond = responding(status)
    server = node()
    server.deliver()
    clock.forward(LEASE)
    server.deliver()
    assert names(receiver).count("one") == 1
    assert "event_delivery_failed" not in [event["event"] for event in events]


def test_of_two_nodes_one_delivers(receiver: Receiver, node: NewNode, happen: Happen) -> None:
    one, two = node(), node()
    happen(*(f"e{number}" for number in range(150)))
    for running in [each.start_delivering() for each in (one, two, one, two)]:
        running.result(LONG)
    one.deliver()
    delivered = rows(receiver)
    assert [row["id"] for row in delivered] == sorted({row["id"] for row in delivered})
    assert names(receiver)[-150:] == [f"e{number}" for number in range(150)]


def test_an_attempt_that_a_crash_interrupts_is_repeated_by_any_node_when_its_lease_ends(
    receiver: Receiver, node: NewNode, happen: Happen, clock: Clock
) -> None:
    begun, may_end = Event(), Event()

    def hang(connection: BinaryIO) -> None:
        begun.set()
        may_end.wait(LONG)

    receiver.respond = hang
    happen("one")
    attempt = node().start_delivering()
    assert begun.wait(LONG)
    attempt.cancel()
    may_end.set()
    receiver.respond = responding(204)
    other = node()
    clock.forward(LEASE - 0.001)
    other.deliver()
    assert len(receiver.received) == 1
    clock.forward(0.001)
    other.deliver()
    first, second = receiver.received
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])


def test_events_that_were_deleted_before_they_were_delivered_are_named_and_later_ones_come(
    receiver: Receiver, node: NewNode, happen: Happen, clock: Clock, database: Database, events: list[Any]
) -> None:
    server = node()
    server.deliver()
    receiver.received.clear()
    receiver.respond = responding(500)
    happen("one", "two")
    server.deliver()
    first = rows(receiver)[0]["id"]
    with database.begin() as connection:
        connection.execute(delete(schema.events))
    clock.forward(5)
    server.deliver()
    happen("three")
    receiver.respond = responding(204)
    server.deliver()
    assert names(receiver) == ["one", "two", "three"]
    [deleted] = [event for event in events if event["event"] == "events_deleted_undelivered"]
    assert (deleted["log_level"], deleted["first"], deleted["last"]) == ("error", first, first + 1)


def test_a_gap_up_to_the_next_event_is_named_as_deleted(
    receiver: Receiver, node: NewNode, happen: Happen, clock: Clock, database: Database, events: list[Any]
) -> None:
    server = node()
    receiver.respond = responding(500)
    happen(*(f"e{number}" for number in range(150)))
    server.deliver()
    first = rows(receiver)[0]["id"]
    with database.begin() as connection:
        connection.execute(delete(schema.events).where(schema.events.c.event != "e149"))
    receiver.received.clear()
    receiver.respond = responding(204)
    clock.forward(5)
    server.deliver()
    [row] = rows(receiver)
    assert row["event"] == "e149"
    [deleted] = [event for event in events if event["event"] == "events_deleted_undelivered"]
    assert (deleted["first"], deleted["last"]) == (first, row["id"] - 1)


def test_requests_do_not_wait_for_a_webhook_that_hangs(receiver: Receiver, node: NewNode, happen: Happen) -> None:
    begun, may_end = Event(), Event()

    def hang(connection: BinaryIO) -> object:
        begun.set()
        return may_end.wait(LONG) and responding(204)(connection)

    receiver.respond = hang
    happen("one")
    server = node()
    running = server.start_delivering()
    assert begun.wait(LONG)
    log_in(server.http)
    may_end.set()
    running.result(LONG)
    assert names(receiver)[-1] == "login"
