"""authserver client create."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ... import system
from ...domain.algorithms import ALGORITHMS, DEFAULT, DEFAULT_TYP, TYPS
from ...domain.models import Client
from ...store.database import Connection
from ..common import as_json
from .algorithm import change_clients
from .shared import check, hashed, show_secret, unique

_DAY = 86400


F = TypeVar("F", bound=Callable[..., Any])


def _seconds(name: str, most: int, least: int = 1) -> Callable[[F], F]:
    option = "--" + name.replace("_", "-")
    return click.option(option, name, type=click.IntRange(least, most), help="Seconds; the server's setting otherwise.")


@click.command("create")
@click.argument("name")
@click.option(
    "--grant", "grants", multiple=True, help="Grant type that it may use; repeatable. Without one it only introspects."
)
@click.option("--scope", default="", help='Scopes that it may have, as "a b".')
@click.option("--audience", "audiences", multiple=True, help="Audience of its tokens; the first is the default.")
@click.option("--redirect-uri", "redirect_uris", multiple=True, help="Where a browser may be sent back; repeatable.")
@click.option(
    "--web-origin", "web_origins", multiple=True, help="Origin of its pages, which may call from a browser; repeatable."
)
@click.option("--auth-method", default="client_secret_basic", show_default=True, help="How it authenticates.")
@_seconds("access_token_ttl", _DAY)
@_seconds("refresh_retry_window", 300, 0)
@_seconds("refresh_idle_ttl", 3650 * _DAY)
@_seconds("refresh_absolute_ttl", 3650 * _DAY)
@click.option(
    "--access-token-alg", type=click.Choice(ALGORITHMS), default=DEFAULT, show_default=True, help="Signs its tokens."
)
@click.option(
    "--access-token-typ", type=click.Choice(TYPS), default=DEFAULT_TYP, show_default=True, help="`typ` of its tokens."
)
@click.option("--no-rotation", is_flag=True, help="Keep one refresh token; for confidential clients only.")
@as_json
def create(
    name: str,
    grants: tuple[str, ...],
    scope: str,
    audiences: tuple[str, ...],
    redirect_uris: tuple[str, ...],
    web_origins: tuple[str, ...],
    auth_method: str,
    access_token_alg: str,
    access_token_typ: str,
    no_rotation: bool,
    as_json: bool,
    **ttls: int | None,
) -> None:
    """Create a client; NAME is what people read, its id is generated. The secret is shown once.

    \b
    Examples:
      authserver client create "My app" --grant password --grant refresh_token --auth-method none
      authserver client create Billing --grant client_credentials --scope "read write" --audience https://api.example
      authserver client create "Notes API" --audience https://notes.example
    """
    secret = None if auth_method == "none" else system.new_secret()
    own = {ttl: value for ttl, value in ttls.items() if value is not None} | (
        {"rotation": False} if no_rotation else {}
    )
    client = Client(
        id=f"c_{system.new_id().hex()}",
        name=name,
        auth_method=auth_method,
        grant_types=frozenset(grants),
        scope=unique(filter(None, scope.split(" "))),
        audiences=unique(audiences),
        redirect_uris=unique(redirect_uris),
        web_origins=unique(web_origins),
        secrets=(hashed(secret),) if secret else (),
        created_at=system.now(),
        access_token_alg=access_token_alg,
        access_token_typ=access_token_typ,
        policy=own,
    )
    check(client)
    change_clients(access_token_alg, lambda connection: _add(connection, client))
    show_secret(client.id, secret, as_json)


def _add(connection: Connection, client: Client) -> None:
    from ...store import clients, signing_keys

    # Before the first such token can be signed: its key stays published for as long as it lives.
    signing_keys.raise_max_token_ttl(connection, client.policy.get("access_token_ttl", 0), client.created_at)
    clients.add(connection, client)
