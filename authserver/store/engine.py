"""Creates the engine for each kind of database, and interprets its errors."""

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

from .. import system
from ..domain.errors import ChangedMeanwhile, Misconfigured, Unavailable
from .advice import advice
from .deadline import ANSWER
from .sqlite_file import FileError, OpenFile, is_path, why_unusable

DATABASE_ERRORS = (DBAPIError, PoolTimeout)
CONNECTION_ERRORS = (OperationalError, InterfaceError, PoolTimeout)
"""Errors that are not caused by one statement: the next one would fail, too."""
READS = "reads"
"""The execution option of a connection that begins no transaction."""
SQLITE_BUSY_TIMEOUT = 5000  # milliseconds
_RETRY = 0.0005  # seconds until the next attempt to begin a transaction
_NO_DRIVER = (
    "PostgreSQL needs the driver psycopg, which is not installed. Install it:\n\n    pip install 'authserver[postgres]'"
)
_CONFLICT = "Another process changed the same rows at the same time, and nothing was written. Run the command again."
_NO_RIGHT = "42501"
_RUNS_AGAIN = {"40001", "40P01"}  # PostgreSQL's serialization failure and deadlock


def create(url: str, *, prepared_statements: bool = False, connections: int = 5, answer: float = ANSWER) -> Engine:
    """Create the engine for SQLAlchemy's `url`. It does not connect yet. For PostgreSQL, `connections` is the maximum
    number of connections, and `answer` the seconds to wait for a response."""
    if make_url(url).get_backend_name() == "sqlite":
        return _create_sqlite(url)
    try:
        from . import postgresql
    except ModuleNotFoundError as error:
        raise Misconfigured(_NO_DRIVER) from error
    return postgresql.create(url, prepared_statements=prepared_statements, connections=connections, answer=answer)


def reading(engine: Engine) -> Engine:
    """Return the engine with connections that begin no transaction."""
    return engine.execution_options(**{READS: True})


# For each parameter of another type than str and int, the driver looks for an adapter, and catches two errors if there
# is none: an authorization request, which has six of them, takes 5 us less with these. Both return what they get.
sqlite3.register_adapter(bytes, bytes.__bytes__)
sqlite3.register_adapter(type(None), dict[None, None]().get)


def _create_sqlite(url: str) -> Engine:
    engine, file = create_engine(url, hide_parameters=True), OpenFile(url)
    event.listen(engine, "do_connect", lambda *_: file.check())  # before a new file is created in its place
    event.listen(engine, "do_connect", _create_for_owner)
    event.listen(engine, "connect", lambda _, record: file.opened(record.info))
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "checkout", lambda *_: file.check())
    event.listen(engine, "begin", _begin_immediate)
    event.listen(engine, "handle_error", _forget_read_only)
    event.listen(engine, "handle_error", _explain_unusable)
    return engine


def check_file(connection: Connection) -> None:
    """For a connection that is kept. Raises one of CONNECTION_ERRORS if its SQLite file was deleted or replaced."""
    file: OpenFile | None = connection.info.get(OpenFile)
    try:
        if file is not None:
            file.check()
    except FileError as error:
        raise OperationalError(None, None, error) from error


@contextmanager
def one_moment(connection: Connection) -> Iterator[Connection]:
    """Run a read-only transaction that does not see what others commit in the meantime."""
    if connection.dialect.name == "sqlite":
        connection = connection.execution_options(**{READS: True})
        connection.exec_driver_sql("BEGIN")  # not IMMEDIATE, which would keep others from writing
    else:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    yield connection
    connection.rollback()


def is_in_transaction(connection: Connection) -> bool:
    """Whether the connection is still in its transaction; called before each COMMIT. When the disk is full, SQLite
    rolls back and continues in autocommit. After an error, PostgreSQL responds to COMMIT with a silent ROLLBACK."""
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        return bool(driver.in_transaction)
    return str(driver.info.transaction_status.name) == "INTRANS"


def may_run_again(error: Exception) -> bool:
    """Whether this is a serialization failure or a deadlock: nothing was written, and the change may be repeated."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _RUNS_AGAIN


def has_ended(error: Exception) -> bool:
    """Whether the connection failed, not the database."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def describe(error: Exception) -> str:
    """Describe an error for the operator: the driver's message, without the statement and its parameters, and advice if
    there is any."""
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, FileError):
        return str(cause)
    words = f"{type(cause).__name__}: {str(cause).strip()}"
    return "\n\n".join([words, *advice(words)])


def failure(error: Exception) -> Unavailable | Misconfigured:
    """Return the error to raise for one of DATABASE_ERRORS."""
    if may_run_again(error):
        return ChangedMeanwhile(_CONFLICT)
    not_allowed = getattr(getattr(error, "orig", None), "sqlstate", None) == _NO_RIGHT
    return (Misconfigured if not_allowed else Unavailable)(describe(error))


def warnings(connection: Connection, workers: int = 1) -> list[str]:
    """Return warnings about the database for the operator; `connection` is in a transaction."""
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
    """Create a new database with mode 0600, whatever the umask. SQLite gives its journals the same mode."""
    path = str(arguments[0])
    if not is_path(path):
        return
    with suppress(OSError):  # it exists, or SQLite reports what is wrong
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.fchmod(file, 0o600)
        os.close(file)


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver begins no transaction of its own
    connection.execute(f"pragma busy_timeout={SQLITE_BUSY_TIMEOUT}")
    _use_wal(connection)
    for pragma in ("synchronous=full", "foreign_keys=on"):
        connection.execute(f"pragma {pragma}")


def _use_wal(connection: Any) -> None:
    """Turn on WAL. If another process is doing the same with a new file, SQLite waits for it only in a transaction."""
    try:
        connection.execute("pragma journal_mode=wal")
    except sqlite3.OperationalError:
        connection.executescript("begin immediate; commit")
        connection.execute("pragma journal_mode=wal")


def _begin_immediate(connection: Connection) -> None:
    """Begin a transaction as soon as no other process is in one. SQLite itself would sleep for up to 100 ms between two
    attempts: with two workers, one refresh in a hundred took 100 to 170 ms instead of 60."""
    if connection.get_execution_options().get(READS):
        return
    driver: Any = connection.connection.driver_connection
    driver.execute("pragma busy_timeout=0")
    try:
        until = system.steady() + SQLITE_BUSY_TIMEOUT * 1000
        while (code := _try_to_begin(driver)) == sqlite3.SQLITE_BUSY and system.steady() < until:
            system.sleep(_RETRY)
        if code != sqlite3.SQLITE_OK:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # raises the error as one of DATABASE_ERRORS
    finally:
        driver.execute(f"pragma busy_timeout={SQLITE_BUSY_TIMEOUT}")


def _try_to_begin(driver: Any) -> int:
    """Return SQLite's primary result code."""
    try:
        driver.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    return sqlite3.SQLITE_OK


def _forget_read_only(context: ExceptionContext) -> None:
    """Discard a connection that was made while the file was not writable: it would stay read-only for ever."""
    if getattr(context.original_exception, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY:
        context.is_disconnect = True


def _explain_unusable(context: ExceptionContext) -> OperationalError | None:
    """Raised in place of SQLite's error, which does not name the file."""
    code = getattr(context.original_exception, "sqlite_errorcode", 0) & 0xFF
    if code not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY) or context.engine is None:
        return None
    fault = why_unusable(context.engine.url.render_as_string(hide_password=False))
    return None if fault is None else OperationalError(None, None, FileError(fault))
