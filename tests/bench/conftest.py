"""One server for all of these tests, set up once: its commands are what takes the time."""

from collections.abc import Iterator

import pytest

from scripts.bench.server import Server, set_up


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with set_up() as server:
        yield server
