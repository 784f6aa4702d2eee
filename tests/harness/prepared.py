"""A server as a process of its own that is set up in this one: the commands have their own tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from authserver import system
from tests.harness.live import Live, up
from tests.harness.sample_database import populated, settings_in


class Prepared(Live):
    """With the user ada and the clients of tests/conftest.py; those without an audience of their own here."""

    def __init__(self, folder: Path, password_hash: str, **settings: str) -> None:
        super().__init__(folder, DATABASE_URL=f"sqlite:///{folder}/as.db", **settings)
        self.password_hash = password_hash

    def set_up(self) -> None:
        settings = settings_in(self.folder, issuer=self.url)
        populated(settings, system.now, self.password_hash, audiences=()).close()


@contextmanager
def running(folder: Path, password_hash: str, **settings: Any) -> Iterator[Prepared]:
    with up(Prepared(folder, password_hash, **settings)) as server:
        yield server
