"""The audit trail is written in the transaction of the change that it tells of: both are there, or neither is."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from authserver.domain.audit import AuditRecord
from authserver.settings import Settings
from authserver.store import authorizations, events, pruning, schema, settings_seen
from authserver.store.changes import Change
from authserver.store.database import Database, OutcomeUnknown
from tests.harness.clock import Clock
from tests.store.rows import NOW, a_login, begun, failing, generations, rotation
from tests.store.test_group_commit import statements
from tests.store.test_unknown_outcome import lose_commits

Write = Callable[..., list[Any]]


def told(change: Change, name: str = "rotated") -> Change:
    return replace(change, records=lambda: [AuditRecord(name, "server")])


def trail(store: Database) -> list[str]:
    with store.begin() as connection:
        return list(connection.execute(select(schema.events.c.event).order_by(schema.events.c.id)).scalars())


def test_an_event_has_the_fields_of_its_record_and_the_time_of_the_transaction(store: Database, write: Write) -> None:
    record = AuditRecord(
        "login", "user:u_ada", "success", "ada", "u_ada", "app", bytes(16).hex(), "192.0.2.0/24", "a detail"
    )
    assert write(events.only(record)) == [True]
    with store.begin() as connection:
        (row,) = connection.execute(select(schema.events)).all()
    assert tuple(row)[1:] == (
        NOW,
        "login",
        "user:u_ada",
        "success",
        "ada",
        "u_ada",
        "app",
        bytes(16),
        "192.0.2.0/24",
        "a detail",
    )


def test_what_is_too_long_or_has_a_nul_is_cut_and_does_not_fail_the_change(store: Database, write: Write) -> None:
    long = AuditRecord("e", "a" * 9999, user="ü" * 9999, client_id="c" * 9999, network="n" * 999, detail="\0d" * 9999)
    assert write(events.only(long)) == [True]


def test_a_change_whose_guard_fails_leaves_no_event(store: Database, write: Write) -> None:
    (one,) = begun(store, 1)
    assert write(told(rotation(one), "first"), told(rotation(one), "second"), told(rotation(a_login(9)))) == [
        True,
        False,
        False,
    ]
    assert trail(store) == ["first"]


def test_a_group_that_is_rolled_back_and_run_again_one_by_one_leaves_one_event_for_each_change(
    store: Database, write: Write
) -> None:
    one, three = begun(store, 1, 3)
    outcomes = write(told(rotation(one), "one"), told(failing(ValueError("a defect"), 2), "two"), told(rotation(three)))
    assert [outcome is True for outcome in outcomes] == [True, False, True]
    assert trail(store) == ["one", "rotated"]


def test_an_event_that_cannot_be_written_takes_its_change_with_it_and_no_other(store: Database, write: Write) -> None:
    one, two = begun(store, 1, 2)

    def fail() -> Any:
        raise ValueError("no event can be made")

    outcomes = write(replace(rotation(one), records=fail), told(rotation(two)))
    assert [isinstance(outcome, ValueError) for outcome in outcomes] == [True, False]
    assert generations(store) == {1: 0, 2: 1} and trail(store) == ["rotated"]


@pytest.mark.parametrize("size", [1, 3])
def test_the_events_of_a_group_are_one_statement(store: Database, write: Write, size: int) -> None:
    logins = begun(store, *range(1, size + 1))
    sent = statements(store)
    assert write(*(told(rotation(login)) for login in logins)) == [True] * size
    assert [statement for statement in sent if statement[0] == "INSERT"] == [("INSERT", size)]


def test_records_are_made_after_the_change_was_applied(store: Database, write: Write) -> None:
    begun(store, 1, 2)
    ended: list[bytes] = []
    change = authorizations.begin(a_login(3), limit=2, ended=ended)
    assert write(
        replace(change, records=lambda: [AuditRecord("ended", "server", detail=id.hex()) for id in ended])
    ) == [True]
    assert trail(store) == ["ended"]


@pytest.mark.parametrize("durable", [True, False])
def test_if_the_outcome_is_unknown_change_and_event_are_both_there_or_neither(
    store: Database, write: Write, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    (one,) = begun(store, 1)
    with monkeypatch.context() as lossy:
        lose_commits(store, lossy, durable)
        assert [type(outcome) for outcome in write(told(rotation(one)))] == [OutcomeUnknown]
    assert (generations(store)[1], trail(store)) == (int(durable), ["rotated"] * durable)


@pytest.mark.parametrize(("retention", "left"), [(0, ["old", "new"]), (60, ["new"]), (3600, ["old", "new"])])
def test_events_older_than_the_retention_are_pruned_and_0_keeps_all(
    store: Database, write: Write, clock: Clock, retention: int, left: list[str]
) -> None:
    write(events.only(AuditRecord("old", "server")))
    clock.forward(61)
    write(events.only(AuditRecord("new", "server")))
    with store.begin() as connection:
        batch = pruning.next_batch_many(connection, [None])[None]
    assert write(pruning.prune(batch, audit_retention=retention)) == [True]
    assert trail(store) == left


def test_ids_are_never_used_again_even_if_the_newest_were_pruned(store: Database, write: Write) -> None:
    write(events.only(AuditRecord("first", "server")))
    with store.begin() as connection:
        connection.execute(schema.events.delete())
    write(events.only(AuditRecord("second", "server")))
    with store.begin() as connection:
        assert connection.execute(select(schema.events.c.id)).scalars().all() == [2]


def test_changed_settings_are_named_from_the_second_start_on(store: Database) -> None:
    before = Settings(log_level="info").digests()
    after = Settings(log_level="debug", keep_alive=60, key_encryption_key=SecretStr("A" * 43)).digests()
    with store.begin() as connection:
        assert settings_seen.replace(connection, before) == []
        assert settings_seen.replace(connection, before) == []
        changed = settings_seen.replace(connection, after)
        assert settings_seen.replace(connection, after | {"AUTHSERVER_NEW": "of a newer version"}) == []
    names = ["AUTHSERVER_KEY_ENCRYPTION_KEY", "AUTHSERVER_LOG_LEVEL", "AUTHSERVER_KEEP_ALIVE"]
    assert changed == names
    other_key = Settings(log_level="debug", keep_alive=60, key_encryption_key=SecretStr("B" * 42 + "A")).digests()
    assert other_key == after, "the digest of a secret could be used to guess it"
