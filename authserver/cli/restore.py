"""authserver restore."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any

import click

from ..backup import restore
from ..backup.archive import UnreadableBackup
from ..backup.database_file import DatabaseDamaged, DatabaseInUse
from ..backup.key_merge import UnrelatedDatabase
from ..backup.merge import MergeReport
from ..backup.restore import Assessment, EmergencyNeeded, Place, Prepared, RestoreRequest
from ..domain.errors import Refused
from ..domain.times import counted
from ..provisioning import key_policy, open_key_encryption_keys, open_key_service
from ..settings import Settings, load
from .backup import database_file, passphrase_stdin, read_passphrase
from .common import as_json, confirm, fail, moment, show, yes
from .keys.shared import dry_run, short
from .progress import progress
from .recording import actor

_POSTGRESQL = """This command is for SQLite. For PostgreSQL, use its own tools. Stop the servers, then:

    pg_restore --clean --if-exists --single-transaction --dbname=DATABASE FILE
    authserver db upgrade
    authserver keys revoke KID

Run the last command for each key that was revoked since the dump: it is valid again. If keys were rotated since,
verifiers may no longer have the key that signs now. Then run: authserver keys rotate --emergency.
Authorizations that ended since are active again. To end them all: authserver keys revoke --refresh-keys"""
_EMERGENCY = (
    "{kids} would sign, but verifiers may not have it: {why}. They would reject new tokens until they fetch the key "
    "set again, up to {max_age} seconds later. To restore anyway:"
    "\n\n    authserver restore {file} --emergency"
)
_LIVE_AGAIN = (
    "Without the old database, changes since the backup are lost: authorizations that were ended are active again, "
    "passwords and client secrets are the old ones, and keys that were revoked are valid again unless you list them "
    "with --revoked. To end every authorization, restore with --end-logins."
)
_IN_USE = """The database {path} is in use. Stop every server on it, then restore again: a running server would write \
data of the old database, which it has cached, into the new one."""


@click.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--revoked", multiple=True, metavar="KID", help="A key revoked since the backup; can be repeated.")
@click.option("--end-logins", is_flag=True, help="End every authorization and session: all users must sign in again.")
@click.option("--emergency", is_flag=True, help="Restore even if verifiers may not have the key that will sign.")
@passphrase_stdin
@dry_run
@yes
@as_json
def command(
    file: Path,
    revoked: tuple[str, ...],
    end_logins: bool,
    emergency: bool,
    passphrase_stdin: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Replace the SQLite database with the backup FILE. Stop the servers first. The old database is renamed and kept.

    What was ended for safety since the backup stays ended: revoked and removed keys, authorizations, revoked tokens,
    changed passwords and client secrets, disabled users and clients. Users and clients deleted since come back
    disabled, without authorizations. The key that signed still signs if it can be decrypted here, and published keys
    stay published. Everything else is as it was when the backup was made.

    If the old database is lost, list the keys revoked since the backup with --revoked. Authorizations and
    sessions ended since then are active again unless you pass --end-logins.

    \b
    Examples:
      authserver restore authserver.backup --dry-run
      authserver restore authserver.backup --revoked T8cAYtQ... --end-logins --yes
    """
    settings = load()
    path = database_file(settings, _POSTGRESQL)
    if path.exists() and not dry_run:
        confirm(f"Replace the database {path} with the backup {file}?", yes)
    passphrase = read_passphrase(passphrase_stdin, new=False)
    request = RestoreRequest(file, passphrase, revoked, end_logins, emergency, dry_run, actor())
    with _translate_errors(file, path):
        try:
            with progress("Reading the backup" if dry_run else "Restoring the backup"):
                prepared, kept = restore.restore(_place(settings, path), request)
        except EmergencyNeeded as error:
            raise Refused(_why_emergency(error.assessment, settings, file)) from None
    _print_result(prepared, settings, request, kept)
    show(_as_data(prepared, path, request, kept), as_json, lambda: str(path))


def _place(settings: Settings, path: Path) -> Place:
    return Place(
        path,
        settings.keys_dir,
        partial(open_key_encryption_keys, settings),
        partial(open_key_service, settings),
        key_policy(settings),
        settings.access_token_ttl,
    )


