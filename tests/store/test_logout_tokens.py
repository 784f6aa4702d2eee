"""Of two nodes that tell a client of a session's end one is killed: heard once or twice, never not at all, on every
database."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from authserver import system
from authserver.domain.delivery import LEASE
from authserver.domain.outbox import LOGOUT
from authserver.domain.outgoing import allow_list
from authserver.fetch import Fetcher
from authserver.keyring import Keyring
from authserver.keyring.token_signer import TokenSigner
from authserver.oauth.logout.back_channel import LogoutTokens
from authserver.outbox import OutboxWorker
from authserver.provisioning import open_key_store
from authserver.settings import Settings
from authserver.store import clients, outbox, session_ends, sessions, signing_keys
from authserver.store.database import Database
from authserver.store.sessions import BeginSession
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER, SECOND
from tests.harness.existing import existing
from tests.harness.node import Node
from tests.harness.process import free_port
from tests.harness.relying_party import PATH, RelyingParty, relying_party
from tests.harness.sign_in_rows import session
from tests.store.conftest import Run
from tests.web.serving import wait_until

SID = (1).to_bytes(16)
Write = Callable[..., list[Any]]


@pytest.fixture
def clock() -> Clock:
    """It begins now, as that of the process that is killed."""
    return Clock(system.now())


@pytest.fixture
def keyring(settings: Settings, store: Database, clock: Clock) -> Keyring:
    with store.begin() as connection:
        return Keyring(open_key_store(settings), signing_keys.load(connection), clock())


@pytest.fixture
def node(settings: Settings, url: str, tmp_path: Path) -> Iterator[Node]:
    """A process that serves, and sends what is in the outbox."""
    node = Node(tmp_path)
    node.settings |= {"ISSUER": ISSUER, "DATABASE_URL": url, "FETCH_ALLOW": "127.0.0.1"}
    node.start()
    yield node
    node.kill()


@contextmanager
def nobody_answers(port: int) -> Iterator[None]:
    """The kernel takes connections, and no program reads what is sent by them."""
    with socket.create_server(("127.0.0.1", port)):
        yield


def end_a_session(store: Database, write: Write, clock: Clock, port: int) -> None:
    """In which the client `app` redeemed a code."""
    with store.begin() as connection:
        app = existing(clients.load(connection, "app"))
        clients.put(connection, replace(app, backchannel_logout_uri=f"http://127.0.0.1:{port}{PATH}"))
        sessions.begin_many(connection, [BeginSession(session(1, clock()), None, b"", None)], clock())
        session_ends.note_clients(connection, [(SID, "app")])
    assert write(sessions.end(SID), sessions.end(SID)) == [True, False]


def wait_until_claimed(store: Database) -> None:
    def is_claimed() -> bool:
        with store.begin() as connection:
            (message,) = outbox.of_session(connection, SID)
        return message.next_at != message.created_at and message.outcome is None

    wait_until(is_claimed)


def worker(database: Database, keyring: Keyring, clock: Clock) -> OutboxWorker:
    fetcher = Fetcher(allow_list("127.0.0.1"))
    signer = TokenSigner(keyring, asyncio.to_thread, steady=partial(int, clock()))  # the keys are never out of date
    sender = LogoutTokens(ISSUER, database, keyring, signer, fetcher, clock, system.new_secret)
    return OutboxWorker({LOGOUT: sender}, database, clock)


async def deliver(worker: OutboxWorker) -> None:
    await worker.look()
    await worker.finish()


def heard_of_by_the_other_node(
    party: RelyingParty, store: Database, keyring: Keyring, clock: Clock, run: Run
) -> list[str]:
    """What the client has heard once the other node has sent what the killed one had claimed."""
    clock.now = system.now()  # the killed one claimed it later than the test began
    other, heard = worker(store, keyring, clock), len(party.ended)
    run(deliver(other))
    assert len(party.ended) == heard, "the message is still claimed"
    clock.forward(LEASE + 1)
    for _ in range(2):
        run(deliver(other))
    other.close()
    return party.ended


@contextmanager
def listening(keyring: Keyring, clock: Clock, port: int) -> Iterator[RelyingParty]:
    with relying_party(
        ISSUER, "app", lambda: keyring.jwks, lambda: max(clock(), system.now()) // SECOND, port
    ) as party:
        yield party


def test_a_node_is_killed_between_its_claim_and_the_answer_and_the_other_one_tells_the_client(
    store: Database, keyring: Keyring, clock: Clock, run: Run, write: Write, node: Node
) -> None:
    port = free_port()
    with nobody_answers(port):
        end_a_session(store, write, clock, port)
        wait_until_claimed(store)
        node.kill()
    with listening(keyring, clock, port) as party:
        assert heard_of_by_the_other_node(party, store, keyring, clock, run) == [SID.hex()]


def test_a_node_is_killed_after_the_client_heard_and_the_other_one_tells_it_again(
    store: Database, keyring: Keyring, clock: Clock, run: Run, write: Write, node: Node
) -> None:
    port = free_port()
    with listening(keyring, clock, port) as party:
        party.before_answer = node.kill
        end_a_session(store, write, clock, port)
        wait_until_claimed(store)
        wait_until(lambda: not node.is_running)
        party.before_answer = bool
        assert heard_of_by_the_other_node(party, store, keyring, clock, run) == [SID.hex()] * 2
