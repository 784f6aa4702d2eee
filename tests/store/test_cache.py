"""Clients may be 5 seconds old; one that was not there is asked for anew."""

from dataclasses import replace

import pytest

from authserver.store import clients
from authserver.store.cache import Cache


@pytest.fixture
def asked():
    return []


@pytest.fixture
def get(store, clock, run, asked):
    """`get(id)` through a cache with room for two."""

    def load_many(connection, ids):
        asked.append(sorted(ids))
        return clients.load_many(connection, ids)

    cache = Cache(store, load_many, clock, size=2)
    return lambda id: run(cache.get(id))


def disable(store, id):
    with store.begin() as connection:
        clients.put(connection, replace(clients.load(connection, id), disabled=True))


def test_a_row_is_kept_for_less_than_five_seconds(get, store, clock, asked):
    assert not get("app").disabled
    disable(store, "app")
    clock.forward(4.999999)
    assert not get("app").disabled
    clock.forward(0.000001)
    assert get("app").disabled
    assert len(asked) == 2


def test_what_was_not_found_is_asked_for_anew(get, store, asked):
    assert get("late") is None
    with store.begin() as connection:
        clients.add(connection, replace(clients.load(connection, "app"), id="late"))
    assert get("late").id == "late"


def test_the_one_longest_there_makes_room(get, store, asked):
    with store.begin() as connection:
        clients.add(connection, replace(clients.load(connection, "app"), id="third"))
    for id in ("app", "other", "third", "other", "app"):
        assert get(id).id == id
    assert asked == [["app"], ["other"], ["third"], ["app"]]
