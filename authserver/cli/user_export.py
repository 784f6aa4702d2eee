"""authserver user export."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

import click

from ..domain.models import User
from ..domain.times import counted
from ..settings import load
from .common import fail, transaction
from .progress import progress
from .recording import record

_WARNING = "The file contains their password hashes: keep it private, and delete it when it is no longer needed."


@click.command("export")
@click.option("--output", type=click.Path(path_type=Path), help="Write this new file, which only you can read.")
def export(output: Path | None) -> None:
    """Write all users as `user import` reads them: one JSON object per line.

    The lines contain the password hashes, so a thief can try out passwords. Without --output, they go to stdout.

    \b
    Examples:
      authserver user export --output users.jsonl
      authserver user export | gpg --encrypt --recipient ops@example.com > users.jsonl.gpg
    """
    from ..provisioning import open_existing_database
    from ..store import migrations, users

    with closing(open_existing_database(load())) as database, database.snapshot() as connection:
        migrations.check(connection)
        total = users.count(connection)
        with _opened(output) as file, progress("Exporting") as display:
            for number, user in enumerate(users.iterate(connection), 1):
                file.write(_line(user))
                display.count("Exported users", number, total)
    with transaction() as connection:
        record(connection, "users_exported", users=total)
    click.echo(f"Exported {counted(total, 'user')}. {_WARNING}", err=True)


def _line(user: User) -> str:
    members = {"id": user.id, "username": user.username, "password_hash": user.password_hash, "claims": user.claims}
    return json.dumps(members | {"disabled": user.disabled}) + "\n"


@contextmanager
def _opened(output: Path | None) -> Iterator[IO[str]]:
    """Yield the new file, or stdout. A file that was not finished is removed."""
    if output is None:
        yield sys.stdout
        return
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise fail(f"{output} already exists, and an export never overwrites a file. Name another file.") from None
    except OSError as error:
        raise fail(f"The file {output} cannot be written: {error.strerror}.") from error
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            yield file
    except BaseException as error:
        output.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise fail(f"The file {output} cannot be written: {error.strerror}.") from error
        raise
