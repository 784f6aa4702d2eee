"""What the key commands share: the lifecycle on the configured database, options, and keys and times in words."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import click

from ... import system
from ...clock import Clock
from ...domain.algorithms import ALGORITHMS, DEFAULT
from ...keyring.lifecycle import Lifecycle
from ...provisioning import lifecycle, open_existing_database
from ...settings import Settings, load
from ...store import clock, migrations
from ..recording import actor

_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")
NO_SUCH_KEY = "There is no key {}. To list the keys: authserver keys list"
alg_option = click.option(
    "--alg", type=click.Choice(ALGORITHMS), default=DEFAULT, show_default=True, help="The algorithm of the key."
)
dry_run = click.option("--dry-run", is_flag=True, help="Change nothing; show what would be done.")


@contextmanager
def opened(settings: Settings | None = None) -> Iterator[Lifecycle]:
    """The lifecycle on the configured database, by the clock that its servers use. Raises Misconfigured, also for a
    schema of another version, and Unavailable."""
    settings, now = settings or load(), Clock()
    database = open_existing_database(settings, now)
    try:
        with database.begin() as connection:
            migrations.check(connection)
            clock.follow(connection, now)
            now.resume(clock.load(connection, system.boot()))
        yield lifecycle(settings, database, now, actor())
    finally:
        database.close()


def say(sentence: str, dry_run: bool) -> None:
    """Print what was done, or what would be done, on stderr."""
    click.echo(f"{'Dry run' if dry_run else 'Done'}: {sentence}.", err=True)


def short(kid: str) -> str:
    """The first characters of a thumbprint. A `kid` from elsewhere stays whole: those of one service begin alike."""
    return kid[:8] if _THUMBPRINT.fullmatch(kid) else kid
