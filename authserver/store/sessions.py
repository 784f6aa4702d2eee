"""Stores browser sessions: one row for each user and browser. Only a hash of the cookie's secret is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, insert, select, update

from ..domain.models import Session, User
from . import interactions
from .changes import Change
from .rows import row_of
from .schema import authorizations, codes, users
from .schema import sessions as table
from .users import Rehashed, write_rehashed

_WIDTH, _AMR = len(table.c), table.c.keys().index("amr")
_WITH_USERS = select(table, users).join(users, users.c.id == table.c.user_id)
_BY_HASHES = _WITH_USERS.where(table.c.secret_hash.in_(bindparam("hashes", expanding=True)))
_IS_ACTIVE = table.c.ended_at.is_(None)
_RENEWED = ("secret_hash", "credential_version", "authenticated_at", "amr", "kept", "seen_at", "idle_expires_at")
_RENEW = (
    update(table)
    .where(table.c.id == bindparam("key"), _IS_ACTIVE)
    .values({name: bindparam(f"new_{name}") for name in (*_RENEWED, "expires_at", "network")})
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
_END = update(table).where(table.c.id == bindparam("key"), _IS_ACTIVE).values(ended_at=bindparam("at"))
_FORGET_CODES = delete(codes).where(codes.c.session_id == bindparam("key"), codes.c.used_at.is_(None))
# Out of LOCK_ORDER. An authorization that a refresh has locked at this moment has ended all the same: its session has.
_ONLINE = (
    select(authorizations.c.id)
    .where(
        authorizations.c.session_id == bindparam("key"),
        authorizations.c.ends_with_session,
        authorizations.c.revoked_at.is_(None),
    )
    .with_for_update(skip_locked=True)
)
_REVOKE = (
    update(authorizations)
    .where(authorizations.c.id.in_(_ONLINE))
    .values(revoked_at=bindparam("at"), revoked_reason="session_ended")
)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session, which may have ended, and its user."""

    session: Session
    user: User


@dataclass(frozen=True, slots=True)
class BeginSession:
    """What `begin_many` applies: a sign-in during an interaction."""

    session: Session
    before: Session | None
    """The session that the browser had. That of the same user is renewed, and keeps its id; another user's ends."""
    interaction_id: bytes
    rehashed: str | None
    """The user's password, hashed with the current parameters; None if it need not be written."""
    limit: int = 100
    """How many active sessions the user may have. Beyond that, those that were idle longest end."""
    ended: list[bytes] = field(default_factory=list)
    """Gets the ids of those."""

    @property
    def renewed(self) -> Session | None:
        before = self.before
        return before if before is not None and before.user_id == self.session.user_id else None


def load_many(connection: Connection, hashes: Sequence[bytes]) -> Mapping[bytes, SignedIn]:
    """Return the sessions by the hashes of their secrets."""
    rows = connection.execute(_BY_HASHES, {"hashes": list(hashes)})
    return {row.secret_hash: _signed_in(row) for row in rows}


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
        _begin(connection, begin, now)
    rehashed = [
        Rehashed(begin.session.user_id, begin.session.credential_version, begin.rehashed)
        for begin in begins
        if begin.rehashed
    ]
    write_rehashed(connection, rehashed)


def end(id: bytes) -> Change:
    """End the session, with its unused codes and the authorizations that end with it. The guard fails if it had ended
    already."""
    return Change(_end_many, "sessions", id, id)


def _begin(connection: Connection, begin: BeginSession, now: int) -> None:
    renewed = begin.renewed
    if renewed is not None:
        interactions.note_sign_in(connection, begin.interaction_id, renewed.id)
        if _renew(connection, replace(begin.session, id=renewed.id)):
            return
    elif begin.before is not None:
        _end(connection, begin.before.id, now)
    interactions.note_sign_in(connection, begin.interaction_id, begin.session.id)
    connection.execute(insert(table), _values(begin.session))
    _end_idlest(connection, begin, now)


def _end_idlest(connection: Connection, begin: BeginSession, now: int) -> None:
    session = begin.session
    owner = {"user": session.user_id, "new": session.id, "at": now, "others": begin.limit - 1}
    begin.ended[:] = connection.execute(_BEYOND_LIMIT, owner).scalars()  # a group that was rolled back is run again
    for id in begin.ended:
        _end(connection, id, now)


def _end_many(connection: Connection, ids: Sequence[bytes], now: int) -> list[bool]:
    return [_end(connection, id, now) for id in ids]


def _end(connection: Connection, id: bytes, now: int) -> bool:
    row = {"key": id, "at": now}
    if connection.execute(_END, row).rowcount == 0:
        return False
    for statement in (_FORGET_CODES, _REVOKE):
        connection.execute(statement, row)
    return True


def _renew(connection: Connection, session: Session) -> bool:
    """Return False if it has ended in the meantime."""
    values = {f"new_{name}": value for name, value in _values(session).items()}
    return connection.execute(_RENEW, {"key": session.id} | values).rowcount == 1


def _active(at: int) -> tuple[ColumnElement[bool], ...]:
    """The conditions of domain/session_state.py for an active session, in SQL."""
    version = table.c.credential_version == users.c.credential_version
    return _IS_ACTIVE, table.c.idle_expires_at > at, table.c.expires_at > at, version, ~users.c.disabled


def _signed_in(row: Any) -> SignedIn:
    return SignedIn(_session(row), User(*row[_WIDTH:]))


def _session(row: Any) -> Session:
    values = list(row[:_WIDTH])
    values[_AMR] = tuple(values[_AMR].split())
    return Session(*values)


def _values(session: Session) -> dict[str, Any]:
    return row_of(session, table) | {"amr": " ".join(session.amr)}
