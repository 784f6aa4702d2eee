"""Commits many requests' changes in one transaction, without letting one failure affect the others.

An error before COMMIT rolls the group back, and its changes run again one by one. After an error in COMMIT the outcome
is unknown: every caller gets the error, and COMMIT is never repeated.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import groupby
from typing import Protocol

from sqlalchemy import Connection, RootTransaction
from sqlalchemy.exc import IntegrityError

from ..domain.errors import Unavailable
from . import events
from .changes import Change, PartialMatch
from .engine import CONNECTION_ERRORS, DATABASE_ERRORS, describe, is_in_transaction, may_run_again

Outcome = bool | Exception
"""Whether the guard held; or Unavailable if nothing was written, OutcomeUnknown, or the error of a faulty change."""

Run = list[Change]
Now = Callable[[], int]
_TRIES = 3


class Source(Protocol):
    """An Engine, or what keeps its connections."""

    def connect(self) -> AbstractContextManager[Connection]: ...


class OutcomeUnknown(Unavailable):
    """COMMIT failed: the change may or may not be durable."""


class NotWritten(Unavailable):
    """The database failed before COMMIT, for a reason other than this change: a full disk, a lost connection."""


class NotBegun(NotWritten):
    """No transaction could begin: nothing was written, and the next one would fail, too."""


def commit(source: Source, changes: list[Change], now: Now) -> list[Outcome]:
    """Commit the changes. Returns an outcome for each, in order; changes whose guards held are durable.

    `now` (microseconds) is read once the transaction has begun, so that rows do not contain a time before the wait for
    a lock.
    """
    order = sorted(range(len(changes)), key=lambda place: changes[place].rank)
    by_function = groupby((changes[place] for place in order), key=lambda change: change.apply)
    outcomes = _commit(source, [list(run) for _, run in by_function], now)
    return [outcome for _, outcome in sorted(zip(order, outcomes, strict=True), key=lambda pair: pair[0])]


def _commit(source: Source, runs: list[Run], now: Now) -> list[Outcome]:
    changes = [change for run in runs for change in run]
    try:
        return _transact(source, runs, now)
    except PartialMatch:
        return _commit(source, [[change] for change in changes], now)
    except (NotBegun, OutcomeUnknown) as error:
        return [error] * len(changes)
    except Exception:
        return _commit_one_by_one(source, changes, now)


def _commit_one_by_one(source: Source, changes: list[Change], now: Now) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for change in changes:
        outcomes.append(_commit_alone(source, change, now))
        if isinstance(outcomes[-1], NotBegun):
            break
    return outcomes + outcomes[-1:] * (len(changes) - len(outcomes))


def _commit_alone(source: Source, change: Change, now: Now) -> Outcome:
    """Commit one change. After a serialization failure or a deadlock, which write nothing, it runs again."""
    for _ in range(_TRIES):
        try:
            return _transact(source, [[change]], now)[0]
        except Unavailable as error:
            return error
        except Exception as error:
            failure = error
            if not may_run_again(error):
                break
    return _failed(failure)


def _failed(error: Exception) -> Outcome:
    if isinstance(error, IntegrityError):
        return False  # a row that it refers to is gone: its user or client was deleted in the meantime
    if isinstance(error, CONNECTION_ERRORS):
        return NotWritten(describe(error))
    return Unavailable(describe(error)) if isinstance(error, DATABASE_ERRORS) else error


def _transact(source: Source, runs: list[Run], now: Now) -> list[Outcome]:
    with _begun(source) as (connection, transaction):  # leaving it rolls back anything that did not reach COMMIT
        began_at = now()
        outcomes: list[Outcome] = [held for run in runs for held in _apply(connection, run, began_at)]
        _record(connection, [change for run in runs for change in run], outcomes, began_at)
        if not is_in_transaction(connection):
            raise NotWritten("The database ended the transaction before COMMIT.")
        try:
            transaction.commit()
        except DATABASE_ERRORS as error:
            connection.invalidate()  # its transaction may still be open and must not be continued
            raise OutcomeUnknown(describe(error)) from error
    return outcomes


@contextmanager
def _begun(source: Source) -> Iterator[tuple[Connection, RootTransaction]]:
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(source.connect())
            transaction = connection.begin()
        except DATABASE_ERRORS as error:
            raise NotBegun(describe(error)) from error
        yield connection, transaction


def _record(connection: Connection, changes: list[Change], outcomes: list[Outcome], now: int) -> None:
    """Add the events of the changes whose guards held to the audit trail, in one statement."""
    written = [change.records for change, held in zip(changes, outcomes, strict=True) if held and change.records]
    events.add(connection, now, [record for records in written for record in records()])


def _apply(connection: Connection, run: Run, now: int) -> list[bool]:
    return run[0].apply(connection, [change.params for change in run], now)
