"""authserver restore."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import Any

import click

from ..domain.errors import Refused
from ..settings import Settings, load
from ..store.restoring import Kept
from .backup import database_file, passphrase_stdin, read_passphrase
from .common import as_json, confirm, fail, moment, show, yes
from .keys.shared import dry_run, short
from .progress import progress
from .restoring import Emergency, Judged, Prepared, Wish, restore

_POSTGRESQL = """This is for SQLite; this database is PostgreSQL, which has tools of its own. Stop the servers, then:

    pg_restore --clean --if-exists --single-transaction --dbname=DATABASE FILE
    authserver db upgrade
    authserver keys revoke KID

the last one for each key that was revoked since the dump was made, for they are good again. If keys were rotated since,
verifiers may have dropped the one that signs now; then: authserver keys rotate --emergency. Logins that were ended
since live again; to end all of them: authserver keys revoke --refresh-keys"""
_EMERGENCY = (
    "{kids} would sign, and verifiers may not have it (any more): {why}. They would refuse new tokens until they fetch "
    "the key set anew, which may take as long as they may cache it: {max_age} seconds. If it must be:"
    "\n\n    authserver restore {file} --emergency"
)
_LIVE_AGAIN = (
    "Nothing is known of what happened since the backup: logins that were ended live again, passwords and client "
    "secrets are the old ones, and revoked keys are good again unless they are named with --revoked. To end every "
    "login, restore with --end-logins."
)
_IN_USE = """The database {path} is in use. Stop every server on it, then restore again: one that went on would write
what it remembers of the old database into the new one"""


@click.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--revoked", multiple=True, metavar="KID", help="This key was revoked since the backup; may be repeated.")
@click.option("--end-logins", is_flag=True, help="End every login: whoever was logged in logs in again.")
@click.option("--emergency", is_flag=True, help="Sign with a key that verifiers may not have.")
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
    """Put the backup FILE in the place of the SQLite database, which is put aside. Stop the servers first.

    What was ended for safety in the database that is replaced stays ended: keys that are revoked or removed, logins,
    denied tokens, passwords and client secrets that were changed, users and clients that were disabled. Those that were
    deleted since come back disabled, without logins. The key that signed goes on signing if it can be opened here, and
    what was published stays published. Everything else is as it was when the backup was made.

    \b
    Examples:
      authserver restore authserver.backup --dry-run
      authserver restore authserver.backup --revoked T8cAYtQ... --end-logins --yes
    """
    settings = load()
    path = database_file(settings, _POSTGRESQL)
    if path.exists() and not dry_run:
        confirm(f"Replace the database {path} by the backup {file}?", yes)
    wish = Wish(file, read_passphrase(passphrase_stdin, new=False), revoked, end_logins, emergency, dry_run)
    with _told(file, path):
        try:
            with progress("Reading the backup" if dry_run else "Restoring the backup"):
                prepared, aside = restore(settings, path, wish)
        except Emergency as error:
            raise Refused(_why_emergency(error.judged, settings, file)) from None
    _tell(prepared, settings, wish, aside)
    show(_as_data(prepared, path, wish, aside), as_json, lambda: str(path))


@contextmanager
def _told(file: Path, path: Path) -> Iterator[None]:
    """What may be wrong with either file, in words."""
    from ..keyring.backup import Unreadable
    from ..keyring.restoring import Stranger
    from ..store import sqlite_file

    try:
        yield
    except Unreadable as error:
        raise fail(f"{file} cannot be restored. {error}") from error
    except sqlite_file.Damaged as error:
        if error.path == path:
            raise fail(
                f"The database {path} is damaged, so that nothing can be kept of it. Put it aside, with what lies "
                f"beside it, and restore again:\n\n{_move(path, 'damaged')}"
            ) from error
        raise fail(f"{file} cannot be restored: it is no backup, or a damaged one.") from error
    except sqlite_file.InUse as error:
        raise Refused(_IN_USE.format(path=path)) from error
    except Stranger as error:
        raise Refused(f"{error} Put it aside, then restore again:\n\n{_move(path, 'aside')}") from error
    except OSError as error:
        raise fail(f"{path} cannot be written: {error.strerror}.") from error


def _move(path: Path, ending: str) -> str:
    return f"    mv {quote(str(path))} {quote(f'{path}.{ending}')}"


def _why_emergency(judged: Judged, settings: Settings, file: Path) -> str:
    kids = [short(key.kid) for key in judged.plan.unpublished] + ["A new key"] * judged.plan.needs_new
    made = f"the backup was made at {moment(judged.made_at)}"
    why = "it was not in the last key set for long enough" if judged.replaces else made
    return _EMERGENCY.format(kids=", ".join(kids), why=why, max_age=settings.jwks_max_age, file=quote(str(file)))


def _tell(prepared: Prepared, settings: Settings, wish: Wish, aside: Path | None) -> None:
    done = "Would restore" if wish.dry_run else "Restored"
    lines = [f"{done} the backup of {moment(prepared.judged.made_at)}, with {prepared.logins} living logins."]
    if prepared.unpublished and wish.dry_run and not wish.emergency:
        lines.append(f"Would be refused. {_why_emergency(prepared.judged, settings, wish.file)}")
    for key in prepared.unpublished if not wish.dry_run else ():
        lines.append(
            f"Verifiers may refuse the tokens of {short(key.kid)} until they fetch the key set anew, which may take as "
            f"long as they may cache it: {settings.jwks_max_age} seconds."
        )
    lines += _about_kept(prepared.kept) if prepared.kept else []
    if wish.end_logins:
        lines.append(f"Every login ends ({prepared.logins_ended}); access tokens that are out live until they expire.")
    elif not prepared.kept:
        lines.append(_LIVE_AGAIN)
    if prepared.new_kek and not wish.dry_run:
        lines.append(f"A new key-encryption key is in {settings.keys_dir}: back it up, apart from the database.")
    if aside:
        lines.append(f"The database that was replaced is {aside}. Delete it when nothing of it is needed any more.")
    click.echo("\n".join(lines), err=True)


def _about_kept(kept: Kept) -> list[str]:
    lines = []
    if kept.logins_ended:
        lines.append(f"Ended, as in the database that is replaced: {kept.logins_ended} logins.")
    for noun, disabled, lost in (
        ("user", kept.users_disabled, kept.users_lost),
        ("client", kept.clients_disabled, kept.clients_lost),
    ):
        if disabled:
            lines.append(f"Disabled or deleted since the backup, and disabled now: {disabled} {noun}s.")
        if lost:
            lines.append(f"Made since the backup, and not in it: {lost} {noun}s.")
    return lines


def _as_data(prepared: Prepared, path: Path, wish: Wish, aside: Path | None) -> dict[str, Any]:
    return {
        "dry_run": wish.dry_run,
        "refused": bool(prepared.unpublished) and not wish.emergency,
        "database": str(path),
        "replaced": str(aside) if aside else None,
        "made_at": moment(prepared.judged.made_at),
        "keys": [{"kid": key.kid, "alg": key.alg, "state": key.state} for key in prepared.keys],
        "unpublished": [key.kid for key in prepared.unpublished],
        "logins": prepared.logins,
        "logins_ended": prepared.logins_ended + (prepared.kept.logins_ended if prepared.kept else 0),
    }
