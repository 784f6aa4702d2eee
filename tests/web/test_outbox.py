"""What the server's outbox does with the senders that the server has."""

from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any, BinaryIO

import pytest
from starlette.testclient import TestClient

from authserver.app import assemble
from authserver.domain.outbox import LOGOUT, NewMessage
from authserver.oauth.logout.back_channel import LogoutTokens
from authserver.settings import Settings
from authserver.store import clients, outbox
from authserver.store.database import Database
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER, LONG
from tests.harness.existing import existing
from tests.harness.receiver import receiving, responding
from tests.harness.sample_database import CLIENTS, settings_in


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path, fetch_allow="127.0.0.1")


def test_clients_on_one_host_are_told_at_the_same_time(settings: Settings, database: Database, clock: Clock) -> None:
    """None of them has to wait for another attempt, because of the others."""
    all_asked = Barrier(LogoutTokens.limit)

    def respond(connection: BinaryIO) -> Any:
        all_asked.wait(LONG)
        return responding(204)(connection)

    with receiving() as receiver:
        receiver.respond = respond
        ids = [f"client-{number}" for number in range(LogoutTokens.limit)]
        with database.begin() as connection:
            for id in ids:
                uri = f"http://127.0.0.1:{receiver.port}/{id}"
                clients.add(connection, replace(CLIENTS[0], id=id, backchannel_logout_uri=uri))
            messages = [NewMessage(LOGOUT, id, user_id="u_ada", client_id=id, session_id=bytes(16)) for id in ids]
            outbox.add_many(connection, messages, clock())
        server = assemble(settings, now=clock, enable=())
        with TestClient(server.app, ISSUER) as http:
            existing(http.portal).call(server.tasks.deliver_outbox)
            existing(http.portal).call(server.tasks.outbox.finish)
    assert sorted(received.path for received in receiver.received) == [f"/{id}" for id in ids]
    with database.begin() as connection:
        assert {message.outcome for message in outbox.of_session(connection, bytes(16))} == {"delivered"}
