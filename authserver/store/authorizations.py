"""Stores authorizations: one row per login. The guarded UPDATEs here decide every race on a refresh token.

Each change has a constructor that the grants call (`rotate`) and a plural function that a group runs (`_rotate_many`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, exists, insert, or_, select, update

from ..domain.models import SECOND, Authorization, User
from ..domain.record import record
from .authorization_limit import Owner, beyond_limit
from .changes import Change, execute_guarded
from .driver import run_many, select_many
from .schema import authorizations as table
from .schema import clients, sessions, user_claims, users
from .users import Rehashed, claims_of, of_row, write_rehashed

_WIDTH, _USER_WIDTH = len(table.c), len(users.c)
_BY_IDS = table.c.id.in_(bindparam("ids", expanding=True))
_RECORDS = (
    select(table, users, sessions.c.idle_expires_at, sessions.c.expires_at, sessions.c.ended_at)
    .join(users, users.c.id == table.c.subject, isouter=True)
    .join(sessions, and_(table.c.ends_with_session, sessions.c.id == table.c.session_id), isouter=True)
)
_WITH_USERS = _RECORDS.where(_BY_IDS)
_WITH_CLAIMS = _WITH_USERS.add_columns(user_claims.c.claims).join(
    user_claims, user_claims.c.user_id == table.c.subject, isouter=True
)
_ADD = insert(table)
_UNREVOKED = table.c.revoked_at.is_(None)
_GUARD = (table.c.id == bindparam("key"), table.c.generation == bindparam("seen"), _UNREVOKED)
_ROTATE = (
    update(table)
    .where(*_GUARD)
    .values(
        generation=bindparam("next"),
        rotated_at=bindparam("at"),
        rotated_from=bindparam("from"),
        idle_expires_at=bindparam("idle_until"),
    )
)
_USE = update(table).where(*_GUARD).values(idle_expires_at=bindparam("idle_until"))
# FOR UPDATE, on PostgreSQL: the confirmed row must not change before our COMMIT. FOR SHARE would be enough, but two
# nodes that share a row and then both write it would deadlock.
_CONFIRM = (
    select(table.c.id, table.c.generation)
    .where(table.c.id.in_(bindparam("ids", expanding=True)), _UNREVOKED)
    .order_by(table.c.id)
    .with_for_update()
)
_REVOKE = (
    update(table)
    .where(table.c.id == bindparam("key"), _UNREVOKED)
    .values(revoked_at=bindparam("at"), revoked_reason=bindparam("reason"))
)
# In the order of their ids, in which every group locks them.
_ACTIVE = (
    select(table.c.id)
    .join(users, users.c.id == table.c.subject)
    .where(
        table.c.subject == bindparam("subject"),
        table.c.credential_version == users.c.credential_version,
        table.c.idle_expires_at > bindparam("at"),
        _UNREVOKED,
    )
    .order_by(table.c.id)
    .with_for_update(of=table)
)
_ACTIVE_AT_CLIENT = _ACTIVE.where(table.c.client_id == bindparam("client"))


@record(frozen=True, slots=True)
class AuthorizationRecord:
    authorization: Authorization
    user: User | None


@record(frozen=True, slots=True)
class Begin:
    """What `begin` adds, and where it puts the ids of those that end."""

    authorization: Authorization
    limit: int
    rehashed: str | None
    ended: list[bytes]


@record(frozen=True, slots=True, eq=False)  # compared by identity: two requests may want the same change
class _Advance:
    id: bytes
    seen: int
    next: int
    network: str
    idle_ttl: int
    expires_at: int


def load_many(connection: Connection, ids: Sequence[bytes]) -> Mapping[bytes, AuthorizationRecord]:
    return {row[0]: _loaded(row) for row in select_many(connection, _WITH_USERS, ids)}


def load_with_claims_many(connection: Connection, ids: Sequence[bytes]) -> Mapping[bytes, AuthorizationRecord]:
    """Like `load_many`, with the claims of the users: for clients whose tokens contain some."""
    rows = select_many(connection, _WITH_CLAIMS, ids)
    return {row[0]: _loaded(row, claims_of(row[-1])) for row in rows}


def begin(
    authorization: Authorization, *, limit: int, rehashed: str | None = None, ended: list[bytes] | None = None
) -> Change:
    """Add the authorization. Its user has at most `limit` active ones at its client: beyond that, those that were idle
    longest end, and `ended` gets their ids. `rehashed` is the user's password, hashed with the current parameters; it
    is written if the password has not changed since it was verified."""
    begin = Begin(authorization, limit, rehashed, [] if ended is None else ended)
    return Change(begin_many, "users", authorization.subject, begin)


def rotate(authorization: Authorization, *, next: int, network: str, idle_ttl: int) -> Change:
    """Advance the generation to `next`, if it has not changed since it was loaded and the row is not revoked."""
    return _guarded(_rotate_many, authorization, next, network, idle_ttl)


def use(authorization: Authorization, *, idle_ttl: int) -> Change:
    """Move only the idle end: for clients without rotation."""
    return _guarded(_use_many, authorization, authorization.generation, "", idle_ttl)


def confirm(authorization: Authorization) -> Change:
    """Write nothing. The guard holds only if the row still has the loaded generation and is not revoked, after the
    group's writes."""
    return _guarded(_confirm_many, authorization, authorization.generation, "", 0)


