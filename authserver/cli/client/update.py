"""authserver client update."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import click

from ...domain.models import Client
from ...domain.subjects import sector_of
from ...settings import load as load_settings
from ...store import clients, signing_keys
from ...store.database import Connection
from ..back_channel import warn
from ..common import as_json, cell, now, show, transact
from ..recording import record
from .algorithm import change_clients
from .listing import described, in_words
from .options import ALGORITHMS_OF, CLEARABLE, LISTS, POLICY, chosen, cleared, of_client
from .shared import ask_to_save, check, create_subject_key, load, put_secret, warn_of_logo

_OTHER_SUBJECTS = "Warning: every user has another subject at {} from now on. The client will treat them as new users."
Update = tuple[Client, Client, str | None]
"""The client before and after the change, and its secret if it is new."""


@click.command("update")
@click.argument("client_id")
@click.option("--name", help="Its display name.")
@of_client
@click.option(
    "--clear",
    "clear",
    multiple=True,
    type=click.Choice([*LISTS, *POLICY, *CLEARABLE]),
    help="Empty this list or text, or go back to the server's setting. Repeatable.",
)
@as_json
def update(client_id: str, name: str | None, clear: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Change the client CLIENT_ID, and print each old and new value. Options that you leave out change nothing.

    A list is replaced as a whole. Running servers follow within 5 seconds. Authorizations stay valid: a scope that you
    withdraw is missing from their next access token, and new lifetimes of refresh tokens apply from the next refresh or
    login.

    \b
    Examples:
      authserver client update c_5f2b... --access-token-ttl 300 --scope "read write"
      authserver client update c_5f2b... --web-origin https://app.example --clear audience --json
    """
    given = {option for option, value in options.items() if value not in (None, ())}
    if not (given or clear or name is not None):
        raise click.UsageError(
            'There is nothing to change. Pass an option, for example: --name "My app". To see every option: --help'
        )
    if both := sorted(option for option in clear if option.replace("-", "_") in given):
        raise click.UsageError(f"--{both[0]} is both given and cleared.")

    def change(connection: Connection) -> Update:
        before = load(connection, client_id)
        named = before if name is None else replace(before, name=name)
        after, secret = put_secret(chosen(cleared(named, clear), options))
        check(after)
        _put(connection, after)
        if names := _changed(before, after):
            record(connection, "client_updated", client_id=client_id, changed=", ".join(names))
        return before, after, secret

    create_subject_key(options["subject_type"])
    algs = {options[name] for name in ALGORITHMS_OF} - {None}
    before, after, secret = _run(change, algs, may_end="userinfo-alg" in clear)
    _warn(before, after, given)
    _show(before, after, secret, as_json)


def _warn(before: Client, after: Client, given: Collection[str]) -> None:
    """Warn about effects of the change that the operator may not expect. `given` names the options that were passed."""
    if _names_users(before) != _names_users(after):
        click.echo(_OTHER_SUBJECTS.format(after.id), err=True)
    if "logo_uri" in given:
        warn_of_logo(after)
    if "backchannel_logout_uri" in given:
        warn(load_settings(), after)


def _names_users(client: Client) -> tuple[str, str]:
    """Return what the subjects of the client's users depend on."""
    return client.subject_type, sector_of(client) if client.subject_type == "pairwise" else ""


def _run(change: Any, algs: Collection[str], *, may_end: bool) -> Update:
    """Store the change. Algorithms that clients need from now on get keys, and keys that no client needs any more stop
    signing."""
    if not algs and not may_end:
        update: Update = transact(change)
        return update
    done: list[Update] = []
    change_clients(algs, lambda connection: done.append(change(connection)))
    return done[-1]


def _put(connection: Connection, client: Client) -> None:
    # Before the first token with this lifetime is signed: keys stay published for as long as the longest lifetime.
    signing_keys.raise_max_token_ttl(connection, client.policy.get("access_token_ttl", 0), now(connection))
    clients.put(connection, client)


def _show(before: Client, after: Client, secret: str | None, as_json: bool) -> None:
    old, new = described(before), described(after)
    names = _changed(before, after)
    changes = {name: {"old": old.get(name), "new": new.get(name)} for name in names}
    data = {"client_id": after.id, "changes": changes} | ({"client_secret": secret} if secret else {})
    if not changes:
        click.echo("Nothing changed.", err=True)
    ask_to_save(secret, as_json)
    lines = [f"{name}: {_value(old, name)} -> {_value(new, name)}" for name in names]
    lines += [f"client_secret: {secret}"] if secret else []
    if as_json or lines:
        show(data, as_json, lambda: "\n".join(lines))


def _changed(before: Client, after: Client) -> list[str]:
    """Return the names of what differs."""
    old, new = described(before), described(after)
    return [name for name in new | old if old.get(name) != new.get(name)]


def _value(description: dict[str, Any], name: str) -> str:
    """Return a value for people. If the client has none, say "none", or that the server's setting applies."""
    value = in_words(description).get(name)
    missing = "the server's setting" if name in POLICY.values() else "none"
    return missing if value in (None, "", []) else cell(value)
