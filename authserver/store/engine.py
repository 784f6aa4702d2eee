"""The engine for each kind of database, and what its errors mean."""

import sqlite3
from typing import Any

from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ..domain.errors import Misconfigured

DATABASE_ERRORS = (DBAPIError, PoolTimeout)
CONNECTION_ERRORS = (OperationalError, InterfaceError, PoolTimeout)
"""Not one statement's fault: whatever comes next would fare no better."""
_SQLITE_BUSY_TIMEOUT = 5000  # milliseconds
_POSTGRESQL = {
    "application_name": "authserver",
    "connect_timeout": 5,  # seconds
    "tcp_user_timeout": 10_000,  # milliseconds
    "options": "-c statement_timeout=10s -c lock_timeout=5s -c idle_in_transaction_session_timeout=10s",
}
_NO_DRIVER = (
    "PostgreSQL needs the driver psycopg, which is not installed. Install it:\n\n    pip install 'authserver[postgres]'"
)
_READ_ONLY = "25006"
_RUNS_AGAIN = {"40001", "40P01"}  # PostgreSQL's serialization failure and deadlock


def create(url: str) -> Engine:
    """`url` as SQLAlchemy's. No connection is made yet."""
    return _create_sqlite(url) if make_url(url).get_backend_name() == "sqlite" else _create_postgresql(url)


def _create_sqlite(url: str) -> Engine:
    engine = create_engine(url, hide_parameters=True)
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_immediate)
    event.listen(engine, "handle_error", _forget_read_only)
    return engine


def _create_postgresql(url: str) -> Engine:
    """Nothing waits for ever; what the URL says of the connection wins (`?sslmode=verify-full&connect_timeout=3`)."""
    chosen = make_url(url).query
    arguments = {name: value for name, value in _POSTGRESQL.items() if name not in chosen}
    if "options" in chosen:  # of two values for one parameter the later wins
        arguments["options"] = f"{_POSTGRESQL['options']} {chosen['options']}"
    try:
        engine = create_engine(
            url, hide_parameters=True, pool_size=8, max_overflow=4, pool_timeout=5, connect_args=arguments
        )
    except ModuleNotFoundError as error:
        raise Misconfigured(_NO_DRIVER) from error
    event.listen(engine, "handle_error", _forget_read_only_session)
    return engine


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
    """For the log: the driver's words, without the statement and its parameters."""
    cause = getattr(error, "orig", None) or error
    return f"{type(cause).__name__}: {cause}"


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
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _forget_read_only(context: ExceptionContext) -> None:
    """A connection that was made while the file could not be written would stay read-only for ever."""
    if getattr(context.original_exception, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY:
        context.is_disconnect = True


def _forget_read_only_session(context: ExceptionContext) -> None:
    """Made where a standby answered, in a failover: it would not become the primary's by itself."""
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True
