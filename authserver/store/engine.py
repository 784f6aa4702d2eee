"""The engine for each kind of database, and what its errors mean."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote
from typing import Any

from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ..domain.errors import ChangedMeanwhile, Misconfigured, Unavailable
from .advice import advice
from .deadline import ANSWER

DATABASE_ERRORS = (DBAPIError, PoolTimeout)
CONNECTION_ERRORS = (OperationalError, InterfaceError, PoolTimeout)
"""Not one statement's fault: whatever comes next would fare no better."""
READS = "reads"
"""The execution option of a connection on which no transaction begins."""
_SQLITE_BUSY_TIMEOUT = 5000  # milliseconds
_NO_DRIVER = (
    "PostgreSQL needs the driver psycopg, which is not installed. Install it:\n\n    pip install 'authserver[postgres]'"
)
_CONFLICT = "Another process changed the same rows at that moment, and nothing was written. Run the command again."
_NO_RIGHT = "42501"
_RUNS_AGAIN = {"40001", "40P01"}  # PostgreSQL's serialization failure and deadlock


def create(url: str, *, prepared_statements: bool = False, connections: int = 5, answer: float = ANSWER) -> Engine:
    """`url` as SQLAlchemy's. No connection is made yet. To PostgreSQL there will be `connections` at most, and `answer`
    is how many seconds it may take to answer."""
    if make_url(url).get_backend_name() == "sqlite":
        return _create_sqlite(url)
    try:
        from . import postgresql
    except ModuleNotFoundError as error:
        raise Misconfigured(_NO_DRIVER) from error
    return postgresql.create(url, prepared_statements=prepared_statements, connections=connections, answer=answer)


def reading(engine: Engine) -> Engine:
    """The same, for connections whose statements each stand for themselves: no transaction begins."""
    return engine.execution_options(**{READS: True})


def _create_sqlite(url: str) -> Engine:
    engine = create_engine(url, hide_parameters=True)
    event.listen(engine, "do_connect", _create_for_owner)
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_immediate)
    event.listen(engine, "handle_error", _forget_read_only)
    return engine


@contextmanager
def one_moment(connection: Connection) -> Iterator[Connection]:
    """A transaction that only reads, and sees nothing of what others commit meanwhile."""
    if connection.dialect.name == "sqlite":
        connection = connection.execution_options(**{READS: True})
        connection.exec_driver_sql("BEGIN")  # not IMMEDIATE, which would keep others from writing
    else:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    yield connection
    connection.rollback()


def is_in_transaction(connection: Connection) -> bool:
    """SQLite rolls back by itself when the disk is full and would go on in autocommit; PostgreSQL answers a COMMIT
    after an error with a silent ROLLBACK: so the driver is asked before each COMMIT."""
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        return bool(driver.in_transaction)
    return str(driver.info.transaction_status.name) == "INTRANS"


def may_run_again(error: Exception) -> bool:
    """A serialization failure or a deadlock: nothing was written, and nothing is wrong with the change."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _RUNS_AGAIN


def has_ended(error: Exception) -> bool:
    """Whether it was the connection that failed, not the database behind it."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def describe(error: Exception) -> str:
    """For the operator: the driver's words, without the statement and its parameters, and what to do where we know."""
    cause = getattr(error, "orig", None) or error
    words = f"{type(cause).__name__}: {str(cause).strip()}"
    return "\n\n".join([words, *advice(words)])


def failure(error: Exception) -> Unavailable | Misconfigured:
    """What the operator is told of one of DATABASE_ERRORS."""
    if may_run_again(error):
        return ChangedMeanwhile(_CONFLICT)
    not_allowed = getattr(getattr(error, "orig", None), "sqlstate", None) == _NO_RIGHT
    return (Misconfigured if not_allowed else Unavailable)(describe(error))


def warnings(connection: Connection, workers: int = 1) -> list[str]:
    """What an operator should know of the database; `connection` is in a transaction."""
    if connection.dialect.name == "sqlite":
        return _sqlite_warnings(connection)
    from . import postgresql_check

    return postgresql_check.warnings(connection, workers)


def _sqlite_warnings(connection: Connection) -> list[str]:
    path = Path(str(connection.engine.url.database))
    if not path.is_file() or not path.stat().st_mode & 0o077:
        return []
    return [f"other users may read the database {path}: chmod 600 {quote(str(path))}*"]  # its journals too


def _create_for_owner(_dialect: object, _record: object, arguments: list[Any], _options: object) -> None:
    """A new database is 0600 whatever the umask; SQLite gives the journals beside it the same mode."""
    path = str(arguments[0])
    if path in ("", ":memory:") or path.startswith("file:"):
        return
    with suppress(OSError):  # it is there, or SQLite says what is wrong
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.fchmod(file, 0o600)
        os.close(file)


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver begins no transaction of its own
    connection.execute(f"pragma busy_timeout={_SQLITE_BUSY_TIMEOUT}")
    _use_wal(connection)
    for pragma in ("synchronous=full", "foreign_keys=on"):
        connection.execute(f"pragma {pragma}")


def _use_wal(connection: Any) -> None:
    """Where another process turns a new file into WAL at this moment, SQLite waits only for a transaction."""
    try:
        connection.execute("pragma journal_mode=wal")
    except sqlite3.OperationalError:
        connection.executescript("begin immediate; commit")
        connection.execute("pragma journal_mode=wal")


def _begin_immediate(connection: Connection) -> None:
    if READS not in connection.get_execution_options():
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _forget_read_only(context: ExceptionContext) -> None:
    """A connection that was made while the file could not be written would stay read-only for ever."""
    if getattr(context.original_exception, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY:
        context.is_disconnect = True
