"""Checks the database: schema, warnings about its configuration, and its clock."""

from collections.abc import Iterator

from ... import system
from ...domain.models import SECOND
from ...domain.times import span
from ...store import clock, engine, migrations
from ...store.database import Connection
from .finding import ERROR, OK, WARNING, Finding, or_ok

CHECK = "database"
CLOCK = "clock"
TOLERATED = 2 * SECOND
_SERIOUS = 60 * SECOND
TIME_FIX = "Run a time service on this machine, such as chrony or systemd-timesyncd."


def check(connection: Connection, workers: int) -> list[Finding]:
    """Raises Misconfigured if the schema is not this version's."""
    migrations.check(connection)
    findings = [Finding(CHECK, WARNING, *_split(warning)) for warning in engine.warnings(connection, workers)]
    kind = "PostgreSQL" if connection.dialect.name == "postgresql" else "SQLite"
    return or_ok(CHECK, [*findings, *_unencrypted(connection)], f"{kind}, at schema {migrations.head()}.")


def check_clock(connection: Connection) -> list[Finding]:
    before = system.now()
    its = clock.read_many(connection, [None]).get(None)
    after = system.now()
    if its is None:
        return []  # SQLite has no clock of its own
    apart = max(before - its, its - after, 0)
    return [clock_finding(apart, "the database's, which all nodes follow")]


def clock_finding(apart: int, whose: str) -> Finding:
    """Return the finding about this machine's clock, which is `apart` microseconds away from another."""
    if apart <= TOLERATED:
        return Finding(CLOCK, OK, f"This machine's clock agrees with {whose}.")
    level = ERROR if apart > _SERIOUS else WARNING
    return Finding(CLOCK, level, f"This machine's clock is {span(apart)} away from {whose}.", TIME_FIX)


def _split(warning: str) -> tuple[str, str]:
    """Warnings end with the command or sentence that helps."""
    wrong, separator, fix = warning.rpartition(": " if ": chmod" in warning or ": ALTER" in warning else ". ")
    return (f"{wrong}.", fix) if separator else (warning, "")


def _unencrypted(connection: Connection) -> Iterator[Finding]:
    url = connection.engine.url
    is_local = url.host in (None, "", "localhost", "127.0.0.1", "::1") or str(url.host).startswith("/")
    if url.get_backend_name() != "postgresql" or is_local:
        return
    if url.query.get("sslmode", "prefer") not in ("require", "verify-ca", "verify-full"):
        text = f"The connection to PostgreSQL on {url.host} may be unencrypted, and is open to an impostor."
        yield Finding(CHECK, WARNING, text, "Add ?sslmode=verify-full&sslrootcert=FILE to AUTHSERVER_DATABASE_URL.")
