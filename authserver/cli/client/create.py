"""authserver client create."""

import re
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from ... import system
from ...domain.algorithms import ALGORITHMS, DEFAULT
from ...domain.errors import ScopeRefused
from ...domain.models import Client
from ...store.database import Connection
from ..common import as_json
from .algorithm import change_clients
from .shared import hashed, show_secret

_DAY = 86400
_LONGEST_NAME = 256
_UNREADABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


F = TypeVar("F", bound=Callable[..., Any])


def _seconds(name: str, most: int, least: int = 1) -> Callable[[F], F]:
    option = "--" + name.replace("_", "-")
    return click.option(option, name, type=click.IntRange(least, most), help="Seconds; the server's setting otherwise.")


@click.command("create")
@click.argument("name")
@click.option("--grant", "grants", multiple=True, required=True, help="Grant type that it may use; repeatable.")
@click.option("--scope", default="", help='Scopes that it may have, as "a b".')
@click.option("--audience", "audiences", multiple=True, help="Audience of its tokens; the first is the default.")
@click.option("--redirect-uri", "redirect_uris", multiple=True, help="Where a browser may be sent back; repeatable.")
@click.option("--auth-method", default="client_secret_basic", show_default=True, help="How it authenticates.")
@_seconds("access_token_ttl", _DAY)
@_seconds("refresh_retry_window", 300, 0)
@_seconds("refresh_idle_ttl", 3650 * _DAY)
@_seconds("refresh_absolute_ttl", 3650 * _DAY)
@click.option(
    "--access-token-alg", type=click.Choice(ALGORITHMS), default=DEFAULT, show_default=True, help="Signs its tokens."
)
@click.option("--no-rotation", is_flag=True, help="Keep one refresh token; for confidential clients only.")
@as_json
def create(
    name: str,
    grants: tuple[str, ...],
    scope: str,
    audiences: tuple[str, ...],
    redirect_uris: tuple[str, ...],
    auth_method: str,
    access_token_alg: str,
    no_rotation: bool,
    as_json: bool,
    **ttls: int | None,
) -> None:
    """Create a client; NAME is what people read, its id is generated. The secret is shown once.

    \b
    Examples:
      authserver client create "My app" --grant password --grant refresh_token --auth-method none
      authserver client create Billing --grant client_credentials --scope "read write" --audience https://api.example
    """
    _check_name(name)
    _check(grants, auth_method, no_rotation)
    secret = None if auth_method == "none" else system.new_secret()
    own = {ttl: value for ttl, value in ttls.items() if value is not None} | (
        {"rotation": False} if no_rotation else {}
    )
    client = Client(
        id=f"c_{system.new_id().hex()}",
        name=name,
        auth_method=auth_method,
        grant_types=frozenset(grants),
        scope=_scope(scope),
        audiences=tuple(_absolute(uri, "audience") for uri in audiences),
        redirect_uris=tuple(_absolute(uri, "redirect URI") for uri in redirect_uris),
        secrets=(hashed(secret),) if secret else (),
        created_at=system.now(),
        access_token_alg=access_token_alg,
        policy=own,
    )
    change_clients(access_token_alg, lambda connection: _add(connection, client))
    show_secret(client.id, secret, as_json)


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > _LONGEST_NAME or _UNREADABLE.search(name):
        raise click.UsageError("This name cannot be used: 1 to 256 characters, no control characters among them.")


def _check(grants: tuple[str, ...], auth_method: str, no_rotation: bool) -> None:
    from ...oauth.client_auth import METHODS
    from ...oauth.grants import GRANTS

    known = [grant.GRANT_TYPE for grant in GRANTS]
    for grant in grants:
        if grant not in known:
            raise click.UsageError(f"There is no grant type {grant!r}. Allowed: {', '.join(known)}.")
    if auth_method not in METHODS:
        raise click.UsageError(f"There is no auth method {auth_method!r}. Allowed: {', '.join(METHODS)}.")
    # RFC 6749 s4.4: the client credentials grant type MUST only be used by confidential clients.
    if auth_method == "none" and "client_credentials" in grants:
        raise click.UsageError("client_credentials needs a client with a secret: --auth-method client_secret_basic.")
    # RFC 9700 s2.2.2: refresh tokens for public clients MUST be sender-constrained or use refresh token rotation.
    if auth_method == "none" and no_rotation:
        raise click.UsageError(
            "A public client cannot go without rotation: leave out --no-rotation, or give it a secret."
        )


def _scope(text: str) -> tuple[str, ...]:
    from ...domain import scopes

    try:
        return scopes.parse(text)
    except ScopeRefused as error:
        raise click.UsageError(f"{error} Give words of visible ASCII letters without quotes and backslashes.") from None


def _absolute(uri: str, what: str) -> str:
    parts = urlsplit(uri)
    # RFC 8707 s2: MUST be an absolute URI, and MUST NOT include a fragment component; RFC 6749 s3.1.2 says the same.
    if not parts.scheme or not (parts.netloc or parts.path) or parts.fragment or any(ord(sign) <= 32 for sign in uri):
        raise click.UsageError(
            f"{uri!r} is no {what}: give an absolute URI without a fragment, like https://api.example."
        )
    return uri


def _add(connection: Connection, client: Client) -> None:
    from ...store import clients, signing_keys

    # Before the first such token can be signed: its key stays published for as long as it lives.
    signing_keys.raise_max_token_ttl(connection, client.policy.get("access_token_ttl", 0), client.created_at)
    clients.add(connection, client)
