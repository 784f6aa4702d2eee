"""How many connections to PostgreSQL a process holds, and what happens where PostgreSQL has no room for them."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from time import monotonic
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from authserver.domain.errors import Unavailable
from authserver.store import users
from authserver.store.database import Database
from authserver.store.engine import warnings
from tests.harness.clock import Clock
from tests.harness.constants import LONG
from tests.harness.postgres import Postgres
from tests.store.conftest import Run, together
from tests.store.rows import begun, change_of, on_postgres, rotation

pytestmark = on_postgres
OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'counted'"


@pytest.fixture
def full(postgres: Postgres) -> Iterator[Callable[..., Any]]:
    """`full(leave=2)` takes all connections that PostgreSQL has but two; returns them, to be closed."""
    with ExitStack() as taken:

        def full(leave: Any) -> Any:
            connections: list[Any] = []
            while len(connections) < 200:
                try:
                    connections.append(taken.enter_context(postgres.connect("postgres")))
                except psycopg.OperationalError:
                    break
            for connection in connections[:leave]:
                connection.close()
            return connections[leave:]

        yield full


@pytest.mark.parametrize("most", [2, 5])
def test_a_process_holds_no_more_than_the_setting_allows(
    store: Database, url: str, clock: Clock, run: Run, most: int
) -> None:
    logins = begun(store, *range(1, 30))
    with closing(Database(url + "&application_name=counted", clock, connections=most)) as node:
        for _ in range(5):
            rotated = (change_of(_rotate(login.id), ("authorizations", login.id)) for login in logins)
            asks = [*map(node.write, rotated), *(node.load(users.load_many, name) for name in ("ada", "bob"))]
            assert not [each for each in run(together(asks)) if isinstance(each, Exception)]
            with node.begin() as connection:
                connection.execute(text("SELECT 1"))
        with store.read() as connection:
            assert 0 < connection.exec_driver_sql(OURS).scalar_one() <= most


def _rotate(id: Any) -> Callable[..., Any]:
    update = text("UPDATE authorizations SET generation = generation + 1 WHERE id = :id")
    return lambda connection, *_: connection.execute(update, {"id": id}).rowcount == 1


@pytest.mark.parametrize("room", [1, 2])
def test_near_max_connections_every_request_is_served(
    store: Database, url: str, clock: Clock, run: Run, full: Any, room: int
) -> None:
    """All threads want a connection at the same time."""
    logins = begun(store, *range(1, 9))
    store.close()  # its connections would count
    full(leave=room)

    def take_a_while(connection: Any, keys: Any) -> Any:
        connection.execute(text("SELECT pg_sleep(0.3)"))
        return users.load_many(connection, keys)

    async def ask(node: Any) -> Any:
        asked = []
        for login in logins:
            for wish in (node.load(take_a_while, "ada"), node.write(rotation(login))):
                asked.append(asyncio.create_task(wish))
                await asyncio.sleep(0)
                await asyncio.sleep(0)  # by now it has been handed to a thread, if one is idle
        return await asyncio.gather(*asked)

    with closing(Database(url, clock)) as node:
        loaded, written = _halves(run(ask(node)))
        with node.begin() as connection:
            assert connection.execute(text("SELECT min(generation) FROM authorizations")).scalar() == 1
    assert {user.id for user in loaded} == {"u_ada"} and set(written) == {True}


def _halves(outcomes: Any) -> Any:
    return outcomes[::2], outcomes[1::2]


def test_with_no_room_at_all_a_request_waits_for_some(
    store: Database, url: str, clock: Clock, run: Run, full: Any
) -> None:
    store.close()
    taken = full(leave=0)
    with closing(Database(url, clock)) as node, ThreadPoolExecutor() as threads:
        asked = threads.submit(run, node.load(users.load_many, "ada"))
        with pytest.raises(TimeoutError):
            asked.result(0.2)
        taken[0].close()
        assert asked.result(60).id == "u_ada"


def test_and_not_for_ever(store: Database, url: str, clock: Clock, run: Run, full: Any) -> None:
    store.close()
    full(leave=0)
    with closing(Database(url, clock, deadline=1)) as node:
        (outcome,) = run(together([node.load(users.load_many, "ada")]))
    assert isinstance(outcome, Unavailable) and "too many clients" in str(outcome)


def test_workers_whose_connections_cannot_fit_are_told(store: Database, url: str) -> None:
    with store.begin() as connection:
        room = connection.exec_driver_sql("SHOW max_connections").scalar_one()
        assert warnings(connection, workers=1) == []
        (told,) = warnings(connection, workers=20)
    assert "100 connections (20 workers x AUTHSERVER_DATABASE_CONNECTIONS=5) do not fit" in told
    assert f"has room for {int(room) - 3}, of which others use" in told and "Every further node needs 100 more" in told


def test_a_role_may_have_less_room(store: Database, postgres: Postgres, url: str, clock: Clock) -> None:
    name = url.split("/")[3].split("?")[0]
    with postgres.connect("postgres") as connection:
        connection.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 4")
    told, until = "", monotonic() + LONG
    while "others use 0" not in told and monotonic() < until:  # connections of the set-up may still be ending
        with store.begin() as connection:
            (told,) = warnings(connection)
    assert "has room for 4, of which others use 0" in told


def test_what_others_use_counts(store: Database, full: Any) -> None:
    full(leave=3)
    with store.begin() as connection:
        (told,) = warnings(connection)
    assert "do not fit" in told
