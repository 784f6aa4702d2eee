"""A database that takes connections and gives no answer: its processes are stopped, or the network swallows packets.

Requests are answered 503 in time, an unanswered COMMIT is an unknown outcome, and when the database answers again all
goes on by itself.
"""

import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from sqlalchemy import text

from authserver import provisioning
from authserver.domain.errors import Unavailable
from authserver.settings import load
from authserver.store import users
from authserver.store.database import Database, OutcomeUnknown
from authserver.store.group_commit import NotWritten
from tests.harness.clock import Clock
from tests.harness.constants import PASSWORD
from tests.harness.live import Live
from tests.harness.network import Network
from tests.harness.postgres import Postgres
from tests.store.conftest import Run, together
from tests.store.rows import begun, generations, on_postgres, rotation, row_of

pytestmark = on_postgres
SOON = 0.5  # seconds
NEVER = 600.0  # seconds


class Frozen:
    """`with frozen:` nothing behind `frozen.url` answers."""

    def __init__(self, url: Any, freeze: Any, thaw: Any) -> None:
        self.url, self.freeze, self.thaw = url, freeze, thaw

    def __enter__(self) -> None:
        self.freeze()

    def __exit__(self, *error: Any) -> None:
        self.thaw()


@pytest.fixture(params=["stopped", "swallowed"])
def frozen(request: pytest.FixtureRequest, postgres: Postgres, url: str) -> Iterator[Frozen]:
    with closing(Network(postgres)) as network:
        freeze, thaw = postgres.freeze, postgres.thaw
        if request.param == "swallowed":
            freeze, thaw = network.swallow, network.pass_on
        yield Frozen(network.url(url.split("/")[3].split("?")[0]), freeze, thaw)


@pytest.fixture
def impatient(frozen: Any, store: Database, clock: Clock, run: Run) -> Iterator[Any]:
    """A node that waits for half a second, on the database of `store`, and has a connection to it."""
    with closing(Database(frozen.url, clock, deadline=SOON)) as node:
        until(lambda: is_answered(node, run))  # a connection may take longer on a busy machine
        yield node


def is_answered(node: Any, run: Run) -> bool:
    (outcome,) = run(together([node.load(users.load_many, "ada")]))
    return not isinstance(outcome, Unavailable)


def until(happens: Any) -> None:
    ends = monotonic() + 60
    while not happens():
        assert monotonic() < ends
        sleep(0.05)


def test_loads_are_unavailable_while_it_lasts_and_right_afterwards(impatient: Any, frozen: Any, run: Run) -> None:
    ask = [users.load_many] * 6
    with frozen:
        for _ in range(3):
            outcomes = run(together(impatient.load(loader, "ada") for loader in ask))
            assert {type(outcome) for outcome in outcomes} == {Unavailable}
    assert impatient.outages.since is not None
    until(lambda: is_answered(impatient, run))
    assert run(impatient.load(users.load_many, "ada")).id == "u_ada"
    assert impatient.outages.since is None


def test_what_was_not_begun_is_known_not_to_be_written(impatient: Any, frozen: Any, store: Database, run: Run) -> None:
    (login,) = begun(store, 1)
    with frozen:
        (outcome,) = run(together([impatient.write(rotation(login))]))
    assert isinstance(outcome, NotWritten)
    assert generations(store) == {1: 0}
    until(lambda: run(together([impatient.write(rotation(login))])) == [True])


def test_a_commit_without_answer_is_an_unknown_outcome_for_the_whole_group(
    impatient: Any, frozen: Any, store: Database, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    logins = begun(store, 1, 2)
    commit = impatient._engine.dialect.do_commit

    def freeze_first(connection: Any) -> None:
        frozen.freeze()
        commit(connection)

    with monkeypatch.context() as patch:
        patch.setattr(impatient._engine.dialect, "do_commit", freeze_first)
        outcomes = run(together(impatient.write(rotation(login)) for login in logins))
    frozen.thaw()
    assert [type(outcome) for outcome in outcomes] == [OutcomeUnknown] * 2
    assert impatient.outages.since is not None
    until(lambda: row_of(store).generation == row_of(store, 2).generation)
    until(lambda: isinstance(run(together([impatient.write(rotation(row_of(store)))]))[0], bool))
    assert impatient.outages.since is None


def test_a_statement_that_only_takes_long_is_ended_there_too(impatient: Any, store: Database, run: Run) -> None:
    def sleepy(connection: Any, keys: Any) -> None:
        connection.execute(text("SELECT pg_sleep(600)"))

    (outcome,) = run(together([impatient.load(sleepy, 1)]))
    assert isinstance(outcome, Unavailable)
    running = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    with store.read() as connection:
        until(lambda: not connection.execute(running).scalar())


def test_a_command_ends_too(impatient: Any, frozen: Any) -> None:
    with impatient.begin() as connection:
        connection.execute(text("SELECT 1"))
    with frozen, pytest.raises(Unavailable), impatient.begin() as connection:
        connection.execute(text("SELECT 1"))
    with impatient.begin() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1


@pytest.fixture
def settings(settings: Any, frozen: Any) -> Any:
    return load(issuer=settings.issuer, database_url=frozen.url, keys_dir=str(settings.keys_dir))


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Callable[..., Any]:
    """`served("http", deadline=60)`: that fixture, of a server which waits that long for PostgreSQL."""

    def served(*names: Any, deadline: Any) -> Any:
        monkeypatch.setattr(provisioning, "Database", partial(Database, deadline=deadline))
        return [request.getfixturevalue(name) for name in names]

    return served


def test_readiness_is_told_whatever_hangs(served: Any, frozen: Any) -> None:
    (http,) = served("http", deadline=NEVER)
    with frozen, ThreadPoolExecutor() as threads:
        asked = [threads.submit(http.get, f"/health/{name}") for name in ("ready", "live")]
        try:
            ready, live = (answer.result(60) for answer in asked)
        finally:
            frozen.thaw()
    assert (ready.status_code, ready.json()["down"]) == (503, ["database"])
    assert live.status_code == 200


def test_a_refresh_is_503_and_its_retry_succeeds(served: Any, frozen: Any) -> None:
    (token,) = served("token", deadline=SOON)
    answers = (token("password", username="ada", password=PASSWORD) for _ in range(100))
    first = next(answer for answer in answers if answer.is_success).json()["refresh_token"]
    with frozen:
        for _ in range(2):
            lost = token("refresh_token", refresh_token=first)
            assert (lost.status_code, lost.json()["error"]) == (503, "temporarily_unavailable"), lost.text
    until(lambda: token("refresh_token", refresh_token=first).status_code == 200)


@pytest.mark.parametrize("frozen", ["stopped"], indirect=True)
def test_sigterm_ends_a_server_whose_requests_hang(
    settings: Any, frozen: Any, tmp_path: Path, database: Database
) -> None:
    url, keys = settings.database_url.get_secret_value(), str(settings.keys_dir)
    server = Live(tmp_path, ISSUER=settings.issuer, DATABASE_URL=url, KEYS_DIR=keys)
    server.start()
    try:
        with frozen, socket.create_connection(("127.0.0.1", server.port)) as caller:
            caller.sendall(b"GET /health/ready HTTP/1.1\r\nHost: as.example\r\n\r\n")
            assert caller.recv(1)  # so that it hangs by now
            server.running.terminate()
            assert server.running.wait(120) in (0, -signal.SIGTERM)
    finally:
        server.running.kill()
