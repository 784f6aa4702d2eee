"""authserver authorization list|show|end."""

from typing import Any

import click

from ..domain.authorization_state import State, state_of
from ..domain.models import Client
from ..settings import Settings, load
from ..store import authorizations, clients, events
from ..store.authorizations import AuthorizationRecord
from ..store.database import Connection
from ..store.events import StoredEvent, described
from .audit import events_table
from .client.shared import no_client
from .common import (
    ago,
    as_json,
    fail,
    fields,
    limited,
    moment,
    now,
    parse_id,
    policy_of,
    reading,
    say_if_more,
    show,
    table,
    transact,
)
from .named_user import load_user
from .recording import record

_STORY = ["at", "event", "result", "actor", "network", "detail"]


@click.group("authorization")
def command() -> None:
    """Show and end authorizations: each is what one user allowed one client at one login.

    \b
    Examples:
      authserver authorization list --user ada
      authserver authorization end 6f1c9e0b8a7d4c5e9f3b2a1d0c4e5f60
    """


@command.command("list")
@click.option("--user", help="Only this user's, by username.")
@click.option("--client", help="Only this client's, by client id.")
@click.option("--active", is_flag=True, help="Only active ones: neither ended nor suspended.")
@limited
@as_json
def list_(user: str | None, client: str | None, active: bool, limit: int, as_json: bool) -> None:
    """List the newest authorizations: user, client, last use, and whether they are active.

    Ended ones are kept for a day.

    \b
    Examples:
      authserver authorization list --user ada --active
      authserver authorization list --client c_5f2b... --limit 1000 --json
    """
    settings = load()
    with reading(settings) as connection:
        at = now(connection)
        subject = load_user(connection, user).id if user else None
        if client and clients.load(connection, client) is None:
            raise no_client(client)
        active_at = at if active else None
        records = authorizations.newest(
            connection, subject=subject, client_id=client, active_at=active_at, limit=limit + 1
        )
        owners = clients.load_many(connection, list({loaded.authorization.client_id for loaded in records}))
    rows = [(loaded, owners.get(loaded.authorization.client_id)) for loaded in records[:limit]]
    show([_listed(*row, settings, at) for row in rows], as_json, lambda: _table(rows, settings, at))
    say_if_more(records, limit)


@command.command("show")
@click.argument("id")
@as_json
def show_(id: str, as_json: bool) -> None:
    """Show the authorization ID, and everything that happened to it. Tokens and log lines call this id `grant_id`.

    If the authorization was deleted, only its events are left.

    \b
    Examples:
      authserver authorization show 6f1c9e0b8a7d4c5e9f3b2a1d0c4e5f60
      authserver authorization show 6f1c9e0b8a7d4c5e9f3b2a1d0c4e5f60 --json
    """
    settings = load()
    with reading(settings) as connection:
        key, at = parse_id(id, "authorization"), now(connection)
        loaded = authorizations.load_many(connection, [key]).get(key)
        story = events.story(connection, key, loaded.authorization if loaded else None)
        client = clients.load(connection, loaded.authorization.client_id) if loaded else None
    if loaded is None and not story:
        raise _no_authorization(id)
    row = _described(loaded, client, settings, at) if loaded else _left_of(id, story)
    data = row | {"events": [described(event) for event in story]}
    show(data, as_json, lambda: f"{fields(row)}\n\n{events_table(story, _STORY)}")


@command.command("end")
@click.argument("id")
@as_json
def end(id: str, as_json: bool) -> None:
    """End the authorization ID. Its user can log in again at once.

    Its refresh tokens stop working immediately. Access tokens that are verified offline stay valid until they expire.

    \b
    Examples:
      authserver authorization end 6f1c9e0b8a7d4c5e9f3b2a1d0c4e5f60
      authserver authorization end 6f1c9e0b8a7d4c5e9f3b2a1d0c4e5f60 --json
    """
    settings = load()
    before, after = transact(lambda connection: _end(connection, id, settings))
    done = "It had already ended" if before.word == "ended" else "Ended"
    click.echo(f"{done}: {after.reason}.", err=True)
    if as_json:
        show({"id": id, "state": after.word, "reason": after.reason}, as_json, str)


def _end(connection: Connection, id: str, settings: Settings) -> tuple[State, State]:
    """End the authorization. Returns its state before and after."""
    loaded, at = _load(connection, id), now(connection)
    row, client = loaded.authorization, clients.load(connection, loaded.authorization.client_id)
    before = _state(loaded, client, settings, at)
    if before.word != "ended":
        change = authorizations.revoke(row.id, reason="operator")
        change.apply(connection, [change.params], at)
        about: Any = {"client_id": row.client_id, "authorization_id": row.id.hex(), "generation": row.generation}
        record(connection, "authorization_ended", at=at, user=loaded.user, **about)
    return before, _state(_load(connection, id), client, settings, at)


def _load(connection: Connection, id: str) -> AuthorizationRecord:
    key = parse_id(id, "authorization")
    loaded = authorizations.load_many(connection, [key]).get(key)
    if loaded is None:
        raise _no_authorization(id)
    return loaded


def _no_authorization(id: str) -> click.ClickException:
    return fail(f"There is no authorization {id}. Those that have ended are deleted a day later.")


def _left_of(id: str, story: list[StoredEvent]) -> dict[str, Any]:
    """Return what the audit trail says about an authorization that was deleted."""
    first = story[0].record
    return {"id": id, "client_id": first.client_id, "subject": first.subject, "username": first.user} | {
        "state": "deleted",
    }


def _state(loaded: AuthorizationRecord, client: Client | None, settings: Settings, at: int) -> State:
    policy = policy_of(settings, client)
    return state_of(loaded.authorization, client=client, user=loaded.user, policy=policy, now=at)


def _listed(loaded: AuthorizationRecord, client: Client | None, settings: Settings, at: int) -> dict[str, Any]:
    row, state = loaded.authorization, _state(loaded, client, settings, at)
    return {
        "id": row.id.hex(),
        "client_id": row.client_id,
        "subject": row.subject,
        "username": loaded.user.username if loaded.user else None,
        "created_at": moment(row.created_at),
        "last_refresh_at": moment(row.rotated_at) if row.generation else None,
        "network": row.rotated_from,
        "ends_at": moment(state.ends_at),
        "state": state.word,
        "reason": state.reason,
    }


def _described(loaded: AuthorizationRecord, client: Client | None, settings: Settings, at: int) -> dict[str, Any]:
    row = loaded.authorization
    return _listed(loaded, client, settings, at) | {
        "client_name": client.name if client else None,
        "scope": " ".join(row.scope),
        "resources": list(row.resources),
        "authenticated_at": moment(row.authenticated_at),
        "idle_ends_at": moment(row.idle_expires_at),
        "absolute_end_at": moment(row.expires_at),
        "revoked_at": moment(row.revoked_at),
        "generation": row.generation,
        "refresh_token_key": row.refresh_key_id,
    }


def _table(rows: list[tuple[AuthorizationRecord, Client | None]], settings: Settings, at: int) -> str:
    cells = [
        [
            loaded.authorization.id.hex(),
            loaded.user and loaded.user.username,
            client.name if client else loaded.authorization.client_id,
            ago(at - loaded.authorization.rotated_at),
            _state(loaded, client, settings, at).word,
        ]
        for loaded, client in rows
    ]
    return table(cells, ["id", "user", "client", "last used", "state"])
