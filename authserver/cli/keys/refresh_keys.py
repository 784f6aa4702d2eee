"""The refresh-token keys: keys list, rotate and revoke with --refresh-keys."""

import click

from ...domain import refresh_key_schedule
from ...domain.errors import Refused
from ...domain.models import SECOND
from ...keyring.lifecycle.refresh_keys import RefreshKeyWaits, check_rotatable
from ..common import moment, show, table
from .shared import moment_at_latest, opened


def list_refresh_keys(as_json: bool) -> None:
    with opened() as lifecycle:
        keys, now = lifecycle.read_state().refresh_keys, lifecycle.now()
    newest = refresh_key_schedule.newest(keys, now).id if keys else None
    titles = ["id", "created_at", "active_at", "revoked_at"]
    rows = [
        {"id": key.id, **{title: moment(getattr(key, title)) for title in titles[1:]}, "used": key.id == newest}
        for key in keys
    ]
    titles.append("used")
    show(rows, as_json, lambda: table([[row[title] for title in titles] for row in rows], titles))


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
            raise Refused(_why_waiting(error)) from None
    at = moment_at_latest(active_at)
    would = "would make" if dry_run else "makes"
    click.echo(f"The new key {would} the refresh tokens of logins from {at} on; older logins keep theirs.", err=True)
    show({"dry_run": dry_run, "id": id, "active_at": at}, as_json, lambda: id or "")


def revoke_refresh_keys(dry_run: bool, as_json: bool) -> None:
    with opened() as lifecycle:
        ended = None if dry_run else lifecycle.revoke_refresh_keys()
    if dry_run:
        click.echo("Would be done: every refresh-token key is replaced, and every login ends.", err=True)
    else:
        click.echo(f"Done: every refresh-token key was replaced, and every login has ended ({ended}).", err=True)
        click.echo("Access tokens that are out live until they expire.", err=True)
    if as_json:
        show({"dry_run": dry_run, "logins_ended": ended}, as_json, str)


def _why_waiting(error: RefreshKeyWaits) -> str:
    at = moment_at_latest(error.waiting.active_at)
    return (
        f"The key {error.waiting.id} is announced already; new logins use it from {at} on. Another one can follow then."
    )
