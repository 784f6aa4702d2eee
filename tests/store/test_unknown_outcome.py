"""COMMIT itself fails: nobody can know whether the group is durable. It is told as such, and never repeated."""

from collections.abc import Callable
from contextlib import closing
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from authserver.settings import Settings
from authserver.store.database import Database, OutcomeUnknown
from authserver.store.postgresql_connection import PostgresConnection
from tests.harness.clock import Clock
from tests.harness.existing import existing
from tests.harness.postgres import Postgres
from tests.store.conftest import Run, together
from tests.store.rows import begun, change_of, generations, on_postgres, rotation

MARK = b"\xff"


def lose_commits(store: Any, monkeypatch: pytest.MonkeyPatch, durable: Any) -> None:
    """The connection is lost in every COMMIT from now on, after or before it took effect."""
    dialect = store._engine.dialect
    commit = dialect.do_commit

    def lose(connection: Any) -> None:
        if durable:
            commit(connection)
        raise dialect.dbapi.OperationalError("the connection was lost")

    monkeypatch.setattr(dialect, "do_commit", lose)


def counted(store: Any) -> Any:
    """A change that only counts, in the list, how often it ran."""
    ran = []

    def count(connection: Any, params: Any, now: Any) -> Any:
        connection.execute(text("SELECT 1"))
        ran.append(now)
        return True

    return change_of(count, ("clocks", MARK)), ran


