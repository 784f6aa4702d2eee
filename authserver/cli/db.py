"""authserver db upgrade|current|copy."""

from contextlib import closing

import click

from ..settings import load
from .common import as_json, show
from .db_copy import copy
from .recording import record


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
    """Upgrade the schema to this version. Servers of the previous version keep working during the upgrade.

    \b
    Examples:
      authserver db upgrade
      AUTHSERVER_DATABASE_URL=sqlite:////var/lib/authserver/authserver.db authserver db upgrade
    """
    from ..provisioning import open_existing_database
    from ..store import migrations

    with closing(open_existing_database(load())) as database, database.begin() as connection:
        before = migrations.current(connection)
        migrations.upgrade(connection)
        if before != migrations.head():
            record(connection, "database_upgraded", revision=migrations.head(), before=before or "none")
    click.echo(f"The database is at revision {migrations.head()}.", err=True)


@command.command("current")
@as_json
def current(as_json: bool) -> None:
    """Show the schema's revision and the one that this version needs.

    \b
    Examples:
      authserver db current
      authserver db current --json
    """
    from ..provisioning import open_existing_database
    from ..store import migrations

    with closing(open_existing_database(load())) as database, database.begin() as connection:
        revisions = {"current": migrations.current(connection), "head": migrations.head()}
    show(revisions, as_json, lambda: f"{revisions['current'] or 'empty'} (this version needs {revisions['head']})")
