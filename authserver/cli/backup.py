"""authserver backup."""

from pathlib import Path
from shlex import quote

import click

from .. import system
from ..domain.errors import Refused
from ..settings import Settings, load
from .common import as_json, fail, moment, read_password, show
from .progress import progress

passphrase_stdin = click.option(
    "--passphrase-stdin", is_flag=True, help="Read the passphrase from the first line of stdin."
)
_POSTGRESQL = """This is for SQLite; this database is PostgreSQL, which has tools of its own:

    pg_dump --format=custom --file={file} DATABASE

Its secrets stay sealed under the key-encryption keys ({keys}): keep a copy of those too, apart from the dump"""
_IN_MEMORY = """The database is in the memory of a process alone, and nothing can be copied or put there. Name a file:

    AUTHSERVER_DATABASE_URL=sqlite:////path/to/authserver.db"""
_EXISTS = "{} exists already, and a backup is never written over anything. Name another file."


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@passphrase_stdin
@as_json
def command(file: Path, passphrase_stdin: bool, as_json: bool) -> None:
    """Write a backup of the SQLite database to FILE; servers go on meanwhile.

    Its keys are sealed under a passphrase that you choose: the file and the passphrase are all that `authserver
    restore` needs, and the key-encryption keys are not in it. Without the passphrase nobody can sign or refresh with
    it, nor change it unnoticed; but it shows who has an account, so keep it to yourself.

    \b
    Examples:
      authserver backup authserver.backup
      authserver backup backups/monday --passphrase-stdin < passphrase
    """
    from ..store import sqlite_file

    settings = load()
    source = database_file(settings, _POSTGRESQL.format(file=quote(str(file)), keys=_where_keys_are(settings)))
    sqlite_file.check_exists(settings.database_url.get_secret_value())
    if file.exists() or file.is_symlink():
        raise fail(_EXISTS.format(file))
    passphrase = read_passphrase(passphrase_stdin, new=True)
    made_at = system.now()
    try:
        with sqlite_file.new_file(file.absolute(), system.new_id().hex()) as partial, progress("Writing the backup"):
            _write(settings, source, partial, passphrase, made_at)
    except FileExistsError:
        raise fail(_EXISTS.format(file)) from None
    except OSError as error:
        raise fail(f"The backup cannot be written to {file}: {error.strerror}.") from error
    except sqlite_file.Damaged as error:
        raise fail(f"The database is damaged, and no backup was made: {error}.") from error
    size = file.stat().st_size
    click.echo(f"Wrote {file} ({size} bytes). Try it: authserver restore {quote(str(file))} --dry-run", err=True)
    show({"file": str(file), "bytes": size, "made_at": moment(made_at)}, as_json, lambda: str(file))


def _write(settings: Settings, source: Path, partial: Path, passphrase: str, now: int) -> None:
    from ..keyring import backup
    from ..provisioning import open_key_encryption_keys
    from ..store import migrations, sqlite_file

    keks = open_key_encryption_keys(settings)
    sqlite_file.copy_online(source, partial)
    database = sqlite_file.opened(partial, system.now)
    try:
        with database.begin() as connection:
            migrations.check_not_newer(connection)
            if migrations.current(connection) is None:
                raise fail(f"The database {source} is empty: there is nothing to back up.")
            backup.seal(connection, keks, passphrase, salt=system.new_id(), now=now)
    finally:
        database.close()
    sqlite_file.settle(partial)


def database_file(settings: Settings, otherwise: str) -> Path:
    """Raises Refused where the database is no SQLite file; with that text if it is PostgreSQL."""
    from ..store import sqlite_file

    url = settings.database_url.get_secret_value()
    path = sqlite_file.path_of(url)
    if path is None:
        raise Refused(_IN_MEMORY if sqlite_file.is_sqlite(url) else otherwise)
    return path


def read_passphrase(from_stdin: bool, *, new: bool) -> str:
    """In its one form (RFC 8265 s4.2), whatever keyboard it comes from."""
    from ..keyring.passphrase import LEAST_LENGTH
    from ..passwords import password_form

    passphrase = password_form(read_password(from_stdin, "passphrase", twice=new))
    if passphrase is None:
        raise click.UsageError("This passphrase cannot be used: 1 to 1024 bytes without control characters.")
    if new and len(passphrase) < LEAST_LENGTH:
        raise click.UsageError(
            f"The passphrase is too short: with the file, who guesses it can sign as this server. {LEAST_LENGTH} "
            "characters are the least; five words or more that nobody would put together are good."
        )
    return passphrase


def _where_keys_are(settings: Settings) -> str:
    return "AUTHSERVER_KEY_ENCRYPTION_KEY" if settings.key_encryption_keys() else f"{settings.keys_dir}/kek-*.key"
