"""The engine for PostgreSQL: what each connection and transaction is told, and what an operator should know of it.

Imported only where a URL names PostgreSQL: its driver is an optional dependency.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from math import inf
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.pq import Conninfo
from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, OperationalError

from ..domain.errors import Misconfigured
from .deadline import ANSWER, left
from .engine import READS

_DEFAULTS = {
    "application_name": "authserver",
    "connect_timeout": 5,  # seconds
    "tcp_user_timeout": 10_000,  # milliseconds
    "keepalives_idle": 30,  # seconds
    "keepalives_interval": 10,  # seconds
    "keepalives_count": 3,
}
_TIMEOUTS = {"statement_timeout": "10s", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "10s"}
_LATE = "PostgreSQL had not answered in time, and nothing more was asked."
_CANCEL = 1.0  # seconds for asking PostgreSQL to end a statement
_INTERVAL = 0.1  # seconds between two looks for Ctrl-C
_PREPARE_AFTER = 5  # executions, where statements are prepared at all
_READ_ONLY = "25006"
_POOLED = {"26000", "42P05", "08P01"}
"""SQLSTATEs of a session that another client changed: unknown or duplicate prepared statement, protocol violation."""
_POOLER = (
    "The cause is probably a pooler in transaction mode (PgBouncer) between this server and PostgreSQL, which breaks "
    "prepared statements. Write:\n\n    AUTHSERVER_DATABASE_PREPARED_STATEMENTS=off"
)
_OPTION_LOST = (
    "the `options` of AUTHSERVER_DATABASE_URL set {name}={wanted}, and PostgreSQL has {found}: a pooler ignores "
    "`options`. Set it for the role instead: ALTER ROLE ... SET {name} = '{wanted}'"
)
_LIBPQ = """The options and their values are listed at

    https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS"""
_BAD_VALUE = re.compile(r"invalid [\w ]*(value|number)|unrecognized configuration parameter|definition of service")
_NO_OPTIONS = """A pooler refuses what the URL asks of the connection. Remove it from AUTHSERVER_DATABASE_URL (what
`options` set can be set for the role instead), or have PgBouncer ignore it:

    ignore_startup_parameters = options"""
_PREPARED_BEHIND_POOLER = (
    "AUTHSERVER_DATABASE_PREPARED_STATEMENTS=on, and a pooler stands before PostgreSQL: in transaction mode that needs "
    "PgBouncer 1.21 or later with max_prepared_statements above 0; anything else mixes up the statements of its clients"
)
_TIMEOUT_LOST = (
    "{name} is {found} in a transaction of this server, not {wanted}: a stuck statement could hold a connection for "
    "ever. Does a pooler in statement mode stand between? Use transaction or session mode"
)


def create(url: str, *, prepared_statements: bool, answer: float) -> Engine:
    """Nothing waits for ever; what the URL says of the connection wins (`?sslmode=verify-full&connect_timeout=3`).
    Raises Misconfigured for options that there are not."""
    query = make_url(url).query
    _check_names(query)
    arguments: dict[str, Any] = {name: value for name, value in _DEFAULTS.items() if name not in query}
    arguments["prepare_threshold"] = _PREPARE_AFTER if prepared_statements else None
    engine = _engine(url, arguments)
    begin = "; ".join(["BEGIN", *(f"SET LOCAL {name} = {_quoted(value)}" for name, value in _timeouts(query).items())])

    def _begin(connection: Connection) -> None:
        """`SET LOCAL`, because a pooler that hands connections on forgets or refuses what was set at their start."""
        if READS not in connection.get_execution_options():
            connection.exec_driver_sql(begin)

    event.listen(engine, "do_connect", partial(_connect, answer))
    event.listen(engine, "begin", _begin)
    event.listen(engine, "handle_error", _forget_read_only_session)
    event.listen(engine, "handle_error", _forget_mixed_up_session)
    return engine


def _engine(url: str, arguments: dict[str, Any]) -> Engine:
    try:
        return create_engine(
            url,
            hide_parameters=True,
            # psycopg would send BEGIN by itself, alone; `_begin` sends it together with the timeouts.
            isolation_level="AUTOCOMMIT",
            use_native_hstore=False,
            pool_size=8,
            max_overflow=4,
            pool_timeout=5,
            connect_args=arguments,
        )
    except ArgumentError as error:
        raise Misconfigured(f"AUTHSERVER_DATABASE_URL: {error}\n\n{_LIBPQ}") from None


def warnings(connection: Connection) -> list[str]:
    """What the database does not do although it was asked to; `connection` is in a transaction."""
    query = connection.engine.url.query
    timeouts, options = _timeouts(query), _options(query)
    lost = [_lost(connection, _TIMEOUT_LOST, name, value) for name, value in timeouts.items()]
    lost += [_lost(connection, _OPTION_LOST, *item) for item in options.items() if item[0] not in timeouts]
    return [warning for warning in (*lost, _mixed_up(connection)) if warning]


def _mixed_up(connection: Connection) -> str | None:
    """A pooler hands out process numbers of its own."""
    driver: Any = connection.connection.driver_connection
    is_pooled = connection.execute(text("SELECT pg_backend_pid()")).scalar() != driver.info.backend_pid
    return _PREPARED_BEHIND_POOLER if is_pooled and driver.prepare_threshold is not None else None


def _lost(connection: Connection, message: str, name: str, wanted: str) -> str | None:
    """Setting it says how PostgreSQL writes the value that was wanted."""
    found = connection.execute(text("SELECT current_setting(:name)"), {"name": name}).scalar()
    written = text("SELECT set_config(:name, :wanted, true)")
    if connection.execute(written, {"name": name, "wanted": wanted}).scalar() == found:
        return None
    return message.format(name=name, wanted=wanted, found=found)


def _timeouts(query: Mapping[str, Any]) -> dict[str, str]:
    chosen = _options(query)
    return {name: chosen.get(name, value) for name, value in _TIMEOUTS.items()}


def _options(query: Mapping[str, Any]) -> dict[str, str]:
    """What `?options=-c name=value --name=value` sets; a backslash stands before a space within a value."""
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
            raise Misconfigured(f"AUTHSERVER_DATABASE_URL: {name} is not a connection option; {meant}\n\n{_LIBPQ}")


def _connect(answer: float, _dialect: object, _record: object, arguments: list[Any], parameters: dict[str, Any]) -> Any:
    seconds = left()
    if not seconds:
        raise psycopg.OperationalError(_LATE)
    if seconds < inf:  # a request waits; libpq takes less than 2 s for 2
        parameters["connect_timeout"] = min(int(parameters["connect_timeout"]) or 2, max(2, int(seconds)))
    try:
        connection = _Connection.connect(*arguments, **parameters)
    except psycopg.Error as error:
        said = str(error)
        if isinstance(error, psycopg.ProgrammingError) or _BAD_VALUE.search(said):
            raise Misconfigured(f"AUTHSERVER_DATABASE_URL: {said.strip()}\n\n{_LIBPQ}") from None
        if "unsupported startup parameter" in said:
            raise Misconfigured(f"{said.strip()}\n\n{_NO_OPTIONS}") from None
        raise
    connection.answer = answer
    return connection


class _Connection(psycopg.Connection[Any]):
    """Ends itself where no answer comes: its server may be frozen, or the network may swallow every packet."""

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
            raise psycopg.OperationalError(f"PostgreSQL did not answer within {limit:.0f} s.") from None

    def _give_up(self) -> None:
        """A statement that only takes long is cancelled, else it would go on there. Not a COMMIT: a cancelled one is
        told as done although no standby has it."""
        if not self._is_committing and psycopg.capabilities.has_cancel_safe():
            with suppress(psycopg.Error):
                self.cancel_safe(timeout=_CANCEL)
        self.pgconn.finish()


def _forget_read_only_session(context: ExceptionContext) -> None:
    """Made where a standby answered, in a failover: it would not become the primary's by itself."""
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True


def _forget_mixed_up_session(context: ExceptionContext) -> OperationalError | None:
    """The statement is not to blame, and no retry would make the session good."""
    if getattr(context.original_exception, "sqlstate", None) not in _POOLED:
        return None
    context.is_disconnect = True
    cause = psycopg.OperationalError(f"{context.original_exception}. {_POOLER}")
    return OperationalError(None, None, cause, hide_parameters=True)