@contextmanager
def _translate_errors(file: Path, path: Path) -> Iterator[None]:
    """Say what is wrong with the backup or with the database."""
    try:
        yield
    except UnreadableBackup as error:
        raise fail(f"{file} cannot be restored. {error}") from error
    except DatabaseDamaged as error:
        if error.path == path:
            raise fail(
                f"The database {path} is damaged, so nothing can be kept of it. Move it and its journal files away, "
                f"then restore again:\n\n{_move(path, 'damaged')}"
            ) from error
        raise fail(f"{file} cannot be restored: it is not a backup, or it is damaged.") from error
    except DatabaseInUse as error:
        raise Refused(_IN_USE.format(path=path)) from error
    except UnrelatedDatabase as error:
        raise Refused(f"{error} Move it away, then restore again:\n\n{_move(path, 'aside')}") from error
    except OSError as error:
        raise fail(f"{path} cannot be written: {error.strerror}.") from error


def _move(path: Path, ending: str) -> str:
    return f"    mv {quote(str(path))} {quote(f'{path}.{ending}')}"


def _why_emergency(assessment: Assessment, settings: Settings, file: Path) -> str:
    kids = [short(key.kid) for key in assessment.plan.unpublished] + ["A new key"] * assessment.plan.needs_new
    made = f"the backup was made at {moment(assessment.made_at)}"
    why = "it was not in the last key set for long enough" if assessment.replaces else made
    return _EMERGENCY.format(kids=", ".join(kids), why=why, max_age=settings.jwks_max_age, file=quote(str(file)))


def _print_result(prepared: Prepared, settings: Settings, request: RestoreRequest, kept: Path | None) -> None:
    done = "Would restore" if request.dry_run else "Restored"
    lines = [
        f"{done} the backup of {moment(prepared.assessment.made_at)}, with "
        f"{counted(prepared.active, 'active authorization')}."
    ]
    if prepared.unpublished and request.dry_run and not request.emergency:
        lines.append(f"This would fail. {_why_emergency(prepared.assessment, settings, request.file)}")
    for key in prepared.unpublished if not request.dry_run else ():
        lines.append(
            f"Verifiers may reject tokens signed by {short(key.kid)} until they fetch the key set again, up to "
            f"{settings.jwks_max_age} seconds later."
        )
    lines += _about_merge(prepared.merged) if prepared.merged else []
    if request.end_logins:
        lines.append(f"Every authorization ends ({prepared.ended}). Issued access tokens stay valid until they expire.")
    elif not prepared.merged:
        lines.append(_LIVE_AGAIN)
    if prepared.new_kek and not request.dry_run:
        lines.append(f"A new key-encryption key is in {settings.keys_dir}: back it up, apart from the database.")
    if kept:
        lines.append(f"The old database is kept as {kept}. Delete it when you no longer need it.")
    click.echo("\n".join(lines), err=True)


def _about_merge(merged: MergeReport) -> list[str]:
    lines = []
    if merged.authorizations_ended:
        lines.append(f"Ended since the backup, and ended now: {counted(merged.authorizations_ended, 'authorization')}.")
    for noun, disabled, lost in (
        ("user", merged.users_disabled, merged.users_lost),
        ("client", merged.clients_disabled, merged.clients_lost),
    ):
        if disabled:
            lines.append(f"Disabled or deleted since the backup, and disabled now: {counted(disabled, noun)}.")
        if lost:
            lines.append(f"Created since the backup, and lost: {counted(lost, noun)}.")
    return lines


def _as_data(prepared: Prepared, path: Path, request: RestoreRequest, kept: Path | None) -> dict[str, Any]:
    return {
        "dry_run": request.dry_run,
        "refused": bool(prepared.unpublished) and not request.emergency,
        "database": str(path),
        "replaced": str(kept) if kept else None,
        "made_at": moment(prepared.assessment.made_at),
        "keys": [{"kid": key.kid, "alg": key.alg, "state": key.state} for key in prepared.keys],
        "unpublished": [key.kid for key in prepared.unpublished],
        "authorizations": prepared.active,
        "authorizations_ended": prepared.ended + (prepared.merged.authorizations_ended if prepared.merged else 0),
    }
