"""What the server does by itself: which tasks run, what a failure does, and which state of the keys counts."""

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver.app import assemble
from authserver.background import INTERVALS, BackgroundTasks
from authserver.domain.errors import Unavailable
from authserver.domain.mail import new_mail
from authserver.domain.outbox import Message
from authserver.keyring.lifecycle import Lifecycle
from authserver.outbox import OutboxWorker
from authserver.settings import Settings
from authserver.store import outbox, pruning
from authserver.store.database import Database
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER, LONG
from tests.harness.existing import existing


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in INTERVALS:
        monkeypatch.setitem(INTERVALS, name, 0.001)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The names of the tasks that have run; none of them does its work."""
    ran = {name: threading.Event() for name in INTERVALS}

    def recorder(name: Any) -> Callable[..., Any]:
        async def record(self: Any) -> None:
            ran[name].set()

        return record

    for name in INTERVALS:
        monkeypatch.setattr(BackgroundTasks, name, recorder(name))
    return ran


def test_every_task_is_a_method_and_has_an_interval() -> None:
    assert all(asyncio.iscoroutinefunction(getattr(BackgroundTasks, name)) for name in INTERVALS)
    assert all(seconds > 0 for seconds in INTERVALS.values())


def test_every_task_runs_unless_some_are_named(
    settings: Settings, database: Database, clock: Clock, quick: Any, ran: Any
) -> None:
    with TestClient(assemble(settings, now=clock).app, ISSUER):
        assert all(event.wait(LONG) for event in ran.values())


def test_only_the_tasks_that_are_named_run(
    settings: Settings, database: Database, clock: Clock, quick: Any, ran: Any
) -> None:
    server = assemble(settings, now=clock, enable=("read_keys", "prune"))
    with TestClient(server.app, ISSUER) as http:
        assert ran["read_keys"].wait(LONG) and ran["prune"].wait(LONG)
        assert len(existing(http.portal).call(asyncio_tasks_of_the_server)) == 2
    assert {name for name, event in ran.items() if event.is_set()} == {"read_keys", "prune"}


async def asyncio_tasks_of_the_server() -> Any:
    coroutines: list[Any] = [task.get_coro() for task in asyncio.all_tasks()]
    return [coroutine for coroutine in coroutines if coroutine.__qualname__ == "BackgroundTasks._repeat"]


@pytest.mark.parametrize(
    ("error", "level"), [(Unavailable("The database is locked."), "warning"), (ValueError("a bug"), "error")]
)
def test_a_task_that_failed_is_logged_and_tried_again(
    settings: Settings,
    database: Database,
    clock: Clock,
    quick: Any,
    events: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    error: Any,
    level: str,
) -> None:
    runs, again = [], threading.Event()

    async def fail(self: Any) -> None:
        runs.append(1)
        if len(runs) > 1:
            again.set()
        raise error

    monkeypatch.setattr(BackgroundTasks, "prune", fail)
    with TestClient(assemble(settings, now=clock, enable=("prune",)).app, ISSUER):
        assert again.wait(LONG)
    first = events[0]
    assert (first["event"], first["log_level"], first["task"]) == ("background_task_failed", level, "prune")


def test_an_older_state_of_the_keys_that_arrives_after_a_newer_one_is_ignored(
    settings: Settings, lifecycle: Lifecycle, clock: Clock
) -> None:
    server = assemble(settings, now=clock, enable=())
    tasks = server.tasks
    with TestClient(server.app, ISSUER) as http:
        revoked = kids(http)[0]
        load, is_read, may_arrive = tasks.database.load, threading.Event(), asyncio.Event()

        async def load_late(*arguments: Any) -> Any:
            state = await load(*arguments)
            is_read.set()
            await may_arrive.wait()
            return state

        tasks.database.load = load_late  # type: ignore[assignment, method-assign]
        portal = existing(http.portal)
        older = portal.start_task_soon(tasks.read_keys)
        assert is_read.wait(LONG)
        tasks.database.load = load  # type: ignore[method-assign]
        lifecycle.revoke(revoked)
        portal.call(tasks.read_keys)
        portal.call(may_arrive.set)
        older.result(LONG)
        assert revoked not in kids(http)


def kids(http: TestClient) -> Any:
    return [key["kid"] for key in http.get("/.well-known/jwks.json").json()["keys"]]


def test_what_the_schedule_does_to_the_keys_is_logged_and_counts_at_once(
    settings: Settings, database: Database, clock: Clock, events: list[Any]
) -> None:
    server = assemble(settings, now=clock, enable=())
    with TestClient(server.app, ISSUER) as http:
        rotate = partial(existing(http.portal).call, server.tasks.rotate_keys)
        rotate()
        _, pending = kids(http)
        assert events == [], "nothing is due"
        clock.forward(settings.key_rotation_period)
        rotate()
        assert kids(http)[0] == pending
    changed = [(each["event"], each["change"], each["alg"], each["kid"]) for each in events]
    assert changed == [("key_changed", "promote", "RS256", pending)]


def test_keys_that_are_removed_are_logged(
    settings: Settings, database: Database, clock: Clock, events: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lifecycle, "remove_unused_refresh_keys", lambda self: ["rk_1", "rk_2"])
    monkeypatch.setattr(Lifecycle, "destroy_orphaned_keys", lambda self: ["kid_1"])
    server = assemble(settings, now=clock, enable=())
    with TestClient(server.app, ISSUER) as http:
        existing(http.portal).call(server.tasks.remove_unused_keys)
    removed = [(each["event"], each.get("id", each.get("kid"))) for each in events]
    assert removed == [("refresh_key_removed", "rk_1"), ("refresh_key_removed", "rk_2"), ("key_destroyed", "kid_1")]


def test_the_server_stops_while_a_task_of_it_is_committing(
    settings: Settings, database: Database, clock: Clock, quick: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cancellation comes between the begin of the transaction and its end."""
    committing, stopping = threading.Event(), threading.Event()
    apply = pruning._prune

    def waits(*arguments: Any) -> Any:
        committing.set()
        assert stopping.wait(LONG)
        return apply(*arguments)

    monkeypatch.setattr(pruning, "_prune", waits)
    server = assemble(settings, now=clock, enable=("prune",))

    async def serve() -> None:
        async with server.tasks.running():
            assert await asyncio.to_thread(committing.wait, LONG)
            asyncio.get_running_loop().call_later(0.05, stopping.set)

    asyncio.run(asyncio.wait_for(serve(), LONG))
    server.close()


