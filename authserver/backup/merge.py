"""Merges the replaced database into the restored one. It is attached to the connection as `replaced`.

The replaced database may have another revision of the schema: only columns that every revision has are used.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from sqlalchemy import Connection, Table, delete, exists, func, insert, select, true, update
from sqlalchemy.dialects import sqlite

from ..domain.models import RefreshTokenKey, SigningKey, SubjectKey
from ..store import session_ends, signing_keys
from ..store.schema import authorizations, clients, denied_tokens, events, outbox, refresh_keys, subject_keys, users
from ..store.schema import signing_keys as key_table
from ..store.signing_keys import KeyState
from . import sign_in_merge
from .replaced import has, has_column, replaced

_REASON = "restored"
_CREDENTIALS = ("secret_hash", "secret_expires_at", "previous_secret_hash", "previous_secret_expires_at")
_DELETION = ("delete_at", "disabled")
_PROGRESS = ("generation", "rotated_at", "rotated_from", "idle_expires_at")


@dataclass(frozen=True, slots=True)
class MergeReport:
    """How many rows of the backup were ended or disabled, and how many rows are missing in the backup."""

    authorizations_ended: int
    users_disabled: int
    clients_disabled: int
    users_lost: int
    clients_lost: int


def attach(connection: Connection, path: Path) -> None:
    connection.exec_driver_sql("ATTACH ? AS replaced", (str(path),))


def replaced_state(connection: Connection) -> KeyState | None:
    """Return the keys of the replaced database. Returns None if it has no tables or no keys: then it never served, and
    nothing in it was ever ended."""
    if not has(connection, key_table):
        return None
    keys, refresh = replaced(key_table), replaced(refresh_keys)
    rows = connection.execute(select(*(keys.c[field.name] for field in fields(SigningKey)))).all()
    if not rows:
        return None
    others = connection.execute(select(*(refresh.c[field.name] for field in fields(RefreshTokenKey))))
    return KeyState(
        tuple(SigningKey(**row._asdict() | {"public": json.loads(row.public)}) for row in rows),
        tuple(RefreshTokenKey(*row) for row in others),
        subject_key=_replaced_subject_key(connection),
    )


def _replaced_subject_key(connection: Connection) -> SubjectKey | None:
    row = connection.execute(select(replaced(subject_keys))).first() if has(connection, subject_keys) else None
    return SubjectKey(*row) if row else None


def put_keys(connection: Connection, keys: Iterable[SigningKey], refresh: Iterable[RefreshTokenKey]) -> None:
    """Replace the keys in the database."""
    connection.execute(delete(key_table))
    connection.execute(delete(refresh_keys))
    for key in keys:
        signing_keys.add(connection, key)
    for refresh_key in refresh:
        signing_keys.add_refresh_key(connection, refresh_key)


def merge(connection: Connection, now: int) -> MergeReport:
    """Apply what was ended, disabled or changed for security since the backup. `now` is in microseconds."""
    _keep_deletions(connection)
    active = count_active(connection, now)
    enabled = _count_enabled(connection, users), _count_enabled(connection, clients)
    _keep_passwords(connection)
    _keep_client_secrets(connection)
    for owners in (users, clients):
        _keep_disabled(connection, owners)
    _keep_ended(connection, now)
    sign_in_merge.keep_ended(connection, now)
    _keep_denied(connection)
    _keep_events(connection)
    _keep_outbox(connection)
    return MergeReport(
        authorizations_ended=active - count_active(connection, now),
        users_disabled=enabled[0] - _count_enabled(connection, users),
        clients_disabled=enabled[1] - _count_enabled(connection, clients),
        users_lost=_count_lost(connection, users),
        clients_lost=_count_lost(connection, clients),
    )


def end_all(connection: Connection, now: int) -> int:
    """End every authorization and every browser session. Returns how many authorizations were active."""
    active = count_active(connection, now)
    session_ends.end_all(connection, now)
    ended = update(authorizations).where(authorizations.c.revoked_at.is_(None))
    connection.execute(ended.values(revoked_at=now, revoked_reason=_REASON))
    return active


def count_active(connection: Connection, now: int) -> int:
    unended = (authorizations.c.revoked_at.is_(None), authorizations.c.idle_expires_at > now)
    return connection.execute(select(func.count()).select_from(authorizations).where(*unended)).scalar_one()


def _keep_passwords(connection: Connection) -> None:
    """Keep passwords that were changed since the backup."""
    old = replaced(users)
    changed = (users.c.id == old.c.id, old.c.credential_version > users.c.credential_version)
    values = {name: old.c[name] for name in ("password_hash", "credential_version")}
    connection.execute(update(users).where(*changed).values(values))


def _keep_deletions(connection: Connection) -> None:
    """Take deletion requests from the replaced database: a user who has cancelled one since the backup must not be
    deleted."""
    if has_column(connection, users.c.delete_at):
        old = replaced(users)
        changed = (users.c.id == old.c.id, users.c.delete_at.is_distinct_from(old.c.delete_at))
        connection.execute(update(users).where(*changed).values({name: old.c[name] for name in _DELETION}))


def _keep_client_secrets(connection: Connection) -> None:
    old = replaced(clients)
    values = {name: old.c[name] for name in _CREDENTIALS}
    connection.execute(update(clients).where(clients.c.id == old.c.id).values(values))


def _keep_disabled(connection: Connection, owners: Table) -> None:
    """Keep users or clients disabled. Deleted ones return as disabled: they may have been deleted for security."""
    old = replaced(owners)
    accepted = exists().where(old.c.id == owners.c.id, old.c.disabled.is_(False))
    connection.execute(update(owners).where(~accepted).values(disabled=True))


def _keep_ended(connection: Connection, now: int) -> None:
    """End the authorizations that are missing in the replaced database: they had ended there. The others get the later
    state, including the generation, so that a used token does not become valid again."""
    rows, old = authorizations.c, replaced(authorizations)
    same = rows.id == old.c.id
    unended = rows.revoked_at.is_(None)
    gone = update(authorizations).where(unended, ~exists().where(same))
    connection.execute(gone.values(revoked_at=now, revoked_reason=_REASON))
    ended = update(authorizations).where(same, unended, old.c.revoked_at.is_not(None))
    connection.execute(ended.values(revoked_at=old.c.revoked_at, revoked_reason=old.c.revoked_reason))
    further = update(authorizations).where(same, old.c.generation >= rows.generation)
    connection.execute(further.values({name: old.c[name] for name in _PROGRESS}))


def _keep_denied(connection: Connection) -> None:
    old = replaced(denied_tokens)
    columns = ["jti", "expires_at"]
    rows = select(*(old.c[name] for name in columns)).where(
        true()
    )  # otherwise SQLite parses ON CONFLICT as a join condition
    connection.execute(sqlite.insert(denied_tokens).from_select(columns, rows).on_conflict_do_nothing())


def _keep_events(connection: Connection) -> None:
    """Keep the audit trail of the replaced database: a restore must not hide what was done since the backup. Events
    that only the backup has get new ids, after all others, if their ids are in use."""
    if not has(connection, events):
        return
    old = replaced(events)
    same = exists().where(old.c.id == events.c.id, old.c.at == events.c.at, old.c.event == events.c.event)
    connection.execute(delete(events).where(same))
    ids = (select(func.coalesce(func.max(rows.c.id), 0)).scalar_subquery() for rows in (old, events))
    in_use = events.c.id.in_(select(old.c.id))
    connection.execute(update(events).where(in_use).values(id=events.c.id + func.max(*ids)))
    columns = [column.name for column in events.c]
    connection.execute(insert(events).from_select(columns, select(*(old.c[name] for name in columns))))


def _keep_outbox(connection: Connection) -> None:
    """Keep what the replaced database still had to send. Messages that wait in the backup were sent since, or wait
    there too."""
    if has(connection, outbox):
        columns = [column.name for column in outbox.c]
        rows = select(*(replaced(outbox).c[name] for name in columns))
        connection.execute(delete(outbox))
        connection.execute(insert(outbox).from_select(columns, rows))


def _count_enabled(connection: Connection, owners: Table) -> int:
    return connection.execute(select(func.count()).select_from(owners).where(~owners.c.disabled)).scalar_one()


def _count_lost(connection: Connection, owners: Table) -> int:
    old = replaced(owners)
    lost = ~exists().where(owners.c.id == old.c.id)
    return connection.execute(select(func.count()).select_from(old).where(lost)).scalar_one()