def revoke(authorization_id: bytes, *, reason: str) -> Change:
    """End the authorization. The guard fails if it had ended already."""
    return Change(_revoke_many, "authorizations", authorization_id, (authorization_id, reason))


def newest(
    connection: Connection, *, subject: str | None, client_id: str | None, active_at: int | None, limit: int
) -> list[AuthorizationRecord]:
    """Return at most `limit` authorizations, the newest first. If `subject`, `client_id` or `active_at` are given,
    return only that user's, only that client's, only those that are active at that time."""
    statement = _RECORDS
    for column, value in ((table.c.subject, subject), (table.c.client_id, client_id)):
        if value is not None:
            statement = statement.where(column == value)
    if active_at is not None:
        statement = statement.where(*_active(active_at))
    newest_first = statement.order_by(table.c.created_at.desc(), table.c.id).limit(limit)
    return [_loaded(row) for row in connection.execute(newest_first)]


def _active(at: int) -> tuple[ColumnElement[bool], ...]:
    """The conditions of domain/authorization_state.py for an active authorization among _RECORDS, in SQL."""
    enabled = exists().where(clients.c.id == table.c.client_id, ~clients.c.disabled)
    version = table.c.credential_version == users.c.credential_version
    in_session = and_(sessions.c.ended_at.is_(None), sessions.c.idle_expires_at > at, sessions.c.expires_at > at)
    online = or_(table.c.ends_with_session.is_not(True), in_session)
    return (
        online,
        _UNREVOKED,
        table.c.idle_expires_at > at,
        table.c.expires_at > at,
        version,
        ~users.c.disabled,
        enabled,
    )


def end_of_user(connection: Connection, subject: str, *, client_id: str | None = None, reason: str, now: int) -> int:
    """End every active authorization of the user, or only those at one client. Returns how many ended."""
    statement = _ACTIVE if client_id is None else _ACTIVE_AT_CLIENT
    active = connection.execute(statement, {"subject": subject, "at": now, "client": client_id}).scalars().all()
    if active:
        connection.execute(_REVOKE, [{"key": id, "at": now, "reason": reason} for id in active])
    return len(active)


def count_active(connection: Connection, subject: str, now: int) -> int:
    """Return how many authorizations `end_of_user` would end."""
    return len(connection.execute(_ACTIVE, {"subject": subject, "at": now}).all())


def _guarded(apply: Any, authorization: Authorization, next: int, network: str, idle_ttl: int) -> Change:
    advance = _Advance(authorization.id, authorization.generation, next, network, idle_ttl, authorization.expires_at)
    return Change(apply, "authorizations", authorization.id, advance)


def _loaded(row: Any, claims: Mapping[str, Any] | None = None) -> AuthorizationRecord:
    id, client_id, subject, scope, resources, *others = row[:_WIDTH]
    user, session = row[_WIDTH : _WIDTH + _USER_WIDTH], row[_WIDTH + _USER_WIDTH :][:3]
    *others, session_id, ends_with_session, amr, requested_claims = others
    others += [session_id, bool(ends_with_session), tuple(amr.split()) if amr else (), requested_claims or ""]
    others.append(_session_end(*session) if ends_with_session else None)
    return AuthorizationRecord(
        Authorization(id, client_id, subject, tuple(scope.split()), tuple(resources.split()), *others),
        of_row(user, claims) if user[0] else None,
    )


def _session_end(idle_expires_at: int | None, expires_at: int | None, ended_at: int | None) -> int:
    """Return when the session ended or will end; 0 if its row is gone."""
    ends = [end for end in (idle_expires_at, expires_at, ended_at) if end is not None]
    return min(ends, default=0)


