"""authserver client list|show."""

from typing import Any

import click

from ...domain.models import Client
from ...store import clients
from ..common import as_json, fields, moment, rows_as_table, show, transaction
from .shared import load


@click.command("list")
@as_json
def list_(as_json: bool) -> None:
    """List all clients.

    \b
    Examples:
      authserver client list
      authserver client list --json
    """
    with transaction() as connection:
        rows = [described(client) for client in clients.load_all(connection)]
    titles = ["client_id", "name", "grant_types", "disabled"]
    show(rows, as_json, lambda: rows_as_table(rows, titles))


@click.command("show")
@click.argument("client_id")
@as_json
def show_(client_id: str, as_json: bool) -> None:
    """Show the client CLIENT_ID. Of its secrets, only their expiry is shown.

    \b
    Examples:
      authserver client show c_5f2b...
      authserver client show c_5f2b... --json
    """
    with transaction() as connection:
        row = described(load(connection, client_id))
    show(row, as_json, lambda: fields(in_words(row)))


def in_words(row: dict[str, Any]) -> dict[str, Any]:
    """Return the description for people: a secret without an expiry is shown as one that never expires."""
    return row | {"secrets_end_at": [at or "never" for at in row["secrets_end_at"]]}


def described(client: Client) -> dict[str, Any]:
    return {
        "client_id": client.id,
        "name": client.name,
        "auth_method": client.auth_method,
        "grant_types": sorted(client.grant_types),
        "scope": " ".join(client.scope),
        "audiences": list(client.audiences),
        "redirect_uris": list(client.redirect_uris),
        "post_logout_redirect_uris": list(client.post_logout_redirect_uris),
        "web_origins": list(client.web_origins),
        "user_address_header": client.user_address_header,
        "access_token_claims": list(client.access_token_claims),
        "id_token_claims": list(client.id_token_claims),
        "secrets_end_at": [moment(secret.expires_at) for secret in client.secrets],
        "disabled": client.disabled,
        "created_at": moment(client.created_at),
        "access_token_alg": client.access_token_alg,
        "access_token_typ": client.access_token_typ,
        "id_token_alg": client.id_token_alg,
        "userinfo_alg": client.userinfo_alg,
        "application_type": client.application_type,
        "pkce": client.pkce,
        "first_party": client.first_party,
        "client_uri": client.client_uri,
        "logo_uri": client.logo_uri,
        "policy_uri": client.policy_uri,
        "tos_uri": client.tos_uri,
        "subject_type": client.subject_type,
        "sector_identifier_uri": client.sector_identifier_uri,
        "backchannel_logout_uri": client.backchannel_logout_uri,
        "backchannel_logout_session_required": client.backchannel_logout_session_required,
        **client.policy,
    }
