"""How long this thread may still wait for the database: what hangs may hold a request up, and not for ever."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from threading import local
from typing import Any

from sqlalchemy import Connection

from ..domain.models import SECOND
from ..system import steady

ANSWER = 12.0
"""Seconds: above PostgreSQL's own limit for a statement, which is the better one where it works."""
_own = local()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What this thread does here must be done then."""
    _own.ends_at = steady() / SECOND + seconds
    try:
        yield
    finally:
        del _own.ends_at


def lift(connection: Connection) -> None:
    """For the rest of its transaction: an operator's command on a large table takes as long as it takes."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        driver: Any = connection.connection.driver_connection
        driver.answer = inf


def left() -> float:
    """Seconds, not below zero; without end where nobody set a deadline."""
    ends_at: float | None = getattr(_own, "ends_at", None)
    return inf if ends_at is None else max(0.0, ends_at - steady() / SECOND)
