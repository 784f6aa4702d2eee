"""Events that change nothing: whoever repeats them writes a bounded number of rows, and the number is on record."""

import asyncio
from typing import Any, cast

from authserver.domain.audit import REQUEST_EVENTS, AuditRecord, of_request
from authserver.pipeline.audit import MAX_KINDS, RepeatableEvents
from authserver.pipeline.event import Event
from authserver.store.database import Database


class Written:
    """In place of the database: the records of each change."""

    def __init__(self) -> None:
        self.records: list[AuditRecord] = []

    def post(self, change: Any) -> None:
        self.records.extend(change.records())

    async def write(self, change: Any) -> bool:
        self.post(change)
        return True


def failed(network: str = "192.0.2.0/24", reason: str = "wrong password") -> Event:
    return Event("login_failed", fields={"reason": reason, "network": network})


def noted(*events: Event) -> tuple[RepeatableEvents, Written]:
    database = Written()
    repeatable = RepeatableEvents(cast("Database", database))
    for event in events:
        repeatable.note([event], lambda event: of_request(event.name, event.fields, ""))
    return repeatable, database


def test_the_first_of_a_kind_is_written_at_once_and_equal_ones_are_counted_once_a_minute() -> None:
    repeatable, database = noted(*[failed()] * 42, failed(reason="no such user"))
    assert [record.detail for record in database.records] == ["wrong password", "no such user"]
    asyncio.run(repeatable.flush())
    assert [record.detail for record in database.records[2:]] == ["wrong password; repeated 41 times"]
    asyncio.run(repeatable.flush())
    assert len(database.records) == 3


def test_a_flood_from_any_number_of_networks_writes_a_bounded_number_of_rows_and_loses_no_attempt() -> None:
    flood = [failed(f"10.{number >> 8}.{number & 255}.0/24") for number in range(10_000)]
    repeatable, database = noted(*flood, *flood)
    asyncio.run(repeatable.flush())
    assert len(database.records) <= 2 * (MAX_KINDS + len(REQUEST_EVENTS))
    repeated = [int(record.detail.split("repeated ")[1].split()[0]) for record in database.records[MAX_KINDS + 1 :]]
    assert MAX_KINDS + 1 + sum(repeated) == 2 * len(flood)


def test_an_event_that_tells_of_a_change_is_not_counted_and_one_that_is_not_audited_is_not_kept() -> None:
    repeatable, database = noted(Event("login"), Event("refused"), Event("revoked"))
    asyncio.run(repeatable.flush())
    assert database.records == []
