"""What was committed is on the disk, even if the machine loses its power right afterwards."""

from pathlib import Path

import pytest

from authserver.store import engine
from authserver.store.database import Database
from tests.harness import unsynced
from tests.harness.clock import Clock

FULL = 2
"""https://www.sqlite.org/pragma.html#pragma_synchronous"""


@pytest.mark.parametrize("connect", ["begin", "read", "snapshot"])
def test_each_connection_to_sqlite_waits_for_the_disk(
    connect: str, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_configure_sqlite", unsynced.SYNCED)
    database = Database(f"sqlite:///{tmp_path}/as.db", clock)
    with getattr(database, connect)() as connection:
        assert connection.exec_driver_sql("pragma synchronous").scalar() == FULL
    database.close()
