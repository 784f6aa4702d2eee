"""Many requests' changes in one transaction, without one failure touching its neighbours.

An error before COMMIT rolls the group back, and its members run again one by one. An error in COMMIT leaves the outcome
unknown: it is told to every member, and never repeated.
"""

from collections.abc import Callable
from itertools import groupby

from sqlalchemy import Connection, Engine, RootTransaction
from sqlalchemy.exc import IntegrityError

from ..domain.errors import Unavailable
from .changes import Change, PartialMatch
from .engine import CONNECTION_ERRORS, DATABASE_ERRORS, describe, is_in_transaction, may_run_again

Outcome = bool | Exception
"""Whether the guard held; or Unavailable if nothing was written, OutcomeUnknown, or the error of a faulty change."""

Run = list[Change]
Now = Callable[[], int]
_TRIES = 3


class OutcomeUnknown(Unavailable):
    """COMMIT failed: the change may or may not be durable."""


class NotWritten(Unavailable):
    """The database failed before COMMIT, and not for this change's sake: a full disk, a lost connection."""


class NotBegun(NotWritten):
    """No transaction could be had: nothing was written, and what comes next would fare no better."""


def commit(engine: Engine, changes: list[Change], now: Now) -> list[Outcome]:
    """An outcome for each change, in order; those that held are durable.

    `now` (microseconds) is read when the transaction has begun: the time that it waited for is in no row.
    """
    order = sorted(range(len(changes)), key=lambda place: changes[place].rank)
    by_function = groupby((changes[place] for place in order), key=lambda change: change.apply)
    outcomes = _commit(engine, [list(run) for _, run in by_function], now)
    return [outcome for _, outcome in sorted(zip(order, outcomes, strict=True), key=lambda pair: pair[0])]


def _commit(engine: Engine, runs: list[Run], now: Now) -> list[Outcome]:
    changes = [change for run in runs for change in run]
    try:
        return _transact(engine, runs, now)
    except PartialMatch:
        return _commit(engine, [[change] for change in changes], now)
    except (NotBegun, OutcomeUnknown) as error:
        return [error] * len(changes)
    except Exception:
        return _commit_one_by_one(engine, changes, now)


def _commit_one_by_one(engine: Engine, changes: list[Change], now: Now) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for change in changes:
        outcomes.append(_commit_alone(engine, change, now))
        if isinstance(outcomes[-1], NotBegun):
            break
    return outcomes + outcomes[-1:] * (len(changes) - len(outcomes))


def _commit_alone(engine: Engine, change: Change, now: Now) -> Outcome:
    """Serialization failures and deadlocks are known outcomes: the change runs again."""
    for _ in range(_TRIES):
        try:
            return _transact(engine, [[change]], now)[0]
        except Unavailable as error:
            return error
        except Exception as error:
            failure = error
            if not may_run_again(error):
                break
    return _failed(failure)


def _failed(error: Exception) -> Outcome:
    if isinstance(error, IntegrityError):
        return False  # a row that it stands on is no more: its user or client was deleted meanwhile
    if isinstance(error, CONNECTION_ERRORS):
        return NotWritten(describe(error))
    return Unavailable(describe(error)) if isinstance(error, DATABASE_ERRORS) else error


def _transact(engine: Engine, runs: list[Run], now: Now) -> list[Outcome]:
    connection, transaction = _begin(engine)
    with connection:  # closes, and so rolls back whatever did not reach COMMIT
        began_at = now()
        outcomes: list[Outcome] = [held for run in runs for held in _apply(connection, run, began_at)]
        if not is_in_transaction(connection):
            raise NotWritten("The database had ended the transaction by itself before COMMIT.")
        try:
            transaction.commit()
        except DATABASE_ERRORS as error:
            connection.invalidate()  # its transaction may still be open: nobody may go on in it
            raise OutcomeUnknown(describe(error)) from error
    return outcomes


def _begin(engine: Engine) -> tuple[Connection, RootTransaction]:
    try:
        connection = engine.connect()
    except DATABASE_ERRORS as error:
        raise NotBegun(describe(error)) from error
    try:
        return connection, connection.begin()
    except DATABASE_ERRORS as error:
        connection.close()
        raise NotBegun(describe(error)) from error


def _apply(connection: Connection, run: Run, now: int) -> list[bool]:
    return run[0].apply(connection, [change.params for change in run], now)
