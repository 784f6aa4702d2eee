"""authserver init."""

from pathlib import Path

import click

from ..clock import Clock
from ..domain.algorithms import ALGORITHMS
from ..settings import load
from .recording import actor


@click.command("init")
@click.option(
    "--alg",
    "algs",
    multiple=True,
    type=click.Choice(ALGORITHMS),
    help="Algorithm whose first key signs at once, in addition to RS256; for a new server only. Repeatable.",
)
def command(algs: tuple[str, ...]) -> None:
    """Create the database, the key-encryption key and the first keys, where they are missing.

    You can run it again at any time: it never changes what exists. Keys of other algorithms than RS256 are created when
    a client uses them, and sign after the lead time; with --alg a new server has them from the beginning.

    \b
    Examples:
      authserver init
      authserver init --alg ES256 --alg EdDSA
      AUTHSERVER_DATABASE_URL=sqlite:////var/lib/authserver/authserver.db authserver init
    """
    from ..provisioning import initialise, open_database
    from ..store import clock

    settings, now = load(), Clock()
    database = open_database(settings)
    try:
        with database.begin() as connection:
            clock.follow(connection, now)
        initialise(settings, database, now, _print_key_created, actor(), algs)
    finally:
        database.close()
    click.echo(f"Ready for: authserver serve   (issuer {settings.issuer})", err=True)


def _print_key_created(path: Path) -> None:
    click.echo(f"Created the key-encryption key {path}. Back it up separately from the database.", err=True)
