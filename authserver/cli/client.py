"""authserver client create|list|show|disable|enable|rotate-secret|delete."""

import re
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from .. import system
from ..domain.errors import ScopeRefused
from ..domain.models import SECOND, Client, Secret
from ..store.database import Connection
from .common import as_json, fail, moment, show, table, transaction

_DAY = 86400
_LONGEST_NAME = 256
_UNREADABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_TTLS = ("access_token_ttl", "refresh_retry_window", "refresh_idle_ttl", "refresh_absolute_ttl")


F = TypeVar("F", bound=Callable[..., Any])


def _seconds(name: str, most: int, least: int = 1) -> Callable[[F], F]:
    option = "--" + name.replace("_", "-")
    return click.option(option, name, type=click.IntRange(least, most), help="Seconds; the server's setting otherwise.")


@click.group("client")
def command() -> None:
    """Create and look after clients.

    \b
    Examples:
      authserver client create "My app" --grant password --grant refresh_token --auth-method none
      authserver client list
    """


@command.command("create")
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
@click.option("--no-rotation", is_flag=True, help="Keep one refresh token; for confidential clients only.")
@as_json
def create(
    name: str,
    grants: tuple[str, ...],
    scope: str,
    audiences: tuple[str, ...],
    redirect_uris: tuple[str, ...],
    auth_method: str,
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
        secrets=(_hashed(secret),) if secret else (),
        created_at=system.now(),
        policy=own,
    )
    with transaction() as connection:
        _add(connection, client)
    _show_secret(client.id, secret, as_json)


@command.command("list")
@as_json
def list_(as_json: bool) -> None:
    """All clients.

    \b
    Examples:
      authserver client list
      authserver client list --json
    """
    from ..store import clients

    with transaction() as connection:
        rows = [_described(client) for client in clients.load_all(connection)]
    titles = ["client_id", "name", "auth_method", "grant_types", "disabled"]
    show(rows, as_json, lambda: table([[row[title] for title in titles] for row in rows], titles))


@command.command("show")
@click.argument("client_id")
@as_json
def show_(client_id: str, as_json: bool) -> None:
    """The client CLIENT_ID; of its secrets only when they end.

    \b
    Examples:
      authserver client show c_5f2b...
      authserver client show c_5f2b... --json
    """
    with transaction() as connection:
        row = _described(_load(connection, client_id))
    show(row, as_json, lambda: "\n".join(f"{title}: {value}" for title, value in row.items()))


@command.command("rotate-secret")
@click.argument("client_id")
@click.option("--grace", default=_DAY, show_default=True, type=click.IntRange(0), help="Seconds the old one goes on.")
@as_json
def rotate_secret(client_id: str, grace: int, as_json: bool) -> None:
    """Give the client a new secret; the old one goes on for a while, so that nothing fails meanwhile.

    \b
    Examples:
      authserver client rotate-secret c_5f2b...
      authserver client rotate-secret c_5f2b... --grace 0 --json
    """
    from ..store import clients

    secret, now = system.new_secret(), system.now()
    with transaction() as connection:
        client = _load(connection, client_id)
        if client.auth_method == "none":
            raise fail("This client is public: it has no secret.")
        clients.put(connection, clients.rotate_secret(client, _hashed(secret), previous_until=now + grace * SECOND))
    _show_secret(client_id, secret, as_json)


@command.command("disable")
@click.argument("client_id")
def disable(client_id: str) -> None:
    """Refuse the client everywhere within 5 seconds. `enable` takes it back.

    \b
    Examples:
      authserver client disable c_5f2b...
      authserver client disable first-party
    """
    _put_disabled(client_id, True)
    click.echo(f"{client_id} is disabled: every server refuses it within 5 seconds.", err=True)


@command.command("enable")
@click.argument("client_id")
def enable(client_id: str) -> None:
    """Accept the client again.

    \b
    Examples:
      authserver client enable c_5f2b...
      authserver client enable first-party
    """
    _put_disabled(client_id, False)
    click.echo(f"{client_id} is enabled.", err=True)


@command.command("delete")
@click.argument("client_id")
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
def delete(client_id: str, dry_run: bool) -> None:
    """Delete the client, and with it every login that it holds.

    \b
    Examples:
      authserver client delete c_5f2b... --dry-run
      authserver client delete c_5f2b...
    """
    from ..store import clients

    with transaction() as connection:
        client = _load(connection, client_id)
        if not dry_run:
            clients.remove(connection, client_id)
    click.echo(f"{'Would delete' if dry_run else 'Deleted'} {client_id} ({client.name}) and its logins.", err=True)


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > _LONGEST_NAME or _UNREADABLE.search(name):
        raise click.UsageError("This name cannot be used: 1 to 256 characters, no control characters among them.")


def _check(grants: tuple[str, ...], auth_method: str, no_rotation: bool) -> None:
    from ..oauth.client_auth import METHODS
    from ..oauth.grants import GRANTS

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
    from ..domain import scopes

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
    from ..store import clients, signing_keys

    # Before the first such token can be signed: its key stays published for as long as it lives.
    signing_keys.raise_max_token_ttl(connection, client.policy.get("access_token_ttl", 0))
    clients.add(connection, client)


def _load(connection: Connection, client_id: str) -> Client:
    from ..store import clients

    client = clients.load(connection, client_id)
    if client is None:
        raise fail(f"There is no client {client_id}. To see them all: authserver client list")
    return client


def _put_disabled(client_id: str, disabled: bool) -> None:
    from ..store import clients

    with transaction() as connection:
        clients.put(connection, replace(_load(connection, client_id), disabled=disabled))


def _hashed(secret: str) -> Secret:
    return Secret(sha256(secret.encode()).digest())


def _show_secret(client_id: str, secret: str | None, as_json: bool) -> None:
    shown = {"client_id": client_id, "client_secret": secret}
    if secret and not as_json:
        click.echo("The secret is shown this once and cannot be shown again.", err=True)
    show(shown, as_json, lambda: "\n".join(f"{name}: {value}" for name, value in shown.items() if value))


def _described(client: Client) -> dict[str, Any]:
    return {
        "client_id": client.id,
        "name": client.name,
        "auth_method": client.auth_method,
        "grant_types": sorted(client.grant_types),
        "scope": " ".join(client.scope),
        "audiences": list(client.audiences),
        "redirect_uris": list(client.redirect_uris),
        "secrets_end_at": [moment(secret.expires_at) for secret in client.secrets],
        "disabled": client.disabled,
        "created_at": moment(client.created_at),
        **client.policy,
    }