def begin_many(connection: Connection, begins: Sequence[Begin], now: int) -> list[bool]:
    """Apply many `begin`s, which must be sorted by user."""
    run_many(connection, _ADD, [_values(begin.authorization) for begin in begins])
    _end_idlest(connection, begins, now)
    rehashed = [
        Rehashed(begin.authorization.subject, begin.authorization.credential_version, begin.rehashed)
        for begin in begins
    ]
    write_rehashed(connection, rehashed)
    return [True] * len(begins)


def _end_idlest(connection: Connection, begins: Sequence[Begin], now: int) -> None:
    for begin in begins:
        begin.ended.clear()  # a group that was rolled back is run again
    newest = {(begin.authorization.subject, begin.authorization.client_id): begin for begin in begins}
    owners = [Owner(*owner, begin.authorization.id, begin.limit) for owner, begin in newest.items()]
    idlest = beyond_limit(connection, owners, now)
    for id, owner in idlest:
        newest[owner].ended.append(id)
    if idlest:
        connection.execute(_REVOKE, [{"key": id, "at": now, "reason": "too_many"} for id, _ in idlest])


def _rotate_many(connection: Connection, advances: Sequence[_Advance], now: int) -> list[bool]:
    """Rotate each row of a group once: after the first change of a row, the guards of the others cannot hold, so they
    are not sent."""
    first = _first_of_each(advances)
    rows = [
        _row(advance, now) | {"next": advance.next, "at": now, "from": advance.network} for advance in first.values()
    ]
    held = execute_guarded(connection, _ROTATE, rows)
    return [held and first[advance.id, advance.seen] is advance for advance in advances]


def _use_many(connection: Connection, advances: Sequence[_Advance], now: int) -> list[bool]:
    """All changes of a row with the same generation hold or fail together: using a token does not use it up."""
    rows = [_row(advance, now) for advance in _first_of_each(advances).values()]
    return [execute_guarded(connection, _USE, rows)] * len(advances)


def _first_of_each(advances: Sequence[_Advance]) -> dict[tuple[bytes, int], _Advance]:
    """Return the first change for each row and loaded generation. The database decides between changes that saw
    different generations of one row."""
    first: dict[tuple[bytes, int], _Advance] = {}
    for advance in advances:
        first.setdefault((advance.id, advance.seen), advance)
    return first


def _row(advance: _Advance, now: int) -> dict[str, Any]:
    idle_until = min(now + advance.idle_ttl * SECOND, advance.expires_at)
    return {"key": advance.id, "seen": advance.seen, "idle_until": idle_until}


def _confirm_many(connection: Connection, advances: Sequence[_Advance], _now: int) -> list[bool]:
    ids = list({advance.id for advance in advances})
    standing = {row.id: row.generation for row in connection.execute(_CONFIRM, {"ids": ids})}
    return [standing.get(advance.id) == advance.seen for advance in advances]


def _revoke_many(connection: Connection, revocations: Sequence[tuple[bytes, str]], now: int) -> list[bool]:
    """Revoke each row of a group once, for the first reason."""
    first: dict[bytes, int] = {}
    for place, (id, _) in enumerate(revocations):
        first.setdefault(id, place)
    rows = [{"key": id, "at": now, "reason": revocations[place][1]} for id, place in first.items()]
    held = execute_guarded(connection, _REVOKE, rows)
    return [held and first[id] == place for place, (id, _) in enumerate(revocations)]


def _values(authorization: Authorization) -> dict[str, Any]:
    """Return the row. To look each field up by its column's name takes 7 us longer."""
    return {
        "id": authorization.id,
        "client_id": authorization.client_id,
        "subject": authorization.subject,
        "scope": " ".join(authorization.scope),
        "resources": " ".join(authorization.resources),
        "created_at": authorization.created_at,
        "authenticated_at": authorization.authenticated_at,
        "credential_version": authorization.credential_version,
        "generation": authorization.generation,
        "rotated_at": authorization.rotated_at,
        "rotated_from": authorization.rotated_from,
        "idle_expires_at": authorization.idle_expires_at,
        "expires_at": authorization.expires_at,
        "revoked_at": authorization.revoked_at,
        "revoked_reason": authorization.revoked_reason,
        "refresh_key_id": authorization.refresh_key_id,
        "salt": authorization.salt,
        "session_id": authorization.session_id,
        "ends_with_session": authorization.ends_with_session,
        "amr": " ".join(authorization.amr),
        "requested_claims": authorization.requested_claims,
    }
