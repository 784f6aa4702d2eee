"""How `authserver restore` puts a backup in the place of the database.

The new database is made beside the old one, from the backup and what is to be kept of the old one; then one transaction
of SQLite writes it over the old one. Whatever is killed, there is the old database or the new one.
"""

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from .. import system
from ..domain.errors import Misconfigured, Refused
from ..domain.key_schedule import Keys
from ..domain.models import SECOND
from ..keyring import KeyEncryptionKeys
from ..keyring.backup import Opened
from ..keyring.restoring import Plan
from ..settings import Settings
from ..store.database import Connection
from ..store.restoring import Kept
from ..store.sqlite_file import Held

_NEWER = "A newer authserver made it. Install that version: pip install --upgrade authserver"
_LOST_KEK = """No key-encryption key is here, and the database that would be replaced has keys that one sealed. Name its
folder (AUTHSERVER_KEYS_DIR=/path/to/keys); if it is lost, make another one, and restore again:

    authserver keys rewrap --create"""


@dataclass(frozen=True, slots=True)
class Wish:
    file: Path
    passphrase: str = field(repr=False)
    revoked: tuple[str, ...]
    end_logins: bool
    emergency: bool
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """What is known before anything is made."""

    made_at: int
    replaces: bool
    """Whether there is anything in the old database."""
    plan: Plan


@dataclass(frozen=True, slots=True)
class Prepared:
    """The new database, ready to take the place of the old one."""

    judged: Judged
    keys: Keys
    unpublished: Keys
    kept: Kept | None
    logins: int
    logins_ended: int
    new_kek: bytes | None = field(repr=False)


class Emergency(Refused):
    """Keys would sign that verifiers may not have."""

    def __init__(self, judged: Judged) -> None:
        super().__init__("Verifiers may not have the key that would sign.")
        self.judged = judged


def restore(settings: Settings, path: Path, wish: Wish) -> tuple[Prepared, Path | None]:
    """What was done, or would be, and where the old database is now."""
    from ..keyring import files
    from ..store import sqlite_file

    now, is_there = system.now(), path.exists()
    with ExitStack() as stack:
        hold = sqlite_file.held if is_there and not wish.dry_run else sqlite_file.looked_at
        live = stack.enter_context(hold(path))
        tag = system.new_id().hex()
        new, old = (
            stack.enter_context(sqlite_file.scratch(path, f"{what}-{tag}")) for what in ("restored", "replaced")
        )
        sqlite_file.copy_still(wish.file, new)
        live.copy_to(old)
        prepared = _prepare(settings, new, old, wish, now, stack)
        if wish.dry_run:
            return prepared, None
        if not is_there:  # as late as this, so that a restore that fails leaves no empty one
            live = stack.enter_context(sqlite_file.held_new(path))
        sqlite_file.remove_left(path, but=tag)
        if prepared.new_kek:
            files.create(settings.keys_dir, prepared.new_kek, now)
        return prepared, _switch(live, new, old if prepared.judged.replaces else None, path, now)


def _switch(live: Held, new: Path, old: Path | None, path: Path, now: int) -> Path | None:
    """Where the old database is now, if it is to be kept."""
    from ..store import sqlite_file

    aside = sqlite_file.put_aside(old, path, _stamp(now)) if old else None
    try:
        live.become(new)
    except BaseException:
        if aside:
            aside.unlink()
        raise
    return aside


def _prepare(settings: Settings, new: Path, old: Path, wish: Wish, now: int, stack: ExitStack) -> Prepared:
    from ..store import restoring, sqlite_file

    database = sqlite_file.opened(new, system.now)
    try:
        with database.begin() as connection:
            opened = _open(connection, wish.passphrase)
            restoring.attach(connection, old)
            prepared = _merge(settings, connection, opened, wish, now, stack)
    finally:
        database.close()
    sqlite_file.settle(new)
    return prepared


def _open(connection: Connection, passphrase: str) -> Opened:
    """A database of this version's schema, in which only the keys are still those of the backup."""
    from ..keyring import backup
    from ..store import migrations

    opened = backup.unseal(connection, passphrase)
    try:
        migrations.upgrade(connection)
    except Misconfigured as error:
        raise backup.Unreadable(_NEWER) from error
    return opened


def _merge(
    settings: Settings, connection: Connection, opened: Opened, wish: Wish, now: int, stack: ExitStack
) -> Prepared:
    """What it makes outside of the database is destroyed if the `stack` ends with an error."""
    from ..keyring import restoring as keyring_restoring
    from ..provisioning import key_policy, open_key_service
    from ..store import restoring, signing_keys

    replaced = restoring.replaced_state(connection)
    keks, new_kek = _key_encryption_keys(settings, replaced is None)
    tools = keyring_restoring.Tools(
        stack.enter_context(keyring_restoring.NewKeys(keks, open_key_service(settings))),
        key_policy(settings),
        settings.access_token_ttl,
        now,
        system.new_key,
    )
    plan = keyring_restoring.plan(connection, opened, replaced, wish.revoked, tools, emergency=wish.emergency)
    judged = Judged(opened.made_at, replaced is not None, plan)
    if wish.dry_run:
        tools = replace(tools, keys=keyring_restoring.NewKeys(keks))  # a rehearsal leaves no key elsewhere
    elif plan.is_emergency and not wish.emergency:
        raise Emergency(judged)
    unpublished = keyring_restoring.write(connection, plan, tools)
    kept = restoring.keep(connection, now) if replaced else None
    ended = restoring.end_logins(connection, now) if wish.end_logins else 0
    keys, logins = signing_keys.load(connection).signing_keys, restoring.count_living(connection, now)
    return Prepared(judged, keys, unpublished, kept, logins, ended, new_kek)


def _key_encryption_keys(settings: Settings, may_be_made: bool) -> tuple[KeyEncryptionKeys, bytes | None]:
    """And the one that is new, which is in no file yet."""
    from ..provisioning import open_key_encryption_keys

    keks = open_key_encryption_keys(settings)
    if keks:
        return keks, None
    if not may_be_made:
        raise Misconfigured(_LOST_KEK)
    key = system.new_key()
    return KeyEncryptionKeys({"new": key}), key


def _stamp(now: int) -> str:
    return datetime.fromtimestamp(now / SECOND, UTC).strftime("%Y%m%dT%H%M%S%fZ")
