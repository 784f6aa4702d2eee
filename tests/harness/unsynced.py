"""SQLite in the tests' own process does not wait until the disk has what it wrote: these waits are as long as all that
most tests do, and no test switches off the machine. Processes that tests start do wait."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from authserver.store import engine

SYNCED: Any = engine._configure_sqlite
"""For a test of that: what prepares each connection."""


def _unsynced(connection: Any, record: object) -> None:
    SYNCED(connection, record)
    connection.execute("pragma synchronous=off")


@contextmanager
def used() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "_configure_sqlite", _unsynced)
        yield
