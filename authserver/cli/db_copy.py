"""authserver db copy."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import click
from pydantic import SecretStr

from .. import system
from ..domain.errors import ChangedMeanwhile, Misconfigured, Refused, Unavailable
from ..settings import Settings, load
from ..settings.values import InvalidSetting, check_database_url, masked_url
from .common import as_json, show, table
from .progress import progress
from .recording import record

if TYPE_CHECKING:
    from ..store.database import Connection, Database

_SAME = "The target is the configured database. Use another one."
_NEXT = """Copied {rows} rows. Servers that are still running write to the old database only. Restart them with the same
key-encryption keys, the same issuer, and

    AUTHSERVER_DATABASE_URL={url}"""


class _TargetUnavailable(Unavailable):
    """The target database is unavailable. `config show` says nothing about it."""


@click.command("copy")
@click.option("--to", "url", required=True, metavar="URL", help="The database to copy into, which must be empty.")
@click.option("--dry-run", is_flag=True, help="Copy nothing; check both databases and count the rows.")
@as_json
def copy(url: str, dry_run: bool, as_json: bool) -> None:
    """Copy the configured database to another one, SQLite or PostgreSQL.

    Use it to move a server to PostgreSQL, or back. Stop the servers first. All rows are copied and compared in one
    transaction, or none are. The target must be empty, or as `db upgrade` leaves it. Users stay logged in, because keys
    and authorizations are copied too. If others could see the password in the URL, use PGPASSWORD or ~/.pgpass instead.

    \b
    Examples:
      authserver db copy --to postgresql+psycopg://authserver@db.example/authserver --dry-run
      AUTHSERVER_DATABASE_URL=postgresql+psycopg://... authserver db copy --to sqlite:////srv/authserver.db
    """
    settings = load()
    other = _with_url(settings, url)
    with _opened(settings) as source, source.snapshot() as rows, _opened_target(settings, other, dry_run) as target:
        counts = _dry_run(rows, target) if dry_run or target is None else _copy(settings, rows, target)
    masked = masked_url(url)
    said = "Nothing was copied: this was a dry run." if dry_run else _NEXT.format(rows=sum(counts.values()), url=masked)
    click.echo(said, err=True)
    show({"dry_run": dry_run, "rows": counts}, as_json, lambda: table(list(counts.items()), ("table", "rows")))


def _copy(settings: Settings, rows: "Connection", target: "Database") -> dict[str, int]:
    from ..store import copying, migrations

    migrations.check(rows)
    with progress("Looking at both databases") as display, _begin(target) as connection:
        copying.check_target(connection)
        counts = copying.copy_all(rows, connection, display.count)
        display.step("Comparing both databases")
        copying.compare_all(rows, connection)
        _check_keys(settings, connection)
        record(connection, "database_copied", rows=sum(counts.values()))
    return counts


def _with_url(settings: Settings, url: str) -> Settings:
    """Return the settings of a server on the target. Raises Misconfigured for an invalid URL."""
    try:
        checked = check_database_url(SecretStr(url))
    except InvalidSetting as error:
        raise click.UsageError(f"--to: the URL {error.fault}; allowed, for example: {error.suggestion}.") from None
    return settings.model_copy(update={"database_url": checked})


@contextmanager
def _opened(settings: Settings) -> Iterator["Database"]:
    from ..provisioning import open_existing_database

    with closing(open_existing_database(settings)) as database:
        yield database


@contextmanager
def _opened_target(settings: Settings, target: Settings, dry_run: bool) -> Iterator["Database | None"]:
    """Return None in a dry run if the file does not exist, so that it is not created."""
    from ..provisioning import open_database
    from ..store import sqlite_file

    url, path = target.database_url.get_secret_value(), None
    if sqlite_file.is_sqlite(url):
        path = sqlite_file.path_of(url)
        if path is None:
            raise click.UsageError("--to: a database in memory is gone when this command ends. Use a file.")
        if path == sqlite_file.path_of(settings.database_url.get_secret_value()):
            raise Refused(_SAME)
        if not path.parent.is_dir():
            raise Unavailable(f"There is no folder {path.parent} for the target")
    elif url == settings.database_url.get_secret_value():
        raise Refused(_SAME)
    if dry_run and path is not None and not path.exists():
        yield None
        return
    with closing(open_database(target)) as database:
        yield database


@contextmanager
def _begin(target: "Database") -> Iterator["Connection"]:
    """A transaction on the target. Its errors name --to, not the setting of the configured database."""
    try:
        with target.begin() as connection:
            yield connection
    except Misconfigured as error:
        raise Misconfigured(_about_target(error)) from error
    except ChangedMeanwhile:
        raise
    except Unavailable as error:
        raise _TargetUnavailable(_about_target(error)) from error


def _about_target(error: Exception) -> str:
    return str(error).replace("AUTHSERVER_DATABASE_URL", "--to")


def _dry_run(source: "Connection", target: "Database | None") -> dict[str, int]:
    from ..store import copying, migrations

    migrations.check(source)
    if target is not None:
        with _begin(target) as connection:
            copying.check_target(connection)
    return copying.count_all(source)


def _check_keys(settings: Settings, connection: "Connection") -> None:
    """Raises Misconfigured if no server could start with the copied keys; then the copy is rolled back."""
    from ..keyring import Keyring
    from ..provisioning import open_key_store
    from ..store import signing_keys

    Keyring(open_key_store(settings), signing_keys.load(connection), system.now())
