"""The refresh-token keys: keys list, rotate and revoke with --refresh-keys."""

import click

from ...domain import refresh_key_schedule
from ...domain.errors import Refused
from ...domain.models import SECOND
from ...domain.times import utc_at_latest
from ...keyring.lifecycle.refresh_keys import RefreshKeyWaits, check_rotatable
from ..common import moment, rows_as_table, show
from .shared import opened, say

_TITLES = ["id", "created_at", "active_at", "revoked_at", "used"]
_WAITING = "A new refresh-token key, {}, exists already; new authorizations use it from {}. Run this again after that."


def list_refresh_keys(as_json: bool) -> None:
    with opened() as lifecycle:
        keys, now = lifecycle.read_state().refresh_keys, lifecycle.now()
    newest = refresh_key_schedule.newest(keys, now).id if keys else None
    rows = [
        {"id": key.id, **{time: moment(getattr(key, time)) for time in _TITLES[1:-1]}, "used": key.id == newest}
        for key in keys
    ]
    show(rows, as_json, lambda: rows_as_table(rows, _TITLES))


def rotate_refresh_keys(dry_run: bool, as_json: bool) -> None:
    with opened() as lifecycle:
        try:
            if dry_run:
                check_rotatable(lifecycle.read_state().refresh_keys, lifecycle.now())
                id, active_at = None, lifecycle.now() + refresh_key_schedule.LEAD_TIME * SECOND
            else:
                new = lifecycle.rotate_refresh_keys()
                id, active_at = new.id, new.active_at
        except RefreshKeyWaits as error:
            raise Refused(_WAITING.format(error.waiting.id, utc_at_latest(error.waiting.active_at))) from None
    at = utc_at_latest(active_at)
    say(f"new authorizations use a new refresh-token key from {at}; existing ones keep theirs", dry_run)
    show({"dry_run": dry_run, "id": id, "active_at": at}, as_json, lambda: id or "")


def revoke_refresh_keys(dry_run: bool, as_json: bool) -> None:
    with opened() as lifecycle:
        ended = None if dry_run else lifecycle.revoke_refresh_keys()
    if dry_run:
        say("a new key replaces every refresh-token key, and all authorizations end", dry_run)
    else:
        say(f"a new key replaces every refresh-token key, and all authorizations have ended ({ended})", dry_run)
        click.echo("Access tokens that were issued before stay valid until they expire.", err=True)
    if as_json:
        show({"dry_run": dry_run, "authorizations_ended": ended}, as_json, str)
