"""authserver keys list."""

from math import inf
from typing import Any

import click

from ...domain import key_schedule
from ...domain.key_schedule import KeyPolicy, Keys
from ...domain.models import SigningKey
from ...domain.times import utc_at_latest
from ..common import as_json, moment, rows_as_table, show
from .refresh_keys import list_refresh_keys
from .shared import opened
from .timeline import timeline_text

_TITLES = ["kid", "alg", "state", "created_at", "activated_at", "retired_at", "removed_at", "revoked_at"]


@click.command("list")
@click.option("--refresh-keys", is_flag=True, help="List the refresh-token keys instead.")
@as_json
def list_(refresh_keys: bool, as_json: bool) -> None:
    """List every signing key with its state and times; then what will happen when, and what verifiers will see.

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
    rows = [_described(key, keys, policy) for key in sorted(keys, key=_age)]
    show(rows, as_json, lambda: f"{rows_as_table(rows, _TITLES)}\n\n{timeline_text(keys, policy, now)}")


def _age(key: SigningKey) -> tuple[int, float]:
    """Oldest first; of keys that were created at the same time, the one that signed first."""
    return key.created_at, inf if key.activated_at is None else key.activated_at


def _described(key: SigningKey, keys: Keys, policy: KeyPolicy) -> dict[str, Any]:
    """The times of changes that lie ahead are under `due`."""
    times = ("created_at", "activated_at", "retired_at", "destroyed_at", "removed_at", "revoked_at")
    passed = {name: moment(getattr(key, name)) for name in times}
    due = {name: utc_at_latest(at) for name, at in key_schedule.due(key, keys, policy).items()}
    return {"kid": key.kid, "alg": key.alg, "state": key.state, **passed, "due": due}