@pytest.mark.parametrize("durable", [True, False])
def test_every_member_of_the_group_is_told_and_none_is_repeated(
    store: Database, write: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    logins = begun(store, 1, 2)
    count, ran = counted(store)
    with monkeypatch.context() as lossy:
        lose_commits(store, lossy, durable)
        outcomes = write(*map(rotation, logins), count)
    assert [type(outcome) for outcome in outcomes] == [OutcomeUnknown] * 3
    assert len(ran) == 1
    assert generations(store) == dict.fromkeys((1, 2), int(durable))
    assert store.outages.since is not None


def test_the_next_group_commits_as_usual(
    store: Database, write: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    logins = begun(store, 1, 2)
    with monkeypatch.context() as lossy:
        lose_commits(store, lossy, durable=False)
        write(rotation(logins[0]))
    assert write(*map(rotation, logins)) == [True, True]
    assert generations(store) == {1: 1, 2: 1}
    assert store.outages.since is None


def test_a_member_whose_commit_is_lost_alone_leaves_its_neighbours_whole(
    store: Database, write: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The group falls apart over a fault; the second of those that then run one by one loses its COMMIT."""
    logins = begun(store, 1, 2, 3)
    commits = []

    def lose_the_second(connection: Any) -> None:
        commits.append(connection)
        if len(commits) == 2:
            raise existing(store._engine.dialect.dbapi).OperationalError("the connection was lost")
        commit(connection)

    commit = store._engine.dialect.do_commit
    fault = ValueError("a defect")
    bad = change_of(lambda *_: (_ for _ in ()).throw(fault), ("authorizations", MARK))
    with monkeypatch.context() as lossy:
        lossy.setattr(store._engine.dialect, "do_commit", lose_the_second)
        first, second, third, last = write(*map(rotation, logins), bad)
    assert (first, third, last) == (True, True, fault)
    assert isinstance(second, OutcomeUnknown)
    assert generations(store) == {1: 1, 2: 0, 3: 1}


@pytest.mark.parametrize("durable", [True, False])
def test_a_caller_gets_503_and_its_retry_the_one_successor(
    http: TestClient,
    token: Callable[..., Any],
    login: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    durable: bool,
    settings: Settings,
) -> None:
    first = login()["refresh_token"]
    with monkeypatch.context() as lossy:
        lose_all_commits(lossy, durable, settings)
        lost = token("refresh_token", refresh_token=first)
    assert (lost.status_code, lost.json()["error"]) == (503, "temporarily_unavailable")
    assert 0 < int(lost.headers["Retry-After"]) <= settings.refresh_retry_window / 3
    second = token("refresh_token", refresh_token=first)
    assert second.status_code == 200, second.text
    assert token("refresh_token", refresh_token=first).json()["refresh_token"] == second.json()["refresh_token"]
    assert token("refresh_token", refresh_token=second.json()["refresh_token"]).status_code == 200


def lose_all_commits(monkeypatch: pytest.MonkeyPatch, durable: Any, settings: Settings) -> None:
    """Of whatever engine: the server's own is out of reach."""
    from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
    from sqlalchemy.engine.default import DefaultDialect

    dialect = SQLiteDialect_pysqlite if "sqlite" in settings.database_url.get_secret_value() else DefaultDialect
    commit = DefaultDialect.do_commit

    def lose(self: Any, connection: Any) -> None:
        if durable:
            commit(self, connection)  # type: ignore[no-untyped-call]
        raise self.loaded_dbapi.OperationalError("the connection was lost")

    monkeypatch.setattr(dialect, "do_commit", lose, raising=False)


@on_postgres
def test_a_backend_killed_in_commit_before_it_is_durable(store: Database, write: Callable[..., list[Any]]) -> None:
    """For real: a deferred trigger ends its own connection in COMMIT."""
    logins = begun(store, 1, 2)
    with store.begin() as connection:
        connection.execute(
            text(
                "CREATE FUNCTION leave() RETURNS trigger LANGUAGE plpgsql AS "
                "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'"
            )
        )
        connection.execute(
            text(
                "CREATE CONSTRAINT TRIGGER leave AFTER UPDATE ON authorizations DEFERRABLE INITIALLY DEFERRED "
                "FOR EACH ROW EXECUTE FUNCTION leave()"
            )
        )
    count, ran = counted(store)
    outcomes = write(*map(rotation, logins), count)
    assert [type(outcome) for outcome in outcomes] == [OutcomeUnknown] * 3
    assert len(ran) == 1
    with store.begin() as connection:
        connection.execute(text("DROP TRIGGER leave ON authorizations"))
    assert generations(store) == {1: 0, 2: 0}
    assert write(*map(rotation, logins)) == [True, True]


@on_postgres
def test_a_backend_killed_in_commit_after_it_is_durable(
    store: Database, write: Callable[..., list[Any]], postgres: Postgres, url: str
) -> None:
    """For real: COMMIT waits for a standby that does not exist, and its connection is ended meanwhile."""
    logins = begun(store, 1, 2)
    count, ran = counted(store)

    waiting = change_of(_wait_for_standby, ("authorizations", b""))
    killer = Thread(target=_end_who_waits_for_standby, args=[postgres, url])
    killer.start()
    outcomes = write(waiting, *map(rotation, logins), count)
    killer.join()
    assert [type(outcome) for outcome in outcomes] == [OutcomeUnknown] * 4
    assert len(ran) == 1
    assert generations(store) == {1: 1, 2: 1}
    assert write(*map(rotation, logins)) == [False, False]


@on_postgres
def test_a_commit_without_answer_is_not_cancelled(
    store: Database, url: str, clock: Clock, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled, it would count although no standby has it."""
    (login,) = begun(store, 1)
    cancelled = []
    monkeypatch.setattr(PostgresConnection, "cancel_safe", lambda self, **_: cancelled.append(self))
    with closing(Database(url, clock, deadline=0.5)) as impatient:
        waiting = change_of(_wait_for_standby, ("authorizations", b""))
        outcomes = run(together(map(impatient.write, [waiting, rotation(login)])))
    assert [type(outcome) for outcome in outcomes] == [OutcomeUnknown] * 2
    assert cancelled == []
    assert generations(store) == {1: 0}


def _wait_for_standby(connection: Any, params: Any, now: Any) -> bool:
    connection.execute(text("SET LOCAL synchronous_commit = on"))
    return True


def _end_who_waits_for_standby(postgres: Postgres, url: Any) -> None:
    name = url.split("/")[3].split("?")[0]
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = %s"
    with postgres.connect("postgres") as connection:
        while not connection.execute(ended, [name]).fetchall():
            pass
