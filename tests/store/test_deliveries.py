"""How far events were delivered is one row that only one process may advance, and no event is ever skipped."""

from collections.abc import Callable, Sequence
from threading import Thread
from typing import Any

import pytest

from authserver.domain.audit import AuditRecord
from authserver.domain.delivery import Progress
from authserver.domain.errors import Unavailable
from authserver.domain.models import SECOND
from authserver.event_delivery.delivery import Delivery
from authserver.store import deliveries, events
from authserver.store.database import Database
from authserver.store.events import StoredEvent
from tests.harness.clock import Clock
from tests.store.conftest import Run

Write = Callable[..., list[Any]]


class Memory:
    """A receiver that keeps what it gets."""

    name, limit = "memory", 100

    def __init__(self) -> None:
        self.got: list[str] = []

    async def send(self, events: Sequence[StoredEvent]) -> None:
        self.got += [event.record.event for event in events]

    def close(self) -> None: ...


async def no_pause(seconds: float) -> None: ...


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def deliver(store: Database, run: Run, clock: Clock, memory: Memory) -> Callable[[], list[str]]:
    """`deliver()` returns everything that was delivered so far."""

    def deliver() -> list[str]:
        run(Delivery(memory, store, clock).run(no_pause))
        return memory.got

    return deliver


def add(connection: Any, clock: Clock, *names: str) -> None:
    events.add(connection, clock(), [AuditRecord(name, "server") for name in names])


def test_of_two_processes_that_advance_a_row_the_first_does(store: Database, write: Write) -> None:
    one, two = Progress().begun(1, 5, SECOND), Progress().begun(1, 7, SECOND)
    assert write(deliveries.advance("webhook", Progress(), one)) == [True]
    assert write(deliveries.advance("webhook", Progress(), two)) == [False]
    assert write(deliveries.advance("hook", Progress(), two)) == [True]
    assert write(deliveries.advance("webhook", one, one.delivered())) == [True]
    assert write(deliveries.advance("webhook", one, one.failed(0, SECOND))) == [False]
    with store.begin() as connection:
        assert deliveries.progress_many(connection, []) == {"webhook": Progress(5), "hook": two}


def test_events_are_delivered_in_order_by_any_number_of_runs(
    store: Database, clock: Clock, deliver: Callable[[], list[str]]
) -> None:
    with store.begin() as connection:
        add(connection, clock, "one", "two")
    assert deliver() == ["one", "two"]
    with store.begin() as connection:
        add(connection, clock, "three")
    assert deliver() == ["one", "two", "three"]
    assert deliver() == ["one", "two", "three"]


@pytest.mark.parametrize("ends", ["commit", "rollback"])
def test_an_event_that_becomes_visible_after_a_later_id_is_not_skipped(
    postgres_url: str, clock: Clock, run: Run, ends: str
) -> None:
    """On PostgreSQL, with two connections: the first takes an id and commits last."""
    store, memory = Database(postgres_url, clock), Memory()
    with store._engine.connect() as slow:
        transaction = slow.begin()
        add(slow, clock, "one")
        with store.begin() as quick:
            add(quick, clock, "two")
        run(Delivery(memory, store, clock).run(no_pause))
        assert memory.got == []
        getattr(transaction, ends)()
        run(Delivery(memory, store, clock).run(no_pause))
        assert memory.got == (["one", "two"] if ends == "commit" else ["two"])
    store.close()


def test_a_transaction_that_ends_while_the_delivery_waits_is_included(
    postgres_url: str, clock: Clock, run: Run
) -> None:
    store, memory = Database(postgres_url, clock), Memory()
    with store._engine.connect() as slow:
        transaction = slow.begin()
        add(slow, clock, "one")
        with store.begin() as quick:
            add(quick, clock, "two")

        async def commit(seconds: float) -> None:
            if transaction.is_active:
                transaction.commit()

        run(Delivery(memory, store, clock).run(commit))
    assert memory.got == ["one", "two"]
    store.close()


def test_other_writers_that_come_and_go_do_not_hold_a_delivery_back(postgres_url: str, clock: Clock, run: Run) -> None:
    """There is always one, but each is short."""
    store, memory = Database(postgres_url, clock), Memory()
    with store.begin() as connection:
        add(connection, clock, "one")
    open_ones = [store._engine.connect()]
    open_ones[0].begin()
    add(open_ones[0], clock, "later")

    async def next_writer(seconds: float) -> None:
        open_ones.append(store._engine.connect())
        open_ones[-1].begin()
        add(open_ones[-1], clock, "later")
        open_ones[-2].rollback()
        open_ones[-2].close()

    run(store.load(deliveries.writers_many, None))
    run(_delivered_once(Delivery(memory, store, clock), next_writer))
    open_ones[-1].close()
    assert memory.got == ["one"]
    store.close()


async def _delivered_once(delivery: Delivery, pause: Any) -> None:
    await delivery._deliver_some(pause)


def test_a_writer_that_does_not_end_is_said(postgres_url: str, clock: Clock, run: Run) -> None:
    store, memory = Database(postgres_url, clock), Memory()
    with store._engine.connect() as stuck:
        stuck.begin()
        add(stuck, clock, "one")
        with store.begin() as quick:
            add(quick, clock, "two")
        clock.forward(60)
        run(Delivery(memory, store, clock).run(no_pause))
        with store.begin() as quick:
            add(quick, clock, "three")
        clock.forward(0.001)
        with pytest.raises(Unavailable, match="open for more than a minute"):
            run(Delivery(memory, store, clock).run(no_pause))
    assert memory.got == []
    store.close()


def test_under_concurrent_writers_every_event_is_delivered_once(postgres_url: str, clock: Clock, run: Run) -> None:
    store, memory = Database(postgres_url, clock), Memory()

    def work(writer: int) -> None:
        for number in range(20):
            with store.begin() as connection:
                add(connection, clock, f"{writer}-{number}")

    writers = [Thread(target=work, args=(writer,)) for writer in range(3)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        run(Delivery(memory, store, clock).run(no_pause))
    run(Delivery(memory, store, clock).run(no_pause))
    assert sorted(memory.got) == sorted(f"{writer}-{number}" for writer in range(3) for number in range(20))
    for mark in "012":
        assert [name for name in memory.got if name[0] == mark] == [f"{mark}-{number}" for number in range(20)]
    store.close()
