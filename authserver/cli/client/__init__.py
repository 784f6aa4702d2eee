"""authserver client: one file per command, or per few that are alike."""

import click

from .algorithm import set_alg
from .create import create
from .listing import list_, show_
from .secret import rotate_secret
from .states import delete, disable, enable
from .update import update


@click.group("client")
def command() -> None:
    """Manage clients.

    \b
    Examples:
      authserver client create "My app" --kind web --redirect-uri https://app.example/callback
      authserver client list
    """


for one in (create, list_, show_, update, rotate_secret, set_alg, disable, enable, delete):
    command.add_command(one)