def test_a_message_that_is_being_sent_when_the_server_stops_is_recorded_as_sent(
    settings: Settings, database: Database, clock: Clock
) -> None:
    class Slow:
        limit = 1
        begun = asyncio.Event()

        async def send(self, message: Message) -> None:
            self.begun.set()
            await asyncio.sleep(0.05)

        def close(self) -> None: ...

    server = assemble(settings, now=clock, enable=())
    server.tasks.outbox = OutboxWorker({"mail": Slow()}, server.tasks.database, clock)
    with database.begin() as connection:
        outbox.add_many(connection, [new_mail("test", "ada@example.com", "en")], clock())

    async def serve() -> None:
        async with server.tasks.running():
            await server.tasks.deliver_outbox()
            await asyncio.wait_for(Slow.begun.wait(), LONG)

    asyncio.run(serve())
    server.close()
    with database.begin() as connection:
        assert [message.outcome for message in outbox.newest(connection, limit=9, delivered=True)] == ["delivered"]


def test_malformed_requests_that_were_only_counted_are_logged_at_the_next_report(
    settings: Settings, database: Database, clock: Clock, events: list[Any]
) -> None:
    server = assemble(settings, now=clock, enable=())
    with TestClient(server.app, ISSUER) as http:
        for _ in range(3):
            http.post("/token", content=b"x", headers={"Content-Type": "text/plain"})
        existing(http.portal).call(server.tasks.report_malformed_requests)
        assert [each["count"] for each in events if each["event"] == "malformed_requests"] == [1, 2]
