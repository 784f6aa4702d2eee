"""authserver db upgrade|current|copy."""

from contextlib import closing

import click

from ..settings import load
from .common import as_json, show
from .db_copy import copy


@click.group("db")
def command() -> None:
    """Manage the database's schema.

    \b
    Examples:
      authserver db current
      authserver db upgrade
      authserver db copy --to postgresql+psycopg://authserver@db.example/authserver
    """


command.add_command(copy)


@command.command("upgrade")
def upgrade() -> None:
    """Bring the schema to this version's. The previous version may go on serving meanwhile.

    \b
    Examples:
      authserver db upgrade
      AUTHSERVER_DATABASE_URL=sqlite:////var/lib/authserver/authserver.db authserver db upgrade
    """
    from ..provisioning import open_existing_database
    from ..store import migrations

    with closing(open_existing_database(load())) as database, database.begin() as connection:
        migrations.upgrade(connection)
    click.echo(f"The database is at revision {migrations.head()}.", err=True)


@command.command("current")
@as_json
def current(as_json: bool) -> None:
    """The revision of the schema, and the one that this version needs.

    \b
    Examples:
      authserver db current
      authserver db current --json
    """
    from ..provisioning import open_existing_database
    from ..store import migrations

    with closing(open_existing_database(load())) as database, database.begin() as connection:
        found = {"current": migrations.current(connection), "head": migrations.head()}
    show(found, as_json, lambda: f"{found['current'] or 'empty'} (this version needs {found['head']})")
