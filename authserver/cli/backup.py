"""authserver backup."""

from contextlib import suppress
from pathlib import Path
from shlex import quote

import click

from .. import system
from ..domain.errors import Misconfigured, Refused
from ..settings import Settings, load
from .common import as_json, fail, moment, read_password, show, transaction
from .progress import progress
from .recording import record

passphrase_stdin = click.option(
    "--passphrase-stdin", is_flag=True, help="Read the passphrase from the first line of stdin."
)
_POSTGRESQL = """This command is for SQLite. For PostgreSQL, use its own tools:

    pg_dump --format=custom --file={file} DATABASE

Its keys stay encrypted under the key-encryption keys ({keys}): keep a copy of those too, apart from the dump"""
_IN_MEMORY = """The database is in memory, where it cannot be backed up or restored. Use a file:

    AUTHSERVER_DATABASE_URL=sqlite:////path/to/authserver.db"""
_EXISTS = "{} already exists, and a backup never overwrites a file. Name another file."


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@passphrase_stdin
@as_json
def command(file: Path, passphrase_stdin: bool, as_json: bool) -> None:
    """Back up the SQLite database to FILE while servers use it.

    The keys in the backup are encrypted under a passphrase that you choose. FILE and the passphrase are all that
    `authserver restore` needs; the key-encryption keys are not in the backup. Without the passphrase, nobody can sign
    or refresh tokens with the backup, or change it without being noticed. It does show who has an account, so keep it
    private.

    \b
    Examples:
      authserver backup authserver.backup
      authserver backup backups/monday --passphrase-stdin < passphrase
    """
    from ..backup import archive
    from ..backup.database_file import DatabaseDamaged
    from ..provisioning import open_key_encryption_keys
    from ..store import sqlite_file

    settings = load()
    source = database_file(settings, _POSTGRESQL.format(file=quote(str(file)), keys=_where_keys_are(settings)))
    sqlite_file.check_exists(settings.database_url.get_secret_value())
    if file.exists() or file.is_symlink():
        raise fail(_EXISTS.format(file))
    passphrase = read_passphrase(passphrase_stdin, new=True)
    made_at = system.now()
    try:
        with progress("Writing the backup"):
            archive.create(source, file, open_key_encryption_keys(settings), passphrase, made_at)
    except archive.NothingToBackUp:
        raise fail(f"The database {source} is empty: there is nothing to back up.") from None
    except FileExistsError:
        raise fail(_EXISTS.format(file)) from None
    except OSError as error:
        raise fail(f"The backup cannot be written to {file}: {error.strerror}.") from error
    except DatabaseDamaged as error:
        raise fail(f"The database is damaged, so no backup was made: {error}.") from error
    # A database of another revision can be backed up, too, and may have no audit trail.
    with suppress(Misconfigured), transaction(settings) as connection:
        record(connection, "backup_made", file=file.absolute())
    size = file.stat().st_size
    click.echo(f"Wrote {file} ({size} bytes). Try it: authserver restore {quote(str(file))} --dry-run", err=True)
    show({"file": str(file), "bytes": size, "made_at": moment(made_at)}, as_json, lambda: str(file))


def database_file(settings: Settings, otherwise: str) -> Path:
    """Return the path of the SQLite database. Raises Refused if there is none: with `otherwise` for PostgreSQL."""
    from ..store import sqlite_file

    url = settings.database_url.get_secret_value()
    path = sqlite_file.path_of(url)
    if path is None:
        raise Refused(_IN_MEMORY if sqlite_file.is_sqlite(url) else otherwise)
    return path


def read_passphrase(from_stdin: bool, *, new: bool) -> str:
    """Return the passphrase in its normal form (RFC 8265 s4.2), so that every keyboard gives the same one."""
    from ..keyring.passphrase import MIN_LENGTH
    from ..passwords import password_form

    passphrase = password_form(read_password(from_stdin, "passphrase", twice=new))
    if passphrase is None:
        raise click.UsageError("This passphrase cannot be used: 1 to 1024 bytes without control characters.")
    if new and len(passphrase) < MIN_LENGTH:
        raise click.UsageError(
            "The passphrase is too short: anyone who has the file and guesses it can sign as this server. Use at "
            f"least {MIN_LENGTH} characters; five or more unrelated words are good."
        )
    return passphrase


def _where_keys_are(settings: Settings) -> str:
    return "AUTHSERVER_KEY_ENCRYPTION_KEY" if settings.key_encryption_keys() else f"{settings.keys_dir}/kek-*.key"
