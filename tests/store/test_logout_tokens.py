"""Two nodes tell a client of the end of a session: heard once or twice, never not at all, on every database."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from authserver import system
from authserver.domain.delivery import LEASE
from authserver.domain.outbox import LOGOUT, Message
from authserver.domain.outgoing import allow_list
from authserver.fetch import Fetcher
from authserver.keyring import Keyring
from authserver.keyring.token_signer import TokenSigner
from authserver.oauth.logout.back_channel import LogoutTokens
from authserver.outbox import OutboxWorker
from authserver.provisioning import open_key_store
from authserver.settings import Settings
from authserver.store import clients, session_ends, sessions, signing_keys
from authserver.store.database import Database
from authserver.store.sessions import BeginSession
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER, SECOND
from tests.harness.relying_party import RelyingParty, relying_party
from tests.harness.sign_in_rows import session
from tests.store.conftest import Run

SID = (1).to_bytes(16)
Write = Callable[..., list[Any]]


class KilledBefore(LogoutTokens):
    async def send(self, message: Message) -> None:
        raise asyncio.CancelledError


class KilledAfter(LogoutTokens):
    async def send(self, message: Message) -> None:
        await super().send(message)
        raise asyncio.CancelledError


@pytest.fixture
def keyring(settings: Settings, store: Database, clock: Clock) -> Keyring:
    with store.begin() as connection:
        return Keyring(open_key_store(settings), signing_keys.load(connection), clock())


def worker(kind: type[LogoutTokens], database: Database, keyring: Keyring, clock: Clock) -> OutboxWorker:
    fetcher = Fetcher(allow_list("127.0.0.1"))
    signer = TokenSigner(keyring, asyncio.to_thread, steady=partial(int, clock()))  # the keys are never out of date
    sender = kind(ISSUER, database, signer, fetcher, clock, system.new_secret)
    return OutboxWorker({LOGOUT: sender}, database, clock)


def end_a_session(store: Database, write: Write, clock: Clock, party: RelyingParty) -> None:
    """In which the client `app` redeemed a code."""
    with store.begin() as connection:
        app = clients.load(connection, "app")
        assert app is not None
        clients.put(connection, replace(app, backchannel_logout_uri=party.uri))
        sessions.begin_many(connection, [BeginSession(session(1, clock()), None, b"", None)], clock())
        session_ends.note_clients(connection, [(SID, "app")])
    assert write(sessions.end(SID), sessions.end(SID)) == [True, False]


async def deliver(worker: OutboxWorker) -> None:
    await worker.look()
    await worker.finish()


@pytest.mark.parametrize(("killed", "heard"), [(KilledBefore, 1), (KilledAfter, 2)])
def test_when_one_of_two_nodes_is_killed_the_other_tells_the_client(
    store: Database,
    keyring: Keyring,
    url: str,
    clock: Clock,
    run: Run,
    write: Write,
    killed: type[LogoutTokens],
    heard: int,
) -> None:
    with relying_party(ISSUER, "app", lambda: keyring.jwks, lambda: clock() // SECOND) as party:
        end_a_session(store, write, clock, party)
        databases = [Database(url, clock), Database(url, clock)]
        nodes = [worker(killed, databases[0], keyring, clock), worker(LogoutTokens, databases[1], keyring, clock)]
        run(deliver(nodes[0]))
        run(deliver(nodes[1]))
        assert len(party.ended) == heard - 1, "the message is still claimed"
        clock.forward(LEASE + 1)
        for _ in range(2):
            run(deliver(nodes[1]))
        assert party.ended == [SID.hex()] * heard
        for node, database in zip(nodes, databases, strict=True):
            node.close()
            database.close()
