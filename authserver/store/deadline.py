"""Limits how long this thread waits for the database, so that no request hangs for ever."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from threading import local
from typing import Any

from sqlalchemy import Connection

from ..domain.models import SECOND
from ..system import steady

ANSWER = 12.0
"""Seconds to wait for a response. PostgreSQL's own limit for a statement is lower and should take effect first."""
_own = local()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Set the deadline of this thread inside the `with`, in seconds from now."""
    _own.ends_at = steady() / SECOND + seconds
    try:
        yield
    finally:
        del _own.ends_at


def lift(connection: Connection) -> None:
    """Remove the limits for the rest of the transaction: an operator's command on a large table may take long."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        driver: Any = connection.connection.driver_connection
        driver.answer = inf


def left() -> float:
    """Return the seconds until this thread's deadline, at least 0; infinity without a deadline."""
    ends_at: float | None = getattr(_own, "ends_at", None)
    return inf if ends_at is None else max(0.0, ends_at - steady() / SECOND)
