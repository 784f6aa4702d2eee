"""Stores browser sessions: one row for each user and browser. Only a hash of the cookie's secret is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, false, insert, select, update

from ..domain.models import Session, User
from ..domain.outbox import NewMessage
from ..domain.record import record
from . import interactions, outbox
from .changes import Change
from .driver import select_many
from .rows import row_of
from .schema import sessions as table
from .schema import users
from .session_ends import ENDED, EndOthers, EndSession, end_many, end_one, end_others_many
from .users import Rehashed, of_row, write_rehashed

_SECRET_HASH = table.c.keys().index("secret_hash")
_WITH_USERS = select(table, users).join(users, users.c.id == table.c.user_id)
_BY_HASHES = _WITH_USERS.where(table.c.secret_hash.in_(bindparam("hashes", expanding=True)))
_IS_ACTIVE = table.c.ended_at.is_(None)
_RENEWED = ("secret_hash", "credential_version", "authenticated_at", "amr", "kept", "seen_at", "idle_expires_at")
_RENEW = (
    update(table)
    .where(table.c.id == bindparam("key"), _IS_ACTIVE)
    .values({name: bindparam(f"new_{name}") for name in (*_RENEWED, "expires_at", "network", "device")})
)
# Out of LOCK_ORDER: a session that is in use at this moment is not the one idle longest.
_BEYOND_LIMIT = (
    select(table.c.id)
    .where(
        table.c.user_id == bindparam("user"),
        table.c.id != bindparam("new"),
        _IS_ACTIVE,
        table.c.idle_expires_at > bindparam("at"),
    )
    .order_by(table.c.idle_expires_at.desc(), table.c.id)
    .offset(bindparam("others"))
    .with_for_update(skip_locked=True)
)
_RESTORE = (
    update(users)
    .where(users.c.id == bindparam("user"), users.c.delete_at.is_not(None))
    .values(disabled=false(), delete_at=None)
)


@record(frozen=True, slots=True)
class SignedIn:
    """A session, which may have ended, and its user."""

    session: Session
    user: User


@dataclass(frozen=True, slots=True)
class BeginSession:
    """What `begin_many` applies: a sign-in with a browser."""

    session: Session
    before: Session | None
    """The session that the browser had. That of the same user is renewed, and keeps its id; another user's ends."""
    interaction_id: bytes | None
    """The interaction that the user signed in for; None if a page of the account asked for it."""
    rehashed: str | None
    """The user's password, hashed with the current parameters; None if it need not be written."""
    limit: int = 100
    """How many active sessions the user may have. Beyond that, those that were idle longest end."""
    ended: list[bytes] = field(default_factory=list)
    """Gets the ids of the sessions that ended."""
    restores: bool = False
    """Whether the user had asked to be deleted, and now comes back."""
    mails: Sequence[NewMessage] = ()
    """Sent if the user comes back."""

    @property
    def renewed(self) -> Session | None:
        before = self.before
        return before if before is not None and before.user_id == self.session.user_id else None


def load_many(connection: Connection, hashes: Sequence[bytes]) -> Mapping[bytes, SignedIn]:
    """Return the sessions by the hashes of their secrets."""
    return {row[_SECRET_HASH]: _signed_in(row) for row in select_many(connection, _BY_HASHES, hashes)}


def load(connection: Connection, id: bytes) -> SignedIn | None:
    row = connection.execute(_WITH_USERS.where(table.c.id == id)).first()
    return _signed_in(row) if row else None


def newest(connection: Connection, *, user_id: str | None, active_at: int | None, limit: int) -> list[SignedIn]:
    """Return at most `limit` sessions, the newest first. If `user_id` or `active_at` are given, return only that
    user's, only those that are active at that time."""
    statement = _WITH_USERS
    if user_id is not None:
        statement = statement.where(table.c.user_id == user_id)
    if active_at is not None:
        statement = statement.where(*_active(active_at))
    newest_first = statement.order_by(table.c.created_at.desc(), table.c.id).limit(limit)
    return [_signed_in(row) for row in connection.execute(newest_first)]


