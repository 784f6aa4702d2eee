"""authserver client set-alg, and what a client's algorithm means for the keys."""

from collections.abc import Callable, Collection
from dataclasses import replace

import click

from ...domain.algorithms import ALGORITHMS, DEFAULT
from ...domain.key_schedule import first_signs_at
from ...domain.times import utc_at_latest
from ...keyring.lifecycle import Lifecycle
from ...store import clients
from ...store.database import Connection
from ..common import again_after_conflicts
from ..keys.shared import opened
from ..keys.timeline import print_changes
from ..recording import record
from .shared import load


@click.command("set-alg")
@click.argument("client_id")
@click.argument("alg", type=click.Choice(ALGORITHMS))
def set_alg(client_id: str, alg: str) -> None:
    """Sign the access tokens of the client CLIENT_ID with the algorithm ALG.

    The first key of an algorithm is published for the lead time before it signs, like every other key; until then the
    client's tokens are signed with RS256. Before you change it, upgrade every node and let the
    verifiers accept both algorithms.

    \b
    Examples:
      authserver client set-alg c_5f2b... ES256
      authserver client set-alg c_5f2b... RS256
    """

    def change(connection: Connection) -> None:
        clients.put(connection, replace(load(connection, client_id), access_token_alg=alg))
        record(connection, "client_updated", client_id=client_id, changed="access_token_alg")

    change_clients({alg}, change)
    click.echo(f"{client_id} gets {alg}: running servers follow within 5 seconds.", err=True)


def change_clients(algs: Collection[str], change: Callable[[Connection], object]) -> None:
    """Run `change`, which makes a client use `algs`, and start or stop the keys of each algorithm that this affects."""
    with opened() as lifecycle:
        print_changes(again_after_conflicts(lambda: lifecycle.change_clients(algs, change)), dry_run=False)
        for alg in sorted(algs):
            _tell_when(alg, lifecycle)


def _tell_when(alg: str, lifecycle: Lifecycle) -> None:
    at = first_signs_at(alg, lifecycle.read(), lifecycle.policy)
    if at is not None:
        click.echo(
            f"{alg} signs from {utc_at_latest(at)} on, when every verifier has had the time to fetch its key. Until "
            f"then access tokens are signed with {DEFAULT}; a client that is registered for ID tokens or UserInfo "
            f"responses signed with {alg} cannot get them.",
            err=True,
        )
