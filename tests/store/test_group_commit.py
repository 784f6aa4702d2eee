"""Many requests' changes in one transaction: what befalls one member, and what its neighbours notice of it."""

from collections.abc import Callable
from pathlib import Path
from traceback import format_exception
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine, event, insert, text

from authserver.domain.errors import Unavailable
from authserver.domain.models import User
from authserver.store import authorizations, signing_keys, users
from authserver.store.database import Database
from authserver.store.group_commit import NotBegun, commit
from authserver.store.schema import authorizations as table
from tests.harness.clock import Clock
from tests.store.rows import NOW, a_login, begun, change_of, failing, generations, rotation


def statements(store: Any) -> Any:
    """What is sent from now on, with the number of rows that each statement is run for."""
    sent = []

    def note(connection: Any, cursor: Any, statement: Any, parameters: Any, context: Any, executemany: Any) -> None:
        sent.append((statement.split()[0].rstrip(";"), len(parameters) if executemany else 1))

    event.listen(store._engine, "before_cursor_execute", note)
    return sent


def taken(connection: Any, params: Any, now: Any) -> Any:
    """A change that the database refuses: that id is there already."""
    values = {"id": (1).to_bytes(16), "client_id": "app", "subject": "u_ada"}
    connection.execute(insert(table), authorizations._values(a_login()) | values)
    return True


def test_what_comes_in_one_moment_is_one_transaction_and_one_statement_of_a_kind(
    store: Database, write: Callable[..., list[Any]]
) -> None:
    logins = begun(store, 1, 2, 3)
    sent = statements(store)
    commits: list[Any] = []
    event.listen(store._engine, "commit", commits.append)
    assert write(*map(rotation, logins)) == [True] * 3
    assert [what for what in sent if what[0] != "BEGIN"] == [("UPDATE", 3)]
    assert len(commits) == 1


def test_each_member_gets_its_own_outcome_in_the_order_of_asking(
    store: Database, write: Callable[..., list[Any]]
) -> None:
    one, two, three = begun(store, 3, 1, 2)
    gone = rotation(a_login(9))
    outcomes = write(rotation(one), gone, authorizations.confirm(two), signing_keys.deny("jti", 1), rotation(three))
    assert outcomes == [True, False, True, True, True]
    assert generations(store) == {1: 0, 2: 1, 3: 1}


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_member_that_raises_leaves_its_neighbours_whole(
    store: Database, write: Callable[..., list[Any]], place: int
) -> None:
    changes = [rotation(login) for login in begun(store, 1, 2, 3)]
    fault = ValueError("a defect")
    changes[place] = failing(fault, place + 1)
    assert write(*changes) == [fault if number == place else True for number in range(3)]
    assert generations(store) == {number + 1: int(number != place) for number in range(3)}


def test_a_member_with_a_defect_runs_in_the_group_and_once_alone(write: Callable[..., list[Any]]) -> None:
    runs: list[int] = []

    def defect(connection: Any, params: Any, now: Any) -> bool:
        runs.append(now)
        raise ZeroDivisionError

    (outcome,) = write(change_of(defect, ("users", "u_ada")))
    assert isinstance(outcome, ZeroDivisionError) and len(runs) == 2


def test_when_no_transaction_can_begin_any_more_every_member_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    engine = create_engine(f"sqlite:///{folder}/as.db", poolclass=NullPool)

    def lose(connection: Any, params: Any, now: Any) -> bool:
        folder.rename(tmp_path / "elsewhere")
        raise ZeroDivisionError

    outcomes = commit(engine, [change_of(lose, ("users", number)) for number in range(3)], lambda: NOW)
    assert [type(outcome) for outcome in outcomes] == [NotBegun] * 3


def test_one_member_that_the_database_refuses_leaves_its_neighbours_whole(
    store: Database, write: Callable[..., list[Any]]
) -> None:
    logins = begun(store, 1, 2, 3)
    refused = change_of(taken, ("authorizations", (2).to_bytes(16)))
    first, second, third = write(rotation(logins[0]), refused, rotation(logins[2]))
    assert (first, third) == (True, True)
    assert second is False  # what it stands on is no more: its request looks anew
    assert generations(store) == {1: 1, 2: 0, 3: 1}


