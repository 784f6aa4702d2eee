"""authserver keys: one file per command."""

import click

from .listing import list_
from .rotate import rotate


@click.group("keys")
def command() -> None:
    """Look after the signing keys.

    \b
    Examples:
      authserver keys list
      authserver keys rotate --dry-run
    """


for one in (list_, rotate):
    command.add_command(one)
