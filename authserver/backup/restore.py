"""Replaces the database with a backup.

The new database is prepared next to the old one, from the backup and from the data that is kept of the old one. Then
one SQLite transaction overwrites the old one: a crash at any moment leaves either the old database or the new one.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from .. import system
from ..domain.audit import SERVER, AuditRecord, detail
from ..domain.errors import Misconfigured, Refused
from ..domain.key_schedule import KeyPolicy, Keys
from ..domain.models import SECOND
from ..domain.times import counted, utc
from ..keyring import KeyEncryptionKeys, files
from ..keyring.signer import KeyService
from ..store import events, migrations, signing_keys
from ..store.database import Connection
from . import archive, database_file, key_merge, merge, sign_in_merge
from .archive import OpenedBackup, UnreadableBackup
from .database_file import ExclusiveDatabase
from .key_merge import KeyPlan, NewKeys, RestoreContext
from .merge import MergeReport

_LOST_KEK = """There is no key-encryption key, but the database to be replaced has keys wrapped under one. Name its
folder (AUTHSERVER_KEYS_DIR=/path/to/keys). If the key is lost, create another one, then restore again:

    authserver keys rewrap --create"""


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """The operator's request."""

    file: Path
    passphrase: str = field(repr=False)
    revoked: tuple[str, ...]
    end_logins: bool
    emergency: bool
    dry_run: bool
    actor: str = SERVER
    """Who restores, for the audit trail."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to restore: the database's file, and the keys by the settings."""

    path: Path
    keys_dir: Path
    key_encryption_keys: Callable[[], KeyEncryptionKeys]
    key_service: Callable[[], KeyService | None]
    policy: KeyPolicy
    max_token_ttl: int
    """The longest lifetime of a token under the settings, in seconds."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What is known before anything is changed."""

    made_at: int
    """Microseconds since the epoch."""
    replaces: bool
    """Whether the old database has ever served, so that its data is kept."""
    plan: KeyPlan


@dataclass(frozen=True, slots=True)
class Prepared:
    """The new database, ready to replace the old one."""

    assessment: Assessment
    keys: Keys
    unpublished: Keys
    merged: MergeReport | None
    active: int
    ended: int
    """The number of authorizations that --end-logins ended."""
    new_kek: bytes | None = field(repr=False)


class EmergencyNeeded(Refused):
    """The restored server would sign with keys that verifiers may not have."""

    def __init__(self, assessment: Assessment) -> None:
        super().__init__("Verifiers may not have the key that would sign.")
        self.assessment = assessment


def restore(place: Place, request: RestoreRequest) -> tuple[Prepared, Path | None]:
    """Restore a backup. Returns what was done, or in a dry run would be done, and where the old database is kept.

    Raises EmergencyNeeded, UnreadableBackup, UnrelatedDatabase, DatabaseInUse, DatabaseDamaged, Refused, Misconfigured,
    Unavailable and OSError. After an error the old database is untouched.
    """
    now, path = system.now(), place.path
    exists, tag = path.exists(), system.new_id().hex()
    with ExitStack() as stack:
        is_exclusive = exists and not request.dry_run
        open_database = database_file.open_exclusive if is_exclusive else database_file.open_for_dry_run
        database = stack.enter_context(open_database(path))
        new, old = (
            stack.enter_context(database_file.temporary_file(path, f"{kind}-{tag}"))
            for kind in ("restored", "replaced")
        )
        database_file.copy_still(request.file, new)
        database.copy_to(old)
        prepared = _prepare(place, new, old, request, now, stack)
        if request.dry_run:
            return prepared, None
        if not exists:  # created only now, so that a failed restore leaves no empty database
            database = stack.enter_context(database_file.open_new_exclusive(path))
        database_file.remove_leftovers(path, but=tag)
        if prepared.new_kek:
            files.create(place.keys_dir, prepared.new_kek, now)
        return prepared, _switch(database, new, old if prepared.assessment.replaces else None, path, now)


def _switch(database: ExclusiveDatabase, new: Path, old: Path | None, path: Path, now: int) -> Path | None:
    """Overwrite the database. Returns where the old one is kept; None if it is not kept."""
    stamp = datetime.fromtimestamp(now / SECOND, UTC).strftime("%Y%m%dT%H%M%S%fZ")
    kept = database_file.keep_replaced(old, path, stamp) if old else None
    try:
        database.overwrite_with(new)
    except BaseException:
        if kept:
            kept.unlink()
        raise
    return kept


def _prepare(place: Place, new: Path, old: Path, request: RestoreRequest, now: int, stack: ExitStack) -> Prepared:
    with database_file.transaction(new) as connection:
        opened = _open(connection, request.passphrase)
        merge.attach(connection, old)
        prepared = _merge(place, connection, opened, request, now, stack)
    database_file.make_single_file(new)
    return prepared


def _open(connection: Connection, passphrase: str) -> OpenedBackup:
    """Decrypt the backup and upgrade it to this version's schema. Its keys stay wrapped under the passphrase."""
    opened = archive.decrypt(connection, passphrase)
    try:
        migrations.upgrade(connection)
    except Misconfigured as error:
        raise UnreadableBackup(archive.NEWER) from error
    return opened


def _merge(
    place: Place, connection: Connection, opened: OpenedBackup, request: RestoreRequest, now: int, stack: ExitStack
) -> Prepared:
    """Merge both databases. Keys that this generates in a key service are destroyed if `stack` ends with an error."""
    replaced = merge.replaced_state(connection)
    keks, new_kek = _key_encryption_keys(place, replaced is None)
    keys = stack.enter_context(NewKeys(keks, place.key_service()))
    context = RestoreContext(keys, place.policy, place.max_token_ttl, now, system.new_key)
    plan = key_merge.plan_keys(connection, opened, replaced, request.revoked, context, emergency=request.emergency)
    assessment = Assessment(opened.made_at, replaced is not None, plan)
    if request.dry_run:
        context = replace(context, keys=NewKeys(keks))  # a dry run leaves no key in a key service
    elif plan.is_emergency and not request.emergency:
        raise EmergencyNeeded(assessment)
    unpublished = key_merge.write_keys(connection, plan, context)
    sign_in_merge.end_unfinished(connection)
    merged = merge.merge(connection, now) if replaced else None
    ended = merge.end_all(connection, now) if request.end_logins else 0
    _record(connection, opened, request, now, ended + (merged.authorizations_ended if merged else 0))
    state, active = signing_keys.load(connection), merge.count_active(connection, now)
    return Prepared(assessment, state.signing_keys, unpublished, merged, active, ended, new_kek)


def _record(connection: Connection, opened: OpenedBackup, request: RestoreRequest, now: int, ended: int) -> None:
    fields = {"backup of": utc(opened.made_at), "ended": counted(ended, "authorization")}
    events.add(connection, now, [AuditRecord("database_restored", request.actor, detail=detail(fields))])


def _key_encryption_keys(place: Place, may_be_made: bool) -> tuple[KeyEncryptionKeys, bytes | None]:
    """Return the keys, and the new one among them that is not in a file yet, if any."""
    keks = place.key_encryption_keys()
    if keks:
        return keks, None
    if not may_be_made:
        raise Misconfigured(_LOST_KEK)
    key = system.new_key()
    return KeyEncryptionKeys({"new": key}), key
