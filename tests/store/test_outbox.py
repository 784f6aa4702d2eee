"""Messages in the outbox are sent at least once, by any number of processes, and a receiver that is down holds back no
other."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import insert, select, text

from authserver.domain.delivery import LEASE
from authserver.domain.errors import Unavailable
from authserver.domain.models import SECOND
from authserver.domain.outbox import GIVE_UP_AFTER, Message, NewMessage
from authserver.outbox import NotSent, OutboxWorker
from authserver.store import events, outbox, pruning, schema
from authserver.store.database import Database
from authserver.store.events import Filter
from tests.harness.clock import Clock
from tests.harness.constants import LONG
from tests.store.conftest import Run
from tests.store.nodes import two_nodes
from tests.store.rows import on_postgres

Respond = Callable[[Message], Any]
Write = Callable[..., list[Any]]


class Receivers:
    """Records what was sent, in order. `respond` may raise, and may return something to wait for."""

    def __init__(self, limit: int = 8) -> None:
        self.limit, self.got = limit, list[str]()
        self.respond: Respond = lambda message: None

    async def send(self, message: Message) -> None:
        self.got.append(message.content["text"])
        if (wait := self.respond(message)) is not None:
            await wait

    def close(self) -> None: ...


def down(message: Message) -> None:
    raise NotSent("is down")


@pytest.fixture
def receivers() -> Receivers:
    return Receivers()


@pytest.fixture
def worker(store: Database, clock: Clock, receivers: Receivers) -> OutboxWorker:
    return OutboxWorker({"mail": receivers}, store, clock)


@pytest.fixture
def deliver(worker: OutboxWorker, run: Run) -> Callable[[], None]:
    return lambda: run(delivered(worker))


async def delivered(*workers: OutboxWorker) -> None:
    """Until nothing is left that is due."""
    for _ in range(2):  # the second look is at what another one had claimed
        await asyncio.gather(*(worker.look() for worker in workers))
        await asyncio.gather(*(worker.finish() for worker in workers))


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONG):
        while not is_so():  # noqa: ASYNC110 - what is waited for is in several tasks
            await asyncio.sleep(0.001)


def add(store: Database, clock: Clock, *texts: str, to: str = "one.example", **about: Any) -> None:
    messages = [NewMessage("mail", to, {"text": text}, **about) for text in texts]
    with store.begin() as connection:
        outbox.add_many(connection, messages, clock())


def stored(store: Database) -> list[Message]:
    with store.begin() as connection:
        rows = connection.execute(select(schema.outbox).order_by(schema.outbox.c.id))
        return [outbox._message(row) for row in rows]


def due_queues(store: Database, now: int) -> tuple[str, ...]:
    with store.begin() as connection:
        return outbox.due_queues_many(connection, [now])[now]


def test_a_message_is_sent_once_with_its_content_and_what_it_tells_of(
    store: Database, clock: Clock, receivers: Receivers, deliver: Callable[[], None], events: list[Any]
) -> None:
    add(store, clock, "hello", user_id="u_ada", client_id="app", session_id=bytes(16))
    deliver()
    deliver()
    assert receivers.got == ["hello"]
    [message] = stored(store)
    assert (message.outcome, message.finished_at, message.failures) == ("delivered", clock(), 0)
    assert (message.user_id, message.client_id, message.session_id) == ("u_ada", "app", bytes(16))
    with store.begin() as connection:
        assert outbox.of_session(connection, bytes(16)) == [message]
        assert outbox.of_session(connection, b"x" * 16) == []
    [line] = [event for event in events if event["event"] == "message_delivered"]
    assert (line["to"], line["id"], line["failures"]) == ("mail one.example", message.id, 0)


def test_a_change_that_is_rolled_back_sends_nothing(
    store: Database, clock: Clock, receivers: Receivers, deliver: Callable[[], None]
) -> None:
    with pytest.raises(KeyError), store.begin() as connection:
        outbox.add_many(connection, [NewMessage("mail", "one.example", {"text": "no"})], clock())
        raise KeyError
    deliver()
    assert receivers.got == []


def test_a_receiver_that_is_down_for_an_hour_gets_it_afterwards(
    store: Database, clock: Clock, receivers: Receivers, deliver: Callable[[], None], events: list[Any]
) -> None:
    receivers.respond = down
    add(store, clock, "hello")
    began_at = clock()
    while clock() < began_at + 3600 * SECOND:
        deliver()
        [message] = stored(store)
        clock.forward(((message.next_at or 0) - clock()) / SECOND - 0.001)
        deliver()  # too early
        clock.forward(0.001)
    assert message.reason == "is down" and len(receivers.got) == message.failures == 12
    receivers.respond = lambda message: None
    deliver()
    assert [message.outcome for message in stored(store)] == ["delivered"]
    failed = [event for event in events if event["event"] == "message_failed"]
    assert [event["wait"] for event in failed[:3]] == ["5 seconds", "10 seconds", "20 seconds"]
    assert {(event["reason"], event["to"]) for event in failed} == {("is down", "mail one.example")}


def test_after_a_day_it_is_given_up_and_the_audit_trail_says_so(
    store: Database, clock: Clock, receivers: Receivers, deliver: Callable[[], None]
) -> None:
    receivers.respond = down
    add(store, clock, "hello", user_id="u_ada", client_id="app")
    clock.forward(GIVE_UP_AFTER)
    deliver()
    clock.forward(3600)
    deliver()
    assert receivers.got == ["hello"]
    assert [message.outcome for message in stored(store)] == ["given_up"]
    with store.begin() as connection:
        [event] = events.newest(connection, Filter(), 10)
    record = event.record
    assert (record.event, record.result, record.actor) == ("message_given_up", "failure", "server")
    assert (record.subject, record.client_id) == ("u_ada", "app")
    assert record.detail == "is down; to mail one.example; failures 1"


def test_an_operator_has_a_message_sent_again_that_was_given_up_and_none_that_was_delivered(
    store: Database, clock: Clock, receivers: Receivers, deliver: Callable[[], None]
) -> None:
    receivers.respond = down
    add(store, clock, "hello")
    clock.forward(GIVE_UP_AFTER)
    deliver()
    [given_up] = stored(store)
    receivers.respond = lambda message: None
    clock.forward(60)
    with store.begin() as connection:
        assert outbox.load(connection, given_up.id) == given_up
        assert outbox.newest(connection, limit=9) == [given_up]
        assert outbox.retry(connection, given_up.id, clock())
    deliver()
    assert receivers.got == ["hello"] * 2
    [message] = stored(store)
    assert message.outcome == "delivered"
    with store.begin() as connection:
        assert not outbox.retry(connection, message.id, clock()) and not outbox.retry(connection, 7, clock())
        assert outbox.newest(connection, limit=9) == []
        assert outbox.newest(connection, limit=9, delivered=True) == [message]


def test_what_waits_is_counted_by_kind_with_the_time_of_the_oldest(store: Database, clock: Clock) -> None:
    def backlog() -> Any:
        with store.begin() as connection:
            return outbox.backlog_many(connection, [None])[None]

    assert backlog() == {"logout": (0, None), "mail": (0, None)}
    first = clock()
    add(store, clock, "hello")
    clock.forward(60)
    add(store, clock, "hello", to="two.example")
    with store.begin() as connection:
        outbox.add_many(connection, [NewMessage("mailing", "one.example"), NewMessage("logout", "app")], clock())
    assert backlog() == {"logout": (1, clock()), "mail": (2, first)}
    with store.begin() as connection:
        connection.execute(schema.outbox.update().values(next_at=None))
    assert backlog() == {"logout": (0, None), "mail": (0, None)}


def test_what_a_receiver_refuses_for_good_is_given_up_at_once_and_the_next_is_sent(
    store: Database, clock: Clock, receivers: Receivers, deliver: Callable[[], None], events: list[Any]
) -> None:
    def refuse(message: Message) -> None:
        if message.content["text"] == "bad":
            raise NotSent("no such mailbox", is_permanent=True)

    receivers.respond = refuse
    add(store, clock, "bad", "bad", "bad", "good")
    deliver()
    assert receivers.got == ["bad", "bad", "bad", "good"]
    assert [message.outcome for message in stored(store)] == ["given_up"] * 3 + ["delivered"]
    assert {event["reason"] for event in events if event["event"] == "message_given_up"} == {"no such mailbox"}


def test_a_sender_with_a_defect_is_a_failure_that_is_repeated(
    store: Database, clock: Clock, receivers: Receivers, deliver: Callable[[], None], events: list[Any]
) -> None:
    def fail(message: Message) -> None:
        raise KeyError("a secret")

    receivers.respond = fail
    add(store, clock, "hello")
    deliver()
    [message] = stored(store)
    assert (message.outcome, message.reason) == ("failed", "a defect of the server (KeyError)")
    [line] = [event for event in events if event["event"] == "background_task_failed"]
    assert (line["task"], line["log_level"]) == ("deliver_outbox", "error")


def test_of_two_processes_each_sends_what_the_other_does_not(
    store: Database, clock: Clock, run: Run, receivers: Receivers
) -> None:
    workers = [OutboxWorker({"mail": receivers}, store, clock) for _ in range(2)]
    texts = [f"{number}" for number in range(40)]
    for text_ in texts:
        add(store, clock, text_, to=f"{int(text_) % 3}.example")
    run(delivered(*workers))
    assert sorted(receivers.got) == sorted(texts)


def test_the_message_of_a_process_that_was_killed_is_sent_by_another_when_its_lease_has_ended(
    store: Database, clock: Clock, run: Run, receivers: Receivers
) -> None:
    async def killed_while_it_sends() -> None:
        begun = asyncio.Event()

        def hang(message: Message) -> Any:
            begun.set()
            return asyncio.Event().wait()

        receivers.respond = hang
        killed = OutboxWorker({"mail": receivers}, store, clock)
        await killed.look()
        await asyncio.wait_for(begun.wait(), LONG)
        for task in killed._serving.values():
            task.cancel()
        await killed.finish()

    add(store, clock, "hello")
    run(killed_while_it_sends())
    receivers.respond = lambda message: None
    other = OutboxWorker({"mail": receivers}, store, clock)
    clock.forward(LEASE - 0.001)
    run(delivered(other))
    assert receivers.got == ["hello"]
    clock.forward(0.001)
    run(delivered(other))
    assert receivers.got == ["hello", "hello"]
    assert [message.outcome for message in stored(store)] == ["delivered"]


def test_receivers_that_are_down_hold_back_no_other(
    store: Database, clock: Clock, run: Run, receivers: Receivers, worker: OutboxWorker
) -> None:
    """Eight of them, each with a hundred messages and without an answer, when a sender can do eight things at once."""

    may_end, hanging = asyncio.Event(), set[str]()

    async def hang(message: Message) -> None:
        hanging.add(message.queue)
        await may_end.wait()
        raise NotSent("no response")

    async def deliver() -> None:
        receivers.respond = lambda message: hang(message) if "down" in message.queue else None
        may_end.set()
        await delivered(worker)  # now each is known to be down
        may_end.clear()
        hanging.clear()
        await worker.look()
        await until(lambda: len(hanging) == 4)
        add(store, clock, "good", to="up.example")
        await worker.look()
        await until(lambda: "good" in receivers.got)
        assert len(hanging) == 4
        may_end.set()
        await worker.finish()

    for number in range(8):
        add(store, clock, *["bad"] * 100, to=f"down{number}.example")
    run(deliver())


def test_a_receiver_gets_two_at_a_time_at_most(
    store: Database, clock: Clock, run: Run, receivers: Receivers, worker: OutboxWorker
) -> None:
    running, most = 0, 0

    async def count(message: Message) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    receivers.respond = count
    add(store, clock, *map(str, range(20)))
    run(delivered(worker))
    assert (most, len(receivers.got)) == (2, 20)


def test_a_kind_that_this_process_does_not_know_is_left_to_others(
    store: Database, clock: Clock, run: Run, receivers: Receivers
) -> None:
    add(store, clock, "hello")
    run(delivered(OutboxWorker({"logout": receivers}, store, clock)))
    assert receivers.got == [] and stored(store)[0].failures == 0


def test_a_clock_that_was_set_back_does_not_stop_messages(
    store: Database, clock: Clock, receivers: Receivers, deliver: Callable[[], None]
) -> None:
    clock.forward(86400)
    add(store, clock, "hello")
    clock.forward(-86400)
    deliver()
    assert receivers.got == ["hello"]


def test_a_receiver_that_works_again_gets_everything(
    store: Database, clock: Clock, run: Run, receivers: Receivers, worker: OutboxWorker
) -> None:
    receivers.respond = down
    texts = [f"{number}" for number in range(10)]
    add(store, clock, *texts)
    for _ in texts:
        run(delivered(worker))
    receivers.respond = lambda message: None
    receivers.got.clear()
    clock.forward(10)
    run(delivered(worker))
    assert sorted(receivers.got) == texts
    assert {message.outcome for message in stored(store)} == {"delivered"}


def test_a_receiver_that_failed_gets_one_message_at_a_time_until_one_arrives(
    store: Database, clock: Clock, run: Run, receivers: Receivers, worker: OutboxWorker
) -> None:
    async def sent_by_one_look() -> int:
        receivers.got.clear()
        await worker.look()
        await worker.finish()
        return len(receivers.got)

    receivers.respond = down
    add(store, clock, *"abcdef")
    assert run(sent_by_one_look()) == 2
    assert run(sent_by_one_look()) == 1
    receivers.respond = lambda message: None
    assert run(sent_by_one_look()) == 1
    assert run(sent_by_one_look()) == 2
    clock.forward(5)
    assert run(sent_by_one_look()) == 3


def test_if_the_database_fails_what_was_begun_is_waited_for(
    store: Database, clock: Clock, run: Run, receivers: Receivers, worker: OutboxWorker, events: list[Any]
) -> None:
    """One of two messages cannot be recorded as delivered: it is sent again later."""

    async def deliver() -> None:
        first, second_may_end = asyncio.Event(), asyncio.Event()

        async def respond(message: Message) -> None:
            if message.content["text"] == "lost":
                first.set()
            else:
                await second_may_end.wait()

        receivers.respond = respond
        await worker.look()
        await asyncio.wait_for(first.wait(), LONG)
        await until(lambda: worker._serving != {} and "lost" in refused)
        second_may_end.set()
        await worker.finish()

    refused = list[str]()
    write = store.write

    async def refuse_one(change: Any) -> bool:
        _, new = change.params
        if new.is_delivered and new.content["text"] == "lost":
            refused.append("lost")
            raise Unavailable("The database is down.")
        return await write(change)

    store.write = refuse_one  # type: ignore[method-assign]
    add(store, clock, "lost", "other")
    run(deliver())
    assert [message.outcome for message in stored(store)] == [None, "delivered"]
    [line] = [event for event in events if event["event"] == "background_task_failed"]
    assert (line["reason"], line["log_level"]) == ("The database is down.", "warning")


def test_an_ending_server_waits_for_what_is_being_sent_and_begins_nothing_more(
    store: Database, clock: Clock, run: Run
) -> None:
    receivers = Receivers(limit=2)
    worker = OutboxWorker({"mail": receivers}, store, clock)

    async def stop() -> None:
        begun, may_end = asyncio.Event(), asyncio.Event()

        async def hang(message: Message) -> None:
            begun.set()
            await may_end.wait()

        receivers.respond = hang
        await worker.look()
        await asyncio.wait_for(begun.wait(), LONG)
        stopping = asyncio.create_task(worker.stop())
        await asyncio.sleep(0)
        may_end.set()
        await stopping

    for receiver in ("one", "two", "three"):
        add(store, clock, "a", "b", to=f"{receiver}.example")
    run(stop())
    assert sorted(str(message.outcome) for message in stored(store)) == ["None"] * 4 + ["delivered"] * 2


def test_the_queues_that_are_due_are_found(store: Database, clock: Clock) -> None:
    assert due_queues(store, clock()) == ()
    add(store, clock, "a", "b", to="two.example")
    add(store, clock, "a", to="one.example")
    now = clock()
    assert due_queues(store, now) == ("mail one.example", "mail two.example")
    assert due_queues(store, now - 1) == ()
    assert due_queues(store, now - 601 * SECOND) == ("mail one.example", "mail two.example")


@on_postgres
def test_two_nodes_that_claim_a_message_at_once_do_it_in_turn(
    store: Database, url: str, clock: Clock, run: Run
) -> None:
    add(store, clock, "hello")
    [message] = stored(store)
    claim = outbox.advance(message, message.begun(clock()))
    [outcomes] = two_nodes(run, url, clock, [[[claim], [claim]]])
    assert sorted(outcome for node in outcomes for outcome in node) == [False, True]


def plan_of_the_search(store: Database) -> list[str]:
    is_sqlite = store._engine.dialect.name == "sqlite"
    with store.begin() as connection:
        connection.execute(text("ANALYZE outbox"))
        explain = text(f"EXPLAIN {'QUERY PLAN' if is_sqlite else ''} {outbox._DUE_QUEUES.text}")
        return [str(row) for row in connection.execute(explain, {"now": 0, "latest": 0})]


def test_the_search_for_queues_reads_no_table(store: Database, clock: Clock) -> None:
    """Its time depends on the number of receivers, not on that of messages: a receiver that is down may have many."""
    values = {"failures": 0, "reason": "", "is_delivered": False, "content": "{}", "created_at": 0}
    rows = [{"queue": f"mail {number % 5}", "next_at": number} | values for number in range(5000)]
    with store.begin() as connection:
        connection.execute(insert(schema.outbox), rows)
    plan = plan_of_the_search(store)
    reads = [line for line in plan if "outbox" in line]
    assert len(reads) >= 3 and all("ix_outbox_waiting" in line for line in reads), plan


def test_finished_messages_are_pruned_after_a_day_and_others_stay(
    store: Database, clock: Clock, write: Write, deliver: Callable[[], None]
) -> None:
    add(store, clock, "hello", to="one.example")
    deliver()
    clock.forward(86400 - 1)
    add(store, clock, "new", to="two.example")
    prune(store, clock, write)
    assert [message.content["text"] for message in stored(store)] == ["hello", "new"]
    clock.forward(11)
    prune(store, clock, write)
    assert [message.content["text"] for message in stored(store)] == ["new"]


def prune(store: Database, clock: Clock, write: Write) -> Sequence[Any]:
    with store.begin() as connection:
        batch = pruning.next_batch_many(connection, [None])[None]
    outcomes: Sequence[Any] = write(pruning.prune(batch))
    assert outcomes == [True]
    return outcomes


def test_queues_that_fail_are_counted(
    store: Database, clock: Clock, receivers: Receivers, deliver: Callable[[], None]
) -> None:
    receivers.respond = lambda message: down(message) if "down" in message.queue else None
    created_at = clock()
    add(store, clock, "a", "b", to="down.example")
    add(store, clock, "c", to="up.example")
    deliver()
    with store.begin() as connection:
        [waiting] = outbox.failing(connection)
    assert (waiting.queue, waiting.count, waiting.reason) == ("mail down.example", 2, "is down")
    assert (waiting.created_at, waiting.next_at) == (created_at, clock() + 5 * SECOND)


def test_an_ending_server_does_not_wait_for_ever_for_what_is_being_sent(
    store: Database, clock: Clock, run: Run, receivers: Receivers, worker: OutboxWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stop() -> None:
        receivers.respond = lambda message: asyncio.Event().wait()
        await worker.look()
        await until(lambda: receivers.got != [])
        await asyncio.wait_for(worker.stop(), LONG)
        assert worker._serving == {}

    monkeypatch.setattr("authserver.outbox.worker._SHUTDOWN_TIMEOUT", 0)
    add(store, clock, "hello")
    run(stop())
    assert [message.outcome for message in stored(store)] == [None]
