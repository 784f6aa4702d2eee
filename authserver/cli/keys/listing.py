"""authserver keys list."""

from typing import Any

import click

from ..domain import key_schedule
from ..domain.key_schedule import KeyPolicy
from ..domain.models import SigningKey
from ..settings import Settings, load
from .common import as_json, moment, show, table, transaction


@click.group("keys")
def command() -> None:
    """Look after the signing keys.

    \b
    Examples:
      authserver keys list
      authserver keys list --json
    """


@command.command("list")
@as_json
def list_(as_json: bool) -> None:
    """Every signing key, its state, and when each change of state was or is due.

    \b
    Examples:
      authserver keys list
      authserver keys list --json
    """
    from ..store import signing_keys

    settings = load()
    with transaction(settings) as connection:
        keys = signing_keys.load(connection).signing_keys
    rows = [_described(key, keys, key_policy(settings)) for key in keys]
    titles = ["kid", "alg", "state", "created_at", "activated_at", "retired_at", "removed_at", "revoked_at"]
    show(rows, as_json, lambda: table([[row[title] for title in titles] for row in rows], titles))


def key_policy(settings: Settings) -> KeyPolicy:
    return KeyPolicy(settings.key_lead_time, settings.key_rotation_period, settings.jwks_max_age)


def _described(key: SigningKey, keys: tuple[SigningKey, ...], policy: KeyPolicy) -> dict[str, Any]:
    """Times of transitions that lie ahead stand under `due`."""
    times = ("created_at", "activated_at", "retired_at", "destroyed_at", "removed_at", "revoked_at")
    passed = {name: moment(getattr(key, name)) for name in times}
    due = {name: moment(at) for name, at in key_schedule.due(key, keys, policy).items()}
    return {"kid": key.kid, "alg": key.alg, "state": key.state, **passed, "due": due}
