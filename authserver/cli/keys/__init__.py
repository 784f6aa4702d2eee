"""authserver keys: one file per command."""

import click

from .export import export_public
from .importing import import_, publish
from .listing import list_
from .revoke import revoke
from .rewrap import rewrap
from .rotate import rotate


@click.group("keys")
def command() -> None:
    """Manage the signing keys.

    \b
    Examples:
      authserver keys list
      authserver keys rotate --dry-run
    """


for each in (list_, rotate, revoke, import_, publish, export_public, rewrap):
    command.add_command(each)
