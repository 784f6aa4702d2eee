"""A connection to PostgreSQL that never waits for ever, and its pool."""

import re
from contextlib import suppress
from math import inf
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from sqlalchemy import QueuePool
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util.queue import Empty

from ..domain.errors import Misconfigured
from .deadline import ANSWER, left

LIBPQ = """The options and their values are listed at

    https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS"""
_LATE = "PostgreSQL did not respond in time, so the connection was not attempted."
_CANCEL = 1.0  # seconds to wait while cancelling a statement
_INTERVAL = 0.1  # seconds between two checks for Ctrl-C
_BAD_VALUE = re.compile(r"invalid [\w ]*(value|number)|unrecognized configuration parameter|definition of service")
_NO_OPTIONS = """A pooler rejects an option in the URL. Remove it from AUTHSERVER_DATABASE_URL (settings in `options`
can be made for the role instead), or let PgBouncer ignore it:

    ignore_startup_parameters = options"""
_FULL = re.compile(r"too many clients|remaining connection slots|too many connections|no more connections allowed")
_PAUSE = 0.5  # seconds before another attempt to connect when PostgreSQL has no room


def connect(answer: float, _dialect: object, _record: object, arguments: list[Any], parameters: dict[str, Any]) -> Any:
    seconds = left()
    if not seconds:
        raise psycopg.OperationalError(_LATE)
    if seconds < inf:  # a request waits; libpq takes less than 2 s for 2
        chosen = int(parameters["connect_timeout"])
        parameters = parameters | {"connect_timeout": min(chosen if chosen > 0 else inf, max(2, int(seconds)))}
    try:
        connection = PostgresConnection.connect(*arguments, **parameters)
    except psycopg.Error as error:
        said = str(error)
        if isinstance(error, psycopg.ProgrammingError) or _BAD_VALUE.search(said):
            raise Misconfigured(f"AUTHSERVER_DATABASE_URL: {said.strip()}\n\n{LIBPQ}") from None
        if "unsupported startup parameter" in said:
            raise Misconfigured(f"{said.strip()}\n\n{_NO_OPTIONS}") from None
        raise
    connection.answer = answer
    return connection


class PostgresConnection(psycopg.Connection[Any]):
    """A connection that closes if no response comes: the server may be frozen, or the network may drop every packet."""

    answer = ANSWER
    _is_committing = False

    def commit(self) -> None:
        self._is_committing = True
        try:
            super().commit()
        finally:
            self._is_committing = False

    def wait(self, gen: PQGen[RV], interval: float = _INTERVAL, timeout: float | None = None) -> RV:
        limit = min(self.answer, left(), inf if timeout is None else timeout)
        try:
            return super().wait(gen, interval, timeout=limit)
        except psycopg.errors._WaitTimeout:
            self._give_up()
            raise psycopg.OperationalError(f"PostgreSQL did not respond within {limit:.0f} s.") from None

    def _give_up(self) -> None:
        """Close the connection. A slow statement is cancelled, because the server would continue it. A COMMIT is not: a
        cancelled COMMIT is reported as done although no standby has it."""
        if not self._is_committing and psycopg.capabilities.has_cancel_safe():
            with suppress(psycopg.Error):
                self.cancel_safe(timeout=_CANCEL)
        self.pgconn.finish()


class PostgresPool(QueuePool):
    def _do_get(self) -> ConnectionPoolEntry:
        """Get a connection. If PostgreSQL has no room for another one, wait until one of ours is free."""
        waited, longest = 0.0, self._timeout if left() == inf else left()
        while True:
            try:
                return super()._do_get()
            except psycopg.OperationalError as error:
                if not _FULL.search(str(error)) or waited + _PAUSE >= longest:
                    raise
            with suppress(Empty):
                return self._pool.get(True, _PAUSE)
            waited += _PAUSE
