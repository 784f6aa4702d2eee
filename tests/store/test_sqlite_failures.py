"""SQLite with a full disk, a busy file, a file that cannot be written: 503, neighbours whole, no restart needed."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from authserver import system
from authserver.domain.errors import Unavailable
from authserver.store import authorizations, engine, users
from authserver.store.database import Database
from tests.harness.clock import Clock
from tests.store.conftest import Run, together
from tests.store.rows import a_login, begun, change_of, generations, on_sqlite, rotation

BIG = ("s" * 6_000_000,)
on_small_disk = pytest.mark.parametrize("url", ["disk"], indirect=True)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SQLITE_BUSY_TIMEOUT", 20)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Any]:
    """A file system of its own with 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    _or_skip("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder)
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.fixture
def disk_url(disk: Any, migrated_file: Path) -> str:
    file = disk / "as.db"
    file.write_bytes(migrated_file.read_bytes())
    return f"sqlite:///{file}"


@contextmanager
def filled(disk: Any) -> Iterator[None]:
    """Not a byte is left, until the end."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(4096))
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def busy(file: Any) -> Iterator[None]:
    """Another process writes, until the end."""
    rival = sqlite3.connect(file, isolation_level=None)
    rival.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        rival.close()


@contextmanager
def immutable(file: Any) -> Iterator[None]:
    """No byte of it can be written, not even by root, not even through what is open already."""
    _or_skip("chattr", "+i", file)
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", file], check=True)


def _or_skip(*command: Any) -> None:
    """For what only root may do, and not in every container."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"{command[0]} is not allowed here: {done.stderr.strip()}")


def all_unavailable(outcomes: Any) -> Any:
    return all(isinstance(outcome, Unavailable) for outcome in outcomes)


@on_small_disk
def test_a_full_disk_is_told_to_everyone_and_passes(
    store: Database, write: Callable[..., list[Any]], disk: Any
) -> None:
    logins = begun(store, 1, 2, 3)
    with filled(disk):
        assert all_unavailable(write(*map(rotation, logins)))
        assert generations(store) == {1: 0, 2: 0, 3: 0}
    assert write(*map(rotation, logins)) == [True] * 3
    assert generations(store) == {1: 1, 2: 1, 3: 1}


@on_small_disk
def test_what_the_disk_has_no_room_for_leaves_its_neighbours_whole(
    store: Database, write: Callable[..., list[Any]], disk: Any
) -> None:
    logins = begun(store, 1, 2, 3)
    first, refused, third = write(
        rotation(logins[0]), authorizations.begin(a_login(4, scope=BIG), limit=100), rotation(logins[2])
    )
    assert (first, third) == (True, True)
    assert isinstance(refused, Unavailable)
    assert generations(store) == {1: 1, 2: 0, 3: 1}


@on_small_disk
def test_a_caller_gets_503_from_a_full_disk_and_then_the_next_token(
    http: TestClient, token: Callable[..., Any], login: Callable[..., Any], disk: Any
) -> None:
    first = login()["refresh_token"]
    with filled(disk):
        refuses(token("refresh_token", refresh_token=first))
        assert http.get("/.well-known/jwks.json").status_code == 200
    goes_on(token, first)


@on_sqlite
def test_a_database_at_its_largest_leaves_the_neighbours_whole(
    store: Database, write: Callable[..., list[Any]]
) -> None:
    """As on a full disk, where none can be mounted: SQLite itself has no page left for the big one."""
    logins = begun(store, 1, 2, 3)
    store._engine.dispose()
    limits = []

    def limit(connection: Any, record: Any) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        limits.append(connection)

    event.listen(store._engine, "connect", limit)
    changes = [rotation(logins[0]), authorizations.begin(a_login(4, scope=BIG), limit=100), rotation(logins[2])]
    first, refused, third = write(*changes)
    assert (first, third) == (True, True)
    assert "full" in str(refused)
    assert generations(store) == {1: 1, 2: 0, 3: 1}
    event.remove(store._engine, "connect", limit)
    for connection in limits:
        connection.execute("PRAGMA max_page_count = 1000000")
    assert write(changes[1]) == [True]


@on_sqlite
def test_a_busy_file_can_be_read_and_is_written_afterwards(
    store: Database, run: Run, write: Callable[..., list[Any]], tmp_path: Path
) -> None:
    logins = begun(store, 1, 2)
    with busy(tmp_path / "as.db"):
        asked = [store.write(rotation(login)) for login in logins] + [store.load(users.load_many, "ada")]
        *outcomes, ada = run(together(asked))
        assert all_unavailable(outcomes)
        assert ada.id == "u_ada"
    assert write(*map(rotation, logins)) == [True, True]
    assert generations(store) == {1: 1, 2: 1}


@on_sqlite
def test_a_file_that_is_busy_is_tried_again_after_less_than_a_millisecond_however_long_that_takes(
    store: Database, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str, clock: Clock
) -> None:
    monkeypatch.setattr(engine, "SQLITE_BUSY_TIMEOUT", 60_000)
    (login,) = begun(store, 1)
    patient, rival = Database(url, clock), sqlite3.connect(tmp_path / "as.db", check_same_thread=False)
    rival.execute("BEGIN IMMEDIATE")
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 100:
            rival.close()

    monkeypatch.setattr(system, "sleep", sleep)
    assert run(patient.write(rotation(login))) is True
    assert len(waits) == 100 and max(waits) < 0.001
    patient.close()


@on_sqlite
def test_a_connection_that_waited_for_a_busy_file_has_its_timeout_again(
    url: str, store: Database, tmp_path: Path
) -> None:
    own = engine.create(url)
    for held in (True, False):
        with own.connect() as connection:
            with busy(tmp_path / "as.db") if held else nullcontext(), suppress(OperationalError):
                connection.begin()
            assert connection.exec_driver_sql("pragma busy_timeout").scalar_one() == engine.SQLITE_BUSY_TIMEOUT
    own.dispose()


@on_sqlite
def test_a_transaction_that_was_left_open_is_not_continued(url: str, store: Database) -> None:
    own = engine.create(url)
    with own.connect() as connection, pytest.raises(OperationalError, match="within a transaction"):
        connection.connection.driver_connection.execute("BEGIN")  # type: ignore[union-attr]
        connection.begin()
    own.dispose()


@on_sqlite
def test_a_file_that_is_no_database_any_more_is_an_outage(
    store: Database, run: Run, url: str, tmp_path: Path, clock: Clock
) -> None:
    (login,) = begun(store, 1)
    store.close()
    fresh = Database(url, clock)
    with fresh.read() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    (tmp_path / "as.db").write_bytes(b"not a database, but as long as a page of one. " * 200)
    (outcome,) = run(together([fresh.write(rotation(login))]))
    assert isinstance(outcome, Unavailable)
    assert fresh.outages.since is not None
    fresh.close()


@on_sqlite
def test_a_caller_gets_503_from_a_busy_file_and_then_the_next_token(
    http: TestClient, token: Callable[..., Any], login: Callable[..., Any], tmp_path: Path
) -> None:
    first = login()["refresh_token"]
    with busy(tmp_path / "as.db"):
        refuses(token("refresh_token", refresh_token=first))
    goes_on(token, first)


@on_sqlite
def test_a_log_that_cannot_be_written_through_open_files_passes(
    store: Database, write: Callable[..., list[Any]], tmp_path: Path
) -> None:
    logins = begun(store, 1, 2)
    with immutable(tmp_path / "as.db-wal"):
        assert all_unavailable(write(*map(rotation, logins)))
    assert generations(store) == {1: 0, 2: 0}
    assert write(*map(rotation, logins)) == [True, True]


@on_sqlite
def test_a_caller_gets_503_while_nothing_can_be_written_and_then_the_next_token(
    http: TestClient, token: Callable[..., Any], login: Callable[..., Any], tmp_path: Path
) -> None:
    first = login()["refresh_token"]
    with immutable(tmp_path / "as.db-wal"):
        refuses(token("refresh_token", refresh_token=first))
    goes_on(token, first)


@on_sqlite
def test_a_connection_made_while_the_file_was_read_only_does_not_stay_so(
    store: Database, write: Callable[..., list[Any]], tmp_path: Path
) -> None:
    logins = begun(store, 1, 2)
    store._engine.dispose()
    with read_only(tmp_path / "as.db"):
        assert all_unavailable(write(*map(rotation, logins)))
        assert all_unavailable(write(*map(rotation, logins)))
    assert write(*map(rotation, logins)) == [True, True]
    assert generations(store) == {1: 1, 2: 1}


@contextmanager
def read_only(file: Path) -> Iterator[None]:
    """For whoever opens it now; root is held back by more than a mode."""
    if os.geteuid() == 0:
        with immutable(file):
            yield
        return
    file.chmod(0o400)
    try:
        yield
    finally:
        file.chmod(0o600)


def test_a_database_that_was_never_there_is_unavailable_until_it_is(
    run: Run, clock: Clock, tmp_path: Path, migrated_file: Path
) -> None:
    store = Database(f"sqlite:///{tmp_path}/later/as.db", clock)

    def ask() -> Any:
        change = authorizations.revoke(bytes(16), reason="revoked")
        return run(together([store.load(users.load_many, "ada"), store.write(change)]))

    assert all_unavailable(ask())
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "as.db").write_bytes(migrated_file.read_bytes())
    assert ask() == [None, False]
    store.close()


def refuses(answer: Any) -> None:
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable"), answer.text
    assert 1 <= int(answer.headers["Retry-After"]) <= 10


def goes_on(token: Any, first: Any) -> None:
    """The caller's retry succeeds, and the login has lost nothing."""
    second = token("refresh_token", refresh_token=first)
    assert second.status_code == 200, second.text
    assert token("refresh_token", refresh_token=second.json()["refresh_token"]).status_code == 200


@on_sqlite
def test_a_rollback_that_fails_leaves_no_transaction_open(
    store: Database, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (login,) = begun(store, 1)

    def fail(_connection: Any) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    def refuse(_connection: Any, _params: Any, _now: int) -> bool:
        raise ValueError

    with monkeypatch.context() as patch:
        patch.setattr(store._engine.dialect, "do_rollback", fail)
        (outcome,) = run(together([store.write(change_of(refuse, ("authorizations", b"")))]))
        assert isinstance(outcome, ValueError)
    assert run(together([store.write(rotation(login))])) == [True]
    assert generations(store) == {1: 1}  # which begins a transaction on another connection
