"""Time in which this process could not reach its database counts towards no retry window, so it ends no login."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from authserver.domain.errors import Unavailable
from authserver.domain.models import SECOND
from authserver.store import users
from authserver.store.connections import Connections
from authserver.store.database import Database
from tests.harness.clock import Clock
from tests.store.conftest import Run, together
from tests.store.rows import begun, failing, generations, on_sqlite, rotation


@pytest.fixture(params=[OperationalError("", None, Exception("down")), PoolTimeout("down")], ids=["refused", "no room"])
def down(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Callable[..., Any]:
    """`with down():` no connection can be had, so nothing is written; a reader that is connected reads on."""

    def refuse(engine: Any) -> None:
        raise request.param

    @contextmanager
    def down() -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.setattr(Engine, "connect", refuse)
            patch.setattr(Connections, "connect", refuse)  # SQLite's is open already
            yield

    return down


def test_an_outage_lasts_from_its_first_failure_to_its_end(
    store: Database, write: Callable[..., list[Any]], clock: Clock, down: Any
) -> None:
    (login,) = begun(store, 1)
    began = clock()
    with down():
        for _ in range(3):
            (outcome,) = write(rotation(login))
            assert isinstance(outcome, Unavailable)
            clock.forward(10)
    assert store.outages.since == began
    assert write(rotation(login)) == [True]
    assert store.outages.spans == ((began, began + 30 * SECOND),)
    assert generations(store) == {1: 1}


def test_a_load_that_finds_no_database_begins_an_outage_and_one_that_does_ends_it(
    store: Database, run: Run, clock: Clock, down: Any
) -> None:
    began = clock()
    with down():
        (lost,) = run(together([store.load(users.load_many, "ada")]))
    assert isinstance(lost, Unavailable)
    clock.forward(7)
    assert run(store.load(users.load_many, "ada")).id == "u_ada"
    assert store.outages.spans == ((began, began + 7 * SECOND),)


def test_one_faulty_change_is_no_outage(store: Database, write: Callable[..., list[Any]]) -> None:
    (login,) = begun(store, 1)
    write(failing(ValueError("a defect"), 2), rotation(login))
    assert store.outages.since is None


def test_a_retry_after_an_outage_that_outlasts_the_window_is_no_reuse(
    token: Callable[..., Any], login: Callable[..., Any], clock: Clock, down: Any
) -> None:
    first = login()["refresh_token"]
    second = token("refresh_token", refresh_token=first).json()["refresh_token"]
    clock.forward(29)
    with down():
        assert token("refresh_token", refresh_token=first).status_code == 503
        clock.forward(600)
    retried = token("refresh_token", refresh_token=first)
    assert retried.status_code == 200, retried.text
    assert retried.json()["refresh_token"] == second
    clock.forward(1)
    assert token("refresh_token", refresh_token=first).json()["error"] == "invalid_grant"


@pytest.mark.thorough
@on_sqlite
def test_nor_is_it_while_others_can_still_be_read(
    token: Callable[..., Any], login: Callable[..., Any], clock: Clock, down: Any
) -> None:
    """Reading goes on while nothing can be written: a busy file, a full disk, a standby."""
    first = login()["refresh_token"]
    second = token("refresh_token", refresh_token=first).json()["refresh_token"]
    with down():
        for _ in range(60):
            assert token("refresh_token", refresh_token=first).status_code == 503
            clock.forward(1)
    assert token("refresh_token", refresh_token=first).json().get("refresh_token") == second
    clock.forward(30)
    assert token("refresh_token", refresh_token=first).json()["error"] == "invalid_grant"
