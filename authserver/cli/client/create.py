"""authserver client create."""

from dataclasses import replace
from typing import Any

import click

from ... import system
from ...domain.client_rules import new_id
from ...domain.models import Client
from ...store.database import Connection
from ..common import as_json, fail, now
from .algorithm import change_clients
from .options import changed, of_client
from .shared import check, put_secret, show_secret


@click.command("create")
@click.argument("name")
@click.option("--client-id", help="Keep the id that it had at another server; generated unless given.")
@of_client
@as_json
def create(name: str, client_id: str | None, as_json: bool, **options: Any) -> None:
    """Create a client called NAME. Its secret is shown once.

    \b
    Examples:
      authserver client create "My app" --grant password --grant refresh_token --auth-method none
      authserver client create Billing --grant client_credentials --scope "read write" --audience https://api.example
      authserver client create "Notes API" --audience https://notes.example
    """
    id = new_id(system.new_id()) if client_id is None else client_id
    new = Client(id, name, "client_secret_basic", frozenset(), scope=())
    client, secret = put_secret(changed(new, options))
    check(client)
    change_clients(client.access_token_alg, lambda connection: _add(connection, client))
    show_secret(client.id, secret, as_json)


def _add(connection: Connection, client: Client) -> None:
    from ...store import clients, signing_keys

    at = now(connection)
    # Before the first such token can be signed: its key stays published for as long as it lives.
    signing_keys.raise_max_token_ttl(connection, client.policy.get("access_token_ttl", 0), at)
    if not clients.add(connection, replace(client, created_at=at)):
        raise fail(f"There is a client {client.id} already. To change it: authserver client update {client.id}")
