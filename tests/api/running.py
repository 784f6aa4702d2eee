"""A server as a process of its own that is set up in this one: the commands have their own tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from authserver import system
from authserver.app import open_database
from authserver.cli.init import initialise
from authserver.domain.models import User
from authserver.store import clients, users
from tests.conftest import CLIENTS
from tests.support import Live
from tests.web.serving import settings_in


class Prepared(Live):
    """With the user ada and the clients of tests/conftest.py; those without an audience of their own here."""

    def __init__(self, folder: Path, password_hash: str, **settings: str) -> None:
        super().__init__(folder, DATABASE_URL=f"sqlite:///{folder}/as.db", **settings)
        self.password_hash = password_hash

    def set_up(self) -> None:
        settings = settings_in(self.folder, issuer=self.url)
        database = open_database(settings)
        initialise(settings, database, system.now)
        with database.begin() as connection:
            users.add(connection, User("u_ada", "ada", self.password_hash, created_at=system.now()))
            for client in CLIENTS:
                clients.add(connection, replace(client, audiences=(), created_at=system.now()))
        database.close()


@contextmanager
def running(folder: Path, password_hash: str, **settings: Any) -> Iterator[Prepared]:
    server = Prepared(folder, password_hash, **settings)
    server.set_up()
    server.start()
    try:
        yield server
    finally:
        server.stop()
