"""authserver keys rewrap."""

import click

from ... import system
from ...domain.errors import Refused
from ...settings import Settings, load
from ..common import as_json, show
from .shared import dry_run, opened


@click.command("rewrap")
@click.option("--create", is_flag=True, help="Only make a new key-encryption key, which seals from then on.")
@dry_run
@as_json
def rewrap(create: bool, dry_run: bool, as_json: bool) -> None:
    """Seal every key in the database anew, under the newest key-encryption key.

    To change that key without downtime: make one with --create, copy its file to every node at once, then rewrap. When
    no backup needs them any more, remove the older files. Where key-encryption keys are handed in by a variable: put
    the new one last and restart every node, put it first and restart them again, then rewrap.

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
    click.echo(f"{'Would seal' if dry_run else 'Sealed'} {count} keys anew.", err=True)
    if older and not dry_run:
        click.echo(f"Only backups still need: {', '.join(older)}", err=True)
    show({"dry_run": dry_run, "rewrapped": count, "older": older}, as_json, lambda: "\n".join(older))


def _create(settings: Settings, dry_run: bool, as_json: bool) -> None:
    from ...keyring import files

    if settings.key_encryption_keys():
        raise Refused("The key-encryption keys are handed in by AUTHSERVER_KEY_ENCRYPTION_KEY: add the new one there.")
    path = None if dry_run else str(files.create(settings.keys_dir, system.new_key(), system.now()))
    if path:
        click.echo("Back it up, copy it to every node, then run: authserver keys rewrap", err=True)
    else:
        click.echo(f"Would make a key-encryption key in {settings.keys_dir}.", err=True)
    show({"dry_run": dry_run, "path": path}, as_json, lambda: path or "")
