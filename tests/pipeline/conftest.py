"""The world of the refresh-token tests: made once, and made fresh for each test."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from authserver.domain.models import Client
from tests.pipeline.world import World


@pytest.fixture(scope="session")
def whole_world() -> Iterator[World]:
    """In memory where there is such a place: it commits thousands of times, and no disk is tested here."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        world = World(Path(folder))
        yield world
        world.close()


@pytest.fixture
def world(whole_world: World) -> World:
    """With the users ada and bob, and four public clients that differ in their policy."""
    whole_world.reset([client("app"), client("other"), client("strict", refresh_retry_window=0), FIXED], ["ada", "bob"])
    return whole_world


def client(name: str, **policy: object) -> Client:
    grants = frozenset({"password", "refresh_token"})
    return Client(name, name, "none", grants, ("read", "write"), policy=dict(policy))


FIXED = client("fixed", rotation=False, refresh_idle_ttl=60, refresh_absolute_ttl=100)
