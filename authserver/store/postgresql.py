"""The engine for PostgreSQL, and the settings of its connections and transactions.

It is imported only if a URL names PostgreSQL, since the driver is an optional dependency.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import psycopg
from psycopg.pq import Conninfo
from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, OperationalError

from ..domain.errors import Misconfigured
from .engine import READS
from .postgresql_connection import LIBPQ, PostgresPool, connect

_DEFAULTS = {
    "application_name": "authserver",
    "connect_timeout": 5,  # seconds
    "tcp_user_timeout": 10_000,  # milliseconds
    "keepalives_idle": 30,  # seconds
    "keepalives_interval": 10,  # seconds
    "keepalives_count": 3,
}
_TIMEOUTS = {"statement_timeout": "10s", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "10s"}
_POOL_TIMEOUT = 5  # seconds to wait for a free connection
_PREPARE_AFTER = 5  # executions, if statements are prepared at all
_READ_ONLY = "25006"
_POOLED = {"26000", "42P05", "08P01"}
"""SQLSTATEs of a session that another client changed: unknown or duplicate prepared statement, protocol violation."""
_POOLER = (
    "The cause is probably a pooler in transaction mode (PgBouncer) between this server and PostgreSQL, which breaks "
    "prepared statements. Write:\n\n    AUTHSERVER_DATABASE_PREPARED_STATEMENTS=off"
)


def create(url: str, *, prepared_statements: bool, connections: int, answer: float) -> Engine:
    """Create an engine on which nothing waits for ever. Options in the URL take precedence
    (`?sslmode=verify-full&connect_timeout=3`). Raises Misconfigured for unknown options."""
    query = make_url(url).query
    _check_names(query)
    arguments: dict[str, Any] = {name: value for name, value in _DEFAULTS.items() if name not in query}
    arguments["prepare_threshold"] = _PREPARE_AFTER if prepared_statements else None
    engine = _engine(url, connections, arguments)
    begin = "; ".join(["BEGIN", *(f"SET LOCAL {name} = {_quoted(value)}" for name, value in timeouts(query).items())])

    def _begin(connection: Connection) -> None:
        """Set the timeouts with `SET LOCAL`: a pooler forgets or rejects settings made when a connection starts."""
        if READS not in connection.get_execution_options():
            connection.exec_driver_sql(begin)

    event.listen(engine, "do_connect", partial(connect, answer))
    event.listen(engine, "begin", _begin)
    event.listen(engine, "handle_error", _forget_read_only_session)
    event.listen(engine, "handle_error", _forget_mixed_up_session)
    return engine


def _engine(url: str, connections: int, arguments: dict[str, Any]) -> Engine:
    try:
        return create_engine(
            url,
            hide_parameters=True,
            # psycopg would send BEGIN separately; `_begin` sends it together with the timeouts.
            isolation_level="AUTOCOMMIT",
            use_native_hstore=False,
            poolclass=PostgresPool,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=_POOL_TIMEOUT,
            pool_use_lifo=True,
            connect_args=arguments,
        )
    except ArgumentError as error:
        raise Misconfigured(f"AUTHSERVER_DATABASE_URL: {error}\n\n{LIBPQ}") from None


def timeouts(query: Mapping[str, Any]) -> dict[str, str]:
    """Return the timeouts of a statement, for a URL with that query."""
    chosen = options(query)
    return {name: chosen.get(name, value) for name, value in _TIMEOUTS.items()}


def options(query: Mapping[str, Any]) -> dict[str, str]:
    """Return what `?options=-c name=value --name=value` sets; a space within a value has a backslash before it."""
    words = re.findall(r"(?:-c\s*|--)([\w.-]+)=((?:\\.|[^\s\\])*)", _last(query.get("options", "")))
    return {name.replace("-", "_"): re.sub(r"\\(.)", r"\1", value) for name, value in words}


def _last(value: str | Iterable[str]) -> str:
    return value if isinstance(value, str) else list(value)[-1]


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _check_names(query: Mapping[str, Any]) -> None:
    allowed = [option.keyword.decode() for option in Conninfo.get_defaults()]
    for name in query:
        if name not in allowed:
            close = difflib.get_close_matches(name, allowed, 1)
            meant = f"did you mean {close[0]}?" if close else "allowed are the options of PostgreSQL's libpq."
            raise Misconfigured(f"AUTHSERVER_DATABASE_URL: {name} is not a connection option; {meant}\n\n{LIBPQ}")


def _forget_read_only_session(context: ExceptionContext) -> None:
    """Discard a session with a standby, made during a failover: it would never reach the primary."""
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True


def _forget_mixed_up_session(context: ExceptionContext) -> OperationalError | None:
    """Discard a session that another client changed: the statement is not at fault, and a retry would fail, too."""
    if getattr(context.original_exception, "sqlstate", None) not in _POOLED:
        return None
    context.is_disconnect = True
    cause = psycopg.OperationalError(f"{context.original_exception}. {_POOLER}")
    return OperationalError(None, None, cause, hide_parameters=True)
