"""Shared by the commands on clients."""

from dataclasses import replace

import click

from ... import system
from ...domain import client_secrets, logo
from ...domain.client_rules import ClientRefused
from ...domain.models import Client
from ...oauth.client_check import check_client
from ...settings import load as load_settings
from ...store import clients
from ...store.database import Connection
from ..common import fail, show
from ..keys.shared import opened


def load(connection: Connection, client_id: str) -> Client:
    client = clients.load_to_change(connection, client_id)
    if client is None:
        raise no_client(client_id)
    return client


def no_client(client_id: str) -> click.ClickException:
    return fail(f"There is no client {client_id}. To list all clients: authserver client list")


def check(client: Client) -> None:
    """Check a client. Raises UsageError if it is invalid."""
    try:
        check_client(client)
    except ClientRefused as error:
        raise click.UsageError(str(error)) from None


def create_subject_key(subject_type: str | None) -> None:
    """Create the key of pairwise subjects, if a client of this type needs it and there is none."""
    if subject_type == "pairwise":
        with opened() as lifecycle:
            lifecycle.create_subject_key()


def warn_of_logo(client: Client) -> None:
    """Warn if the pages cannot show the client's logo."""
    hidden = logo.why_hidden(client.id, client.logo_uri, load_settings().issuer)
    if hidden is not None:
        click.echo("\n".join(["Warning: " + hidden[0], hidden[1]]), err=True)


def put_secret(client: Client) -> tuple[Client, str | None]:
    """Return the client, with a secret if and only if its method needs one, and the secret if it is new."""
    if client.auth_method == "none":
        return replace(client, secrets=()), None
    if client.secrets:
        return client, None
    secret = system.new_secret()
    return replace(client, secrets=(client_secrets.new(secret),)), secret


def show_secret(client_id: str, secret: str | None, as_json: bool) -> None:
    credentials = {"client_id": client_id, "client_secret": secret}
    ask_to_save(secret, as_json)
    show(credentials, as_json, lambda: "\n".join(f"{name}: {value}" for name, value in credentials.items() if value))


def ask_to_save(secret: str | None, as_json: bool) -> None:
    """Tell people that a new secret is shown only once. Scripts, which use --json, need no reminder."""
    if secret and not as_json:
        click.echo("Save the secret now: it cannot be shown again.", err=True)
