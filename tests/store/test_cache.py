"""Clients may be 5 seconds old; one that was not there is asked for anew."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from authserver.store import clients
from authserver.store.cache import Cache
from authserver.store.database import Database
from tests.harness.clock import Clock
from tests.harness.existing import existing
from tests.store.conftest import Run


@pytest.fixture
def asked() -> Any:
    return []


@pytest.fixture
def get(store: Database, clock: Clock, run: Run, asked: Any) -> Callable[..., Any]:
    """`get(id)` through a cache with room for two."""

    def load_many(connection: Any, ids: Any) -> Any:
        asked.append(sorted(ids))
        return clients.load_many(connection, ids)

    cache = Cache(store, load_many, clock, size=2)
    return lambda id: run(cache.get(id))


def disable(store: Any, id: Any) -> None:
    with store.begin() as connection:
        clients.put(connection, replace(existing(clients.load(connection, id)), disabled=True))


def test_a_row_is_kept_for_less_than_five_seconds(get: Any, store: Database, clock: Clock, asked: Any) -> None:
    assert not get("app").disabled
    disable(store, "app")
    clock.forward(4.999999)
    assert not get("app").disabled
    clock.forward(0.000001)
    assert get("app").disabled
    assert len(asked) == 2


def test_what_was_not_found_is_asked_for_again(get: Any, store: Database, asked: Any) -> None:
    assert get("late") is None
    with store.begin() as connection:
        clients.add(connection, replace(existing(clients.load(connection, "app")), id="late"))
    assert get("late").id == "late"


def test_the_one_longest_there_makes_room(get: Any, store: Database, asked: Any) -> None:
    with store.begin() as connection:
        clients.add(connection, replace(existing(clients.load(connection, "app")), id="third"))
    for id in ("app", "other", "third", "other", "app"):
        assert get(id).id == id
    assert asked == [["app"], ["other"], ["third"], ["app"]]