def test_what_a_faulty_member_wrote_before_it_failed_is_gone(store: Database, write: Callable[..., list[Any]]) -> None:
    (login,) = begun(store, 1)

    def half(connection: Any, params: Any, now: Any) -> bool:
        connection.execute(text("DELETE FROM clients"))
        raise ValueError("half-way")

    assert write(rotation(login), change_of(half, ("users", "u_ada")))[0] is True
    assert generations(store) == {1: 1}


def test_changes_run_sorted_by_table_and_key_in_arrival_order_within_one_row(
    store: Database, write: Callable[..., list[Any]]
) -> None:
    ran = []

    def note(connection: Any, params: Any, now: Any) -> Any:
        connection.execute(text("SELECT 1"))
        ran.append(params)
        return True

    arrived = [
        ("users", 2, "x"),
        ("authorizations", 9, "y"),
        ("users", 1, "z"),
        ("users", 2, "a"),
        ("authorizations", 1, "b"),
        ("users", 2, "m"),
    ]
    assert write(*(change_of(note, (table, key), (table, key, tag)) for table, key, tag in arrived)) == [True] * 6
    assert ran == sorted(arrived, key=lambda change: change[:2])


def test_an_executemany_that_falls_short_is_repeated_row_by_row(
    store: Database, write: Callable[..., list[Any]]
) -> None:
    """Another process was first at one of three rows; executemany tells only a total."""
    logins = begun(store, 1, 2, 3)
    assert write(rotation(logins[1])) == [True]
    sent = statements(store)
    assert write(*map(rotation, logins)) == [True, False, True]
    assert [what for what in sent if what[0] == "UPDATE"] == [("UPDATE", 3)] + [("UPDATE", 1)] * 3
    assert generations(store) == {1: 1, 2: 1, 3: 1}


def test_a_short_group_whose_repetition_fails_runs_one_by_one(store: Database, write: Callable[..., list[Any]]) -> None:
    logins = begun(store, 1, 2, 3)
    assert write(rotation(logins[0])) == [True]
    fault = ValueError("a defect")
    assert write(*map(rotation, logins), failing(fault, 4)) == [False, True, True, fault]
    assert generations(store) == {1: 1, 2: 1, 3: 1}


def test_a_group_is_stamped_with_the_time_at_which_it_runs(
    store: Database, write: Callable[..., list[Any]], clock: Clock
) -> None:
    (login,) = begun(store, 1)
    clock.forward(42)
    stamps = []

    def note(connection: Any, params: Any, now: Any) -> Any:
        connection.execute(text("SELECT 1"))
        stamps.append(now)
        return True

    assert write(rotation(login), change_of(note, ("clocks", "1"))) == [True, True]
    assert stamps == [clock()]


def test_a_transaction_that_ended_by_itself_never_counts_as_committed(
    store: Database, write: Callable[..., list[Any]]
) -> None:
    """PostgreSQL answers COMMIT after an error with a silent ROLLBACK; SQLite may roll back and go on in autocommit."""
    (login,) = begun(store, 1)

    def swallow(connection: Any, params: Any, now: Any) -> Any:
        connection.execute(text("UPDATE authorizations SET generation = 7 WHERE client_id = 'app'"))
        end_by_itself(connection)
        return True

    lost, held = write(change_of(swallow, ("authorizations", b"0")), rotation(login))
    assert isinstance(lost, Unavailable), lost
    assert held is True
    assert generations(store) == {1: 1}


def end_by_itself(connection: Any) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("ROLLBACK")  # as a full disk does
        return
    try:
        connection.execute(text("SELECT 1 / 0"))
    except Exception as error:
        assert "division by zero" in str(error)


def test_rows_are_stamped_when_their_transaction_has_begun_not_when_it_began_to_wait(store: Database) -> None:
    (login,) = begun(store, 1)
    happened = []
    event.listen(store._engine, "begin", lambda connection: happened.append("begun"))

    def now() -> Any:
        happened.append("stamped")
        return NOW

    assert commit(store._engine, [rotation(login)], now) == [True]
    assert happened == ["begun", "stamped"]


def test_an_error_of_the_database_tells_no_value_that_was_written(store: Database) -> None:
    """It is logged."""
    with pytest.raises(Unavailable) as caught, store.begin() as connection:
        users.add_many(connection, [User("u_ada", "ada", "the hash")])
    logged = "".join(format_exception(caught.value))
    assert "password_hash" in logged and "'the hash'" not in logged
