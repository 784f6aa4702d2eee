"""authserver config show|check."""

from typing import Any

import click

from ..settings import load
from .common import as_json, show, table


@click.group("config")
def command() -> None:
    """Show and check the settings.

    \b
    Examples:
      authserver config show
      authserver config check
    """


@command.command("show")
@as_json
def show_(as_json: bool) -> None:
    """Show every setting, its value and where the value comes from. Secrets are not shown.

    \b
    Examples:
      authserver config show
      authserver config show --json
    """
    rows: list[Any] = list(load().describe())
    cells = [[row["variable"], row["value"], row["source"], row["help"]] for row in rows]
    show(rows, as_json, lambda: table(cells, ["variable", "value", "from", "what it is"]))


@command.command("check")
def check() -> None:
    """Check the settings and show how to fix any problem.

    \b
    Examples:
      authserver config check
      AUTHSERVER_ISSUER=https://login.example authserver config check
    """
    from ..provisioning import check

    settings = load()
    for warning in (*settings.warnings(), *check(settings)):
        click.echo(f"Warning: {warning}", err=True)
    click.echo("The settings are valid.", err=True)
