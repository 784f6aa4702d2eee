"""Checks a PostgreSQL database for problems before the server runs on it."""

from typing import Any

from sqlalchemy import Connection, text

from .postgresql import options, timeouts

_OPTION_LOST = (
    "the `options` of AUTHSERVER_DATABASE_URL set {name}={wanted}, and PostgreSQL has {found}: a pooler ignores "
    "`options`. Set it for the role instead: ALTER ROLE ... SET {name} = '{wanted}'"
)
_TIMEOUT_LOST = (
    "{name} is {found} in a transaction of this server, not {wanted}: a stuck statement could hold a connection "
    "forever. If there is a pooler in statement mode, use transaction or session mode"
)
_PREPARED_BEHIND_POOLER = (
    "AUTHSERVER_DATABASE_PREPARED_STATEMENTS=on, and there is a pooler in front of PostgreSQL: in transaction mode "
    "that needs PgBouncer 1.21 or later with max_prepared_statements above 0; anything else mixes up the "
    "statements of its clients"
)
_TOO_MANY = (
    "{wanted} connections ({workers} workers x AUTHSERVER_DATABASE_CONNECTIONS={each}) do not fit: PostgreSQL has room "
    "for {room}, of which others use {others}. Every further node needs {wanted} more. Lower "
    "AUTHSERVER_DATABASE_CONNECTIONS, raise max_connections, or put PgBouncer between"
)
_ROOM = text("""
    SELECT least(
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
            - coalesce(current_setting('reserved_connections', true), '0')::int,
        (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user),
        (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())
    ), (
        SELECT count(*) FROM pg_stat_activity
        WHERE datid IS NOT NULL AND application_name IS DISTINCT FROM current_setting('application_name')
    )
""")


def warnings(connection: Connection, workers: int) -> list[str]:
    """Return warnings. `connection` is in a transaction, and is one of the connections that the workers will hold."""
    query = connection.engine.url.query
    bounds = timeouts(query)
    lost = [_lost(connection, _TIMEOUT_LOST, name, value) for name, value in bounds.items()]
    lost += [_lost(connection, _OPTION_LOST, *item) for item in options(query).items() if item[0] not in bounds]
    return [warning for warning in (*lost, _mixed_up_or_too_many(connection, workers)) if warning]


def _mixed_up_or_too_many(connection: Connection, workers: int) -> str | None:
    """Check for a pooler, which reports process numbers of its own and holds the connections to PostgreSQL."""
    driver: Any = connection.connection.driver_connection
    if connection.execute(text("SELECT pg_backend_pid()")).scalar() == driver.info.backend_pid:
        return _too_many(connection, workers)
    return _PREPARED_BEHIND_POOLER if driver.prepare_threshold is not None else None


def _too_many(connection: Connection, workers: int) -> str | None:
    pool: Any = connection.engine.pool
    room, others = connection.execute(_ROOM).one()
    wanted = workers * pool.size()
    if wanted + others <= room:
        return None
    return _TOO_MANY.format(wanted=wanted, workers=workers, each=pool.size(), room=room, others=others)


def _lost(connection: Connection, message: str, name: str, wanted: str) -> str | None:
    """Return a warning if the setting does not have the wanted value. Setting it shows how PostgreSQL writes the
    value."""
    current = connection.execute(text("SELECT current_setting(:name)"), {"name": name}).scalar()
    written = text("SELECT set_config(:name, :wanted, true)")
    if connection.execute(written, {"name": name, "wanted": wanted}).scalar() == current:
        return None
    return message.format(name=name, wanted=wanted, found=current)
