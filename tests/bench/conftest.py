"""One server on each kind of database for all of these tests, set up once: its commands are what takes the time."""

from collections.abc import Iterator

import pytest

from tests.harness.constants import PATIENT
from tests.harness.databases import missing
from tests.harness.server import Server, set_up


@pytest.fixture(scope="session")
def on_sqlite() -> Iterator[Server]:
    with set_up("sqlite", **PATIENT) as server:
        server.database.record_history()
        yield server


@pytest.fixture(scope="session")
def on_postgresql() -> Iterator[Server]:
    """Two nodes."""
    if why := missing("postgresql"):
        pytest.skip(why)
    with set_up("postgresql", 2, **PATIENT) as server:
        server.database.record_history()
        yield server


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Server:
    """On the kind of database that the test is parametrized with, whole and with one worker."""
    server: Server = request.getfixturevalue(f"on_{getattr(request, 'param', 'sqlite')}")
    server.workers = 1
    server.plant(None)
    return server
