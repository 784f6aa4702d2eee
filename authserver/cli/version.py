"""authserver version."""

import platform
import sqlite3

import click

from .. import __version__
from .common import as_json, show


@click.command("version")
@as_json
def command(as_json: bool) -> None:
    """Print the version; with --json also those of Python and SQLite.

    \b
    Examples:
      authserver version
      authserver version --json
    """
    versions = {"version": __version__, "python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    show(versions, as_json, lambda: f"authserver {__version__}")
