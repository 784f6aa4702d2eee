"""The engine for each kind of database, and what its errors mean."""

from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

DATABASE_ERRORS = (DBAPIError, PoolTimeout)
CONNECTION_ERRORS = (OperationalError, InterfaceError, PoolTimeout)
"""Not one statement's fault: whatever comes next would fare no better."""
_SQLITE_BUSY_TIMEOUT = 5000  # milliseconds
_RUNS_AGAIN = {"40001", "40P01"}  # PostgreSQL's serialization failure and deadlock


def create(url: str) -> Engine:
    """`url` as SQLAlchemy's. No connection is made yet."""
    engine = create_engine(url, hide_parameters=True)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_immediate)
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


def describe(error: Exception) -> str:
    """For the log: the driver's words, without the statement and its parameters."""
    cause = getattr(error, "orig", None) or error
    return f"{type(cause).__name__}: {cause}"


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver begins no transaction of its own
    pragmas = (f"busy_timeout={_SQLITE_BUSY_TIMEOUT}", "journal_mode=wal", "synchronous=full", "foreign_keys=on")
    for pragma in pragmas:
        connection.execute(f"pragma {pragma}")


def _begin_immediate(connection: Connection) -> None:
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
