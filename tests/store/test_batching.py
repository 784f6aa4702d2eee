"""What queues up while a batch runs is one batch: one statement for all loads of a kind, one transaction for changes.

Cancelled before its group starts, a request is withdrawn; after that its change stands.
"""

import asyncio
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest
from sqlalchemy import event, text

from authserver.domain.errors import Unavailable
from authserver.store import authorizations, clients, database, users
from authserver.store.database import Database
from tests.harness.constants import LONG
from tests.harness.existing import existing
from tests.store.conftest import Run, together
from tests.store.rows import begun, change_of, generations, on_sqlite, rotation


class Gate:
    """A change that keeps the database thread busy until it is opened."""

    def __init__(self) -> None:
        self.entered, self.opened = Event(), Event()
        self.change = change_of(self._pass, ("authorizations", b""))

    def _pass(self, connection: Any, params: Any, now: Any) -> Any:
        self.entered.set()
        assert self.opened.wait(LONG)
        connection.execute(text("SELECT 1"))
        return True

    async def hold(self, store: Any) -> Any:
        """Returns once the thread is busy; the task that waits for the change."""
        holding = asyncio.create_task(store.write(self.change))
        await asyncio.to_thread(self.entered.wait, 10)
        return holding


@pytest.fixture
def statements(store: Database) -> Any:
    sent = []

    def note(connection: Any, cursor: Any, statement: Any, parameters: Any, context: Any, executemany: Any) -> None:
        if statement.split()[0] in ("SELECT", "UPDATE"):
            sent.append(statement.split()[0])

    event.listen(store._engine, "before_cursor_execute", note)
    event.listen(store._engine, "commit", lambda _: sent.append("COMMIT"))
    return sent


def test_loads_of_one_moment_are_one_statement_for_each_kind(store: Database, run: Run, statements: Any) -> None:
    begun(store, 1, 2)
    statements.clear()
    ids = [number.to_bytes(16) for number in (1, 2, 1, 9)]
    asked = [store.load(authorizations.load_many, id) for id in ids] + [store.load(users.load_many, "ada")]
    one, two, again, absent, ada = run(together(asked))
    assert statements == ["SELECT", "SELECT"]
    assert [loaded.authorization.id for loaded in (one, two, again)] == ids[:3]
    assert absent is None
    assert ada.id == "u_ada"


@on_sqlite
def test_what_comes_while_a_batch_runs_is_the_next_batch(store: Database, run: Run, statements: Any) -> None:
    logins, gate = begun(store, 1, 2, 3), Gate()

    async def ask() -> Any:
        holding = await gate.hold(store)
        statements.clear()
        asked: list[asyncio.Task[Any]] = [asyncio.create_task(store.write(rotation(login))) for login in logins]
        asked += [asyncio.create_task(store.load(clients.load_many, id)) for id in ("app", "other")]
        await asyncio.sleep(0)
        gate.opened.set()
        return await asyncio.gather(holding, *asked)

    held, *outcomes = run(ask())
    assert held is True
    assert outcomes[:3] == [True] * 3
    assert [client.id for client in outcomes[3:]] == ["app", "other"]
    assert statements == ["SELECT", "COMMIT", "SELECT", "UPDATE", "COMMIT"], "the gate's own, one load, one group"


def test_one_key_that_the_database_cannot_take_fails_no_neighbour(store: Database, run: Run) -> None:
    asked = [store.load(users.load_many, name) for name in ("ada", "\udc80", "bob")]
    ada, bad, bob = run(together(asked))
    assert (ada.id, bob.id) == ("u_ada", "u_bob")
    assert isinstance(bad, Exception)
    assert store.outages.since is None


def test_a_loader_that_fails_fails_its_own_kind_only(store: Database, run: Run) -> None:
    def broken(connection: Any, keys: Any) -> dict[int, Any]:
        raise LookupError("a defect")

    lost, ada = run(together([store.load(broken, 1), store.load(users.load_many, "ada")]))
    assert isinstance(lost, LookupError)
    assert ada.id == "u_ada"


@on_sqlite
def test_a_request_cancelled_before_its_group_starts_is_withdrawn(store: Database, run: Run) -> None:
    logins, gate = begun(store, 1, 2), Gate()

    async def ask() -> Any:
        holding = await gate.hold(store)
        gone, stays = [asyncio.create_task(store.write(rotation(login))) for login in logins]
        await asyncio.sleep(0)
        gone.cancel()
        gate.opened.set()
        return await asyncio.gather(holding, gone, stays, return_exceptions=True)

    held, gone, stays = run(ask())
    assert isinstance(gone, asyncio.CancelledError)
    assert (held, stays) == (True, True)
    assert generations(store) == {1: 0, 2: 1}


def test_a_request_cancelled_after_its_group_has_started_stands_learns_of_it_and_ends_at_its_next_wait(
    store: Database, run: Run
) -> None:
    (login,), gate = begun(store, 1), Gate()
    reported: list[bool] = []

    async def goes_on() -> None:
        reported.append(await store.write(rotation(login)))
        await asyncio.sleep(LONG)

    async def ask() -> Any:
        holding = asyncio.create_task(store.write(gate.change))
        going = asyncio.create_task(goes_on())
        await asyncio.to_thread(gate.entered.wait, LONG)
        going.cancel()
        gate.opened.set()
        return await asyncio.gather(holding, going, return_exceptions=True)

    held, ended = run(ask())
    assert held and reported == [True]
    assert isinstance(ended, asyncio.CancelledError)
    assert generations(store) == {1: 1}


def test_an_inbox_that_is_full_refuses_and_then_works_again(
    store: Database, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_INBOX", 3)

    async def ask() -> Any:
        asked = [store.write(rotation(login)) for login in logins] + [store.load(users.load_many, "ada")]
        return await together(asked), await store.load(users.load_many, "ada")

    logins = begun(store, 1, 2, 3, 4)
    outcomes, after = run(ask())
    assert outcomes[:3] == [True] * 3
    assert [type(outcome) for outcome in outcomes[3:]] == [Unavailable] * 2
    assert after.id == "u_ada"
    assert generations(store) == {1: 1, 2: 1, 3: 1, 4: 0}


def test_a_caller_of_a_full_inbox_gets_503_and_no_harm_done(
    token: Callable[..., Any], login: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = login()["refresh_token"]
    with monkeypatch.context() as full:
        full.setattr(database, "_INBOX", 0)
        refused = token("refresh_token", refresh_token=first)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert token("refresh_token", refresh_token=first).status_code == 200


def test_a_key_that_cannot_be_compared_is_an_error_for_its_batch_and_leaves_nobody_waiting(
    store: Database, run: Run
) -> None:
    async def scenario() -> None:
        key: Any = ["ada"]
        unhashable = store.load(users.load_many, key)
        unsortable = [store.write(change_of(lambda *_: True, ("authorizations", row))) for row in ("a", 2)]
        asked = [store.load(users.load_many, "ada"), unhashable, *unsortable]
        answers = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 60)
        assert all(isinstance(answer, TypeError) for answer in answers)
        assert existing(await store.load(users.load_many, "ada")).id == "u_ada"

    run(scenario())
