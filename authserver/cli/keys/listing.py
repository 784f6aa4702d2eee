"""authserver keys list."""

from typing import Any

import click

from ...domain import key_schedule
from ...domain.key_schedule import KeyPolicy, Keys
from ...domain.models import SigningKey
from ..common import as_json, moment, show, table
from .refresh_keys import list_refresh_keys
from .shared import in_words, opened


@click.command("list")
@click.option("--refresh-keys", is_flag=True, help="Not the signing keys: those that make refresh tokens.")
@as_json
def list_(refresh_keys: bool, as_json: bool) -> None:
    """Every signing key, its state, and when each change of state was; then what happens when, and what verifiers see.

    \b
    Examples:
      authserver keys list
      authserver keys list --json
    """
    if refresh_keys:
        list_refresh_keys(as_json)
        return
    with opened() as lifecycle:
        keys, policy, now = lifecycle.read(), lifecycle.policy, lifecycle.now()
    rows = [_described(key, keys, policy) for key in keys]
    show(rows, as_json, lambda: f"{_table(rows)}\n\n{in_words(keys, policy, now)}")


def _table(rows: list[dict[str, Any]]) -> str:
    titles = ["kid", "alg", "state", "created_at", "activated_at", "retired_at", "removed_at", "revoked_at"]
    return table([[row[title] for title in titles] for row in rows], titles)


def _described(key: SigningKey, keys: Keys, policy: KeyPolicy) -> dict[str, Any]:
    """Times of transitions that lie ahead stand under `due`."""
    times = ("created_at", "activated_at", "retired_at", "destroyed_at", "removed_at", "revoked_at")
    passed = {name: moment(getattr(key, name)) for name in times}
    due = {name: moment(at) for name, at in key_schedule.due(key, keys, policy).items()}
    return {"kid": key.kid, "alg": key.alg, "state": key.state, **passed, "due": due}
