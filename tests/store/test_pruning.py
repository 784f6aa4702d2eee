"""The database cleans itself: what is over goes, in batches, by one process at a time; what lives stays."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import text

from authserver.app import assemble
from authserver.settings import Settings
from authserver.store import authorizations, pruning, signing_keys
from authserver.store.database import Database
from authserver.store.group_commit import commit
from tests.harness.clock import Clock
from tests.harness.constants import LONG
from tests.store.conftest import Run


def test_ended_logins_are_deleted_a_day_after_their_end_and_active_ones_stay(
    database: Database, login: Callable[..., Any], clock: Clock, token: Callable[..., Any]
) -> None:
    old = login()["refresh_token"]
    clock.forward(7 * 86400)
    young = login()["refresh_token"]
    clock.forward(86399)
    _prune(database, clock)
    assert _count(database) == 2
    clock.forward(2)
    assert not _prune(database, clock)  # it was done two seconds ago
    clock.forward(8)
    assert _prune(database, clock)
    assert _count(database) == 1
    assert token("refresh_token", refresh_token=old).json()["error"] == "invalid_grant"
    assert token("refresh_token", refresh_token=young).status_code == 200


def test_a_walk_along_the_key_misses_no_login_and_begins_again(
    database: Database, login: Callable[..., Any], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "_END_OF_BATCH", pruning._END_OF_BATCH.offset(1))
    for _ in range(5):
        login()
    clock.forward(9 * 86400)
    left = []
    for _ in range(3):
        assert _prune(database, clock)
        left.append(_count(database))
        clock.forward(10)
    assert left == [3, 1, 0]
    assert _batch(database).after == b""


def test_of_many_processes_that_try_one_prunes(store: Database, clock: Clock) -> None:
    """On PostgreSQL with connections of their own: the row decides."""
    with store.begin() as connection:
        batch = pruning.next_batch_many(connection, [None])[None]
    together = Barrier(8, timeout=LONG)

    def prune(_: Any) -> Any:
        together.wait()
        return commit(store._engine, [pruning.prune(batch)], clock)[0]

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(prune, range(8))) == [False] * 7 + [True]
    clock.forward(10)
    assert commit(store._engine, [pruning.prune(batch)], clock) == [True]


def test_denials_go_when_their_token_has_expired(database: Database, clock: Clock) -> None:
    denials = [signing_keys.deny("early", clock() + 1), signing_keys.deny("late", clock() + 10)]
    commit(database._engine, denials, clock)
    clock.now += 2
    assert _prune(database, clock)
    with database.begin() as connection:
        assert set(signing_keys.load_denied_many(connection, ["early", "late"])) == {"late"}


def test_a_clock_that_was_set_back_since_the_last_batch_does_not_stop_the_walk(
    database: Database, clock: Clock
) -> None:
    clock.forward(365 * 86400)
    assert _prune(database, clock)
    clock.forward(-365 * 86400)
    assert _prune(database, clock)
    assert not _prune(database, clock)  # it was done just now


def test_after_a_step_forward_only_what_was_over_by_the_clock_before_it_goes(
    database: Database, login: Callable[..., Any], clock: Clock
) -> None:
    """The clock may be wrong: what it takes for over would be lost when it is set right again."""
    login()
    commit(database._engine, [signing_keys.deny("denied", clock() + 900 * 1_000_000)], clock)
    before = clock()
    clock.forward(365 * 86400)
    assert commit(database._engine, [pruning.prune(_batch(database), before)], clock) == [True]
    assert _count(database) == 1
    with database.begin() as connection:
        assert set(signing_keys.load_denied_many(connection, ["denied"])) == {"denied"}
    clock.forward(10)
    assert _prune(database, clock)
    assert _count(database) == 0


COPIES = """
INSERT INTO authorizations ({columns})
WITH RECURSIVE copies (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM copies WHERE number < {many})
SELECT {values} FROM authorizations CROSS JOIN copies
"""
RANDOM = {"sqlite": "randomblob(16)", "postgresql": "decode(md5(random()::text || number), 'hex')"}


def _multiply(database: Database, many: Any) -> None:
    """The one login that there is."""
    columns = [column.name for column in authorizations.table.columns]  # type: ignore[attr-defined]
    with database.begin() as connection:
        values = [RANDOM[connection.dialect.name] if name == "id" else name for name in columns]
        written = COPIES.format(columns=", ".join(columns), values=", ".join(values), many=many)
        connection.execute(text(written))


@pytest.fixture
def tasks(settings: Settings, database: Database, clock: Clock) -> Iterator[Any]:
    """The server's background tasks; `tasks.rests` are the seconds that it gave to requests."""
    server = assemble(settings, now=clock)
    tasks = server.tasks
    tasks.rests = []  # type: ignore[attr-defined]

    async def rest(seconds: Any) -> None:
        tasks.rests.append(seconds)  # type: ignore[attr-defined]
        clock.forward(0.1)

    tasks.pause = rest
    yield tasks
    server.close()


def test_much_that_is_over_goes_at_once_with_a_rest_between_batches(
    database: Database, login: Callable[..., Any], clock: Clock, tasks: Any, run: Run
) -> None:
    login()
    _multiply(database, 20_500)
    clock.forward(9 * 86400)
    login()
    run(tasks.prune())
    assert _count(database) == 1
    assert 21 <= len(tasks.rests) <= 23
    assert 0 < min(tasks.rests) <= max(tasks.rests) < 1


def test_little_that_is_over_takes_its_time(
    database: Database, login: Callable[..., Any], clock: Clock, tasks: Any, run: Run
) -> None:
    login()
    _multiply(database, 2500)
    run(tasks.prune())
    assert len(tasks.rests) == 1
    assert _batch(database).after != b""


def test_a_walk_that_lags_is_continued_at_once(
    database: Database, login: Callable[..., Any], clock: Clock, tasks: Any, run: Run
) -> None:
    login()
    _multiply(database, 4500)
    run(tasks.prune())
    clock.forward(86400 * 0.9)
    run(tasks.prune())
    assert len(tasks.rests) >= 4
    assert _count(database) == 4501


def test_another_process_that_has_the_batch_ends_the_own_walk(
    database: Database, login: Callable[..., Any], clock: Clock, tasks: Any, run: Run
) -> None:
    login()
    _multiply(database, 1500)
    clock.forward(9 * 86400)

    async def rest(seconds: Any) -> None:
        tasks.rests.append(seconds)
        if len(tasks.rests) == 1:  # the other one deletes what is left
            assert _prune(database, clock)

    tasks.pause = rest
    run(tasks.prune())
    assert len(tasks.rests) <= 2
    assert _count(database) == 0


def _batch(database: Database) -> Any:
    with database.begin() as connection:
        return pruning.next_batch_many(connection, [None])[None]


def _prune(database: Database, clock: Clock) -> bool:
    return commit(database._engine, [pruning.prune(_batch(database))], clock) == [True]


def _count(database: Database) -> Any:
    with database.begin() as connection:
        return len(connection.execute(authorizations.table.select()).all())  # type: ignore[attr-defined]
