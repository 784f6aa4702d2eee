"""authserver client disable|enable|delete."""

from dataclasses import replace
from functools import partial

import click

from ...store import clients
from ...store.database import Connection
from ..common import again_after_conflicts, confirm, transact, transaction, yes
from ..keys.shared import opened
from ..recording import record
from .shared import load


@click.command("disable")
@click.argument("client_id")
def disable(client_id: str) -> None:
    """Reject every request of the client, on all servers within 5 seconds. `enable` reverses this.

    \b
    Examples:
      authserver client disable c_5f2b...
      authserver client disable first-party
    """
    _put_disabled(client_id, True)
    click.echo(f"{client_id} is disabled. Every server rejects its requests within 5 seconds.", err=True)


@click.command("enable")
@click.argument("client_id")
def enable(client_id: str) -> None:
    """Accept the client's requests again.

    \b
    Examples:
      authserver client enable c_5f2b...
      authserver client enable first-party
    """
    _put_disabled(client_id, False)
    click.echo(f"{client_id} is enabled.", err=True)


@click.command("delete")
@click.argument("client_id")
@click.option("--dry-run", is_flag=True, help="Only show what would be deleted.")
@yes
def delete(client_id: str, dry_run: bool, yes: bool) -> None:
    """Delete the client and end all of its authorizations. This cannot be undone; `disable` can.

    \b
    Examples:
      authserver client delete c_5f2b... --dry-run
      authserver client delete c_5f2b... --yes
    """
    with transaction() as connection:
        client = load(connection, client_id)
    if not dry_run:
        confirm(f"Delete {client_id} ({client.name}) and end all of its authorizations?", yes)
        with opened() as lifecycle:  # the keys of an algorithm that no client uses any more stop signing
            again_after_conflicts(lambda: lifecycle.change_clients(client.algorithms, partial(_remove, id=client_id)))
    click.echo(
        f"{'Would delete' if dry_run else 'Deleted'} {client_id} ({client.name}) and its authorizations.", err=True
    )


def _remove(connection: Connection, id: str) -> None:
    if clients.remove(connection, id):
        record(connection, "client_deleted", client_id=id)


def _put_disabled(client_id: str, disabled: bool) -> None:
    def put(connection: Connection) -> None:
        client = load(connection, client_id)
        if client.disabled != disabled:
            clients.put(connection, replace(client, disabled=disabled))
            record(connection, "client_disabled" if disabled else "client_enabled", client_id=client_id)

    transact(put)
