"""authserver keys rewrap."""

import click

from ... import system
from ...domain.errors import Refused
from ...keyring import files
from ...provisioning import open_key_encryption_keys
from ...settings import Settings, load
from ..common import as_json, show
from .shared import dry_run, opened, say


@click.command("rewrap")
@click.option("--create", is_flag=True, help="Only create a new key-encryption key, which wraps keys from then on.")
@dry_run
@as_json
def rewrap(create: bool, dry_run: bool, as_json: bool) -> None:
    """Wrap every key in the database again, under the newest key-encryption key.

    To replace the key-encryption key without downtime: create a new one with --create, copy its file to every node at
    once, then run rewrap. Delete the older files when no backup needs them. If AUTHSERVER_KEY_ENCRYPTION_KEY holds the
    key-encryption keys: add the new one last and restart every node, move it first and restart every node again, then
    run rewrap.

    \b
    Examples:
      authserver keys rewrap --create
      authserver keys rewrap --dry-run
    """
    settings = load()
    if create:
        _create(settings, dry_run, as_json)
        return
    with opened(settings) as lifecycle:
        count = lifecycle.wrapped_by_older() if dry_run else lifecycle.rewrap()
        older = lifecycle.open_key_store().keks.older
    keys = "1 key is" if count == 1 else f"{count} keys are"
    say(f"{keys} wrapped again, under the newest key-encryption key", dry_run)
    if older and not dry_run:
        click.echo(f"Only backups still need: {', '.join(older)}", err=True)
    show({"dry_run": dry_run, "rewrapped": count, "older": older}, as_json, lambda: "\n".join(older))


def _create(settings: Settings, dry_run: bool, as_json: bool) -> None:
    if settings.key_encryption_keys():
        raise Refused("AUTHSERVER_KEY_ENCRYPTION_KEY holds the key-encryption keys. Add the new one there.")
    with opened(settings):
        open_key_encryption_keys(settings)  # or else the new file might belong to another user than the others
    path = None if dry_run else str(files.create(settings.keys_dir, system.new_key(), system.now()))
    say(f"a new key-encryption key is in {settings.keys_dir}", dry_run)
    if path:
        click.echo("Back it up, copy it to every node, then run: authserver keys rewrap", err=True)
    show({"dry_run": dry_run, "path": path}, as_json, lambda: path or "")