def begin_many(connection: Connection, begins: Sequence[BeginSession], now: int) -> None:
    """Begin or renew the sessions, and note in the interactions who signed in."""
    for begin in begins:
        if begin.restores and connection.execute(_RESTORE, {"user": begin.session.user_id}).rowcount:
            outbox.add_many(connection, begin.mails, now)
        _begin(connection, begin, now)
    rehashed = [Rehashed(begin.session.user_id, begin.session.credential_version, begin.rehashed) for begin in begins]
    write_rehashed(connection, rehashed)


def end(id: bytes, *, reason: str = ENDED, offline: bool = False) -> Change:
    """End the session, with its unused codes and the authorizations that end with it, for which `reason` is stored;
    with `offline`, those with offline_access end, too. The guard fails if it had ended already.

    Within another change, use `session_ends.end_one`."""
    table, row = _first_lock(offline, id)
    return Change(end_many, table, row, EndSession(id, reason, offline))


def end_others(
    user_id: str, *, keep: bytes | None, reason: str = ENDED, offline: bool = False, ended: list[bytes]
) -> Change:
    """End all of the user's sessions except `keep`, each as `end` does. `ended` gets the ids of those that ended.

    Within another change, use `session_ends.end_of_user`."""
    table, row = _first_lock(offline, keep or b"")
    return Change(end_others_many, table, row, EndOthers(user_id, keep, reason, offline, ended))


def _first_lock(offline: bool, id: bytes) -> tuple[str, bytes]:
    """Return the table and row that rank a change: offline authorizations are locked before any other row."""
    return ("authorizations", b"") if offline else ("sessions", id)


def _begin(connection: Connection, begin: BeginSession, now: int) -> None:
    renewed = begin.renewed
    if renewed is not None:
        _note_sign_in(connection, begin, renewed.id)
        if renew(connection, replace(begin.session, id=renewed.id)):
            return
    elif begin.before is not None:
        end_one(connection, begin.before.id, now=now)
    _note_sign_in(connection, begin, begin.session.id)
    connection.execute(insert(table), _values(begin.session))
    _end_idlest(connection, begin, now)


def _note_sign_in(connection: Connection, begin: BeginSession, session_id: bytes) -> None:
    if begin.interaction_id is not None:
        interactions.note_sign_in(connection, begin.interaction_id, session_id)


def _end_idlest(connection: Connection, begin: BeginSession, now: int) -> None:
    session = begin.session
    owner = {"user": session.user_id, "new": session.id, "at": now, "others": begin.limit - 1}
    begin.ended[:] = connection.execute(_BEYOND_LIMIT, owner).scalars()  # a group that was rolled back is run again
    for id in begin.ended:
        end_one(connection, id, now=now)


def renew(connection: Connection, session: Session) -> bool:
    """Write the session with a new secret, within another change. Returns False if it has ended in the meantime."""
    values = {f"new_{name}": value for name, value in _values(session).items()}
    return connection.execute(_RENEW, {"key": session.id} | values).rowcount == 1


def _active(at: int) -> tuple[ColumnElement[bool], ...]:
    """The conditions of domain/session_state.py for an active session, in SQL."""
    version = table.c.credential_version == users.c.credential_version
    return _IS_ACTIVE, table.c.idle_expires_at > at, table.c.expires_at > at, version, ~users.c.disabled


def _signed_in(row: Any) -> SignedIn:
    id, secret_hash, user_id, version, created_at, authenticated_at, amr, kept, *others = row
    seen_at, idle_expires_at, expires_at, ended_at, network, device, *user = others
    times, ends = (created_at, authenticated_at), (seen_at, idle_expires_at, expires_at, ended_at)
    session = Session(
        id, secret_hash, user_id, version, *times, tuple(amr.split()), bool(kept), *ends, network, device or ""
    )
    return SignedIn(session, of_row(user))


def _values(session: Session) -> dict[str, Any]:
    return row_of(session, table) | {"amr": " ".join(session.amr)}
