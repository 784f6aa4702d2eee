"""Servers of one database in this process, that deliver their events to a webhook or a function."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from starlette.testclient import TestClient

from authserver.app import assemble
from authserver.domain.audit import AuditRecord
from authserver.settings import Settings, load
from authserver.store import events, schema
from authserver.store.database import Database
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER
from tests.harness.existing import existing
from tests.harness.receiver import Receiver, receiving

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
Deliver = Callable[[], None]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def settings(tmp_path: Path, receiver: Receiver) -> Settings:
    return load(
        issuer=ISSUER,
        database_url=f"sqlite:///{tmp_path}/as.db",
        keys_dir=str(tmp_path / "keys"),
        audit_webhook=f"http://127.0.0.1:{receiver.port}/hook",
        audit_webhook_secret=SECRET,
        fetch_allow="127.0.0.0/8",
    )


class Node:
    """A server of which the test runs the deliveries."""

    def __init__(self, http: TestClient, deliver: Callable[[], Any]) -> None:
        self.http, self._deliver = http, deliver

    def deliver(self) -> None:
        existing(self.http.portal).call(self._deliver)

    def start_delivering(self) -> Any:
        return existing(self.http.portal).start_task_soon(self._deliver)


@pytest.fixture
def node(settings: Settings, database: Database, clock: Clock) -> Iterator[Callable[[], Node]]:
    """`node()` is one more server."""
    with ExitStack() as stack:

        def node() -> Node:
            server = assemble(settings, now=clock, enable=())
            http = stack.enter_context(TestClient(server.app, ISSUER, raise_server_exceptions=False))
            return Node(http, server.tasks.deliver_events)

        yield node


@pytest.fixture
def happen(database: Database, clock: Clock) -> Callable[..., None]:
    """`happen("one", "two")` adds an event of each name to the trail."""

    def happen(*names: str) -> None:
        with database.begin() as connection:
            events.add(connection, clock(), [AuditRecord(name, "server") for name in names])

    return happen


def count(database: Database) -> int:
    with database.begin() as connection:
        return connection.execute(select(func.count()).select_from(schema.events)).scalar_one()
