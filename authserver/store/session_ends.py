"""Ends sessions, and what ends with one: its unused codes and its online authorizations.

The clients of the session that have a back-channel logout URI are told: a message for each goes into the outbox, in the
same transaction.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Update, bindparam, delete, func, select, update

from ..domain.outbox import LOGOUT, NewMessage
from . import clients, outbox, upsert
from .driver import run_many
from .schema import authorizations, codes, session_clients
from .schema import sessions as table

ENDED = "session_ended"
"""The `revoked_reason` of authorizations that ended with their session."""
_IS_ACTIVE = table.c.ended_at.is_(None)
_END = update(table).where(table.c.id == bindparam("key"), _IS_ACTIVE).values(ended_at=bindparam("at"))
_OF_USER = (
    select(table.c.id)
    .where(table.c.user_id == bindparam("user"), table.c.id != bindparam("keep"), _IS_ACTIVE)
    .order_by(table.c.id)
)
_COUNT = (
    select(func.count())
    .select_from(table)
    .where(table.c.user_id == bindparam("user"), _IS_ACTIVE, table.c.idle_expires_at > bindparam("at"))
)
_FORGET_CODES = delete(codes).where(codes.c.session_id == bindparam("key"), codes.c.used_at.is_(None))
_UNREVOKED = authorizations.c.revoked_at.is_(None)
_OF_SESSIONS = (
    select(authorizations.c.id)
    .where(authorizations.c.session_id.in_(bindparam("keys", expanding=True)), _UNREVOKED)
    .order_by(authorizations.c.id)
    .with_for_update()
)


def _revoke(*conditions: ColumnElement[bool]) -> Update:
    """Return the statement. It locks rows out of LOCK_ORDER, so it skips locked ones: an online authorization that a
    refresh has locked at this moment has ended anyway, because its session has. Offline ones are locked before."""
    of_session = select(authorizations.c.id).where(
        authorizations.c.session_id == bindparam("key"), _UNREVOKED, *conditions
    )
    locked = of_session.with_for_update(skip_locked=True)
    ended: dict[str, Any] = {"revoked_at": bindparam("at"), "revoked_reason": bindparam("reason")}
    return update(authorizations).where(authorizations.c.id.in_(locked)).values(ended)


_REVOKE = {True: _revoke(), False: _revoke(authorizations.c.ends_with_session)}
"""By whether the offline ones end, too."""
_CLIENTS = (
    select(session_clients.c.client_id, table.c.user_id, table.c.id)
    .join(table, table.c.id == session_clients.c.session_id)
    .order_by(table.c.id, session_clients.c.client_id)
)
_CLIENTS_OF_ONE = _CLIENTS.where(table.c.id == bindparam("key"))


@dataclass(frozen=True, slots=True)
class EndSession:
    """What `end_many` applies."""

    id: bytes
    reason: str
    """The `revoked_reason` of the authorizations that end."""
    offline: bool
    """Whether the authorizations with `offline_access` end, too."""


@dataclass(frozen=True, slots=True)
class EndOthers:
    """What `end_others_many` applies: the user's sessions except `keep`, if there is one. `ended` gets their ids."""

    user_id: str
    keep: bytes | None
    reason: str
    offline: bool
    ended: list[bytes] = field(default_factory=list)


def end_many(connection: Connection, ends: Sequence[EndSession], now: int) -> list[bool]:
    offline = [end.id for end in ends if end.offline]
    if offline:
        connection.execute(_OF_SESSIONS, {"keys": offline})
    return [end_one(connection, end.id, reason=end.reason, offline=end.offline, now=now) for end in ends]


def end_others_many(connection: Connection, ends: Sequence[EndOthers], now: int) -> list[bool]:
    for end in ends:
        end.ended[:] = end_of_user(  # a group that was rolled back is run again
            connection, end.user_id, keep=end.keep, reason=end.reason, offline=end.offline, now=now
        )
    return [True] * len(ends)


def end_of_user(
    connection: Connection,
    user_id: str,
    *,
    keep: bytes | None = None,
    reason: str = ENDED,
    offline: bool = False,
    now: int,
) -> list[bytes]:
    """End the user's sessions except `keep`, within another change. Returns the ids of those that ended. For `offline`
    see `EndSession`; `now` is in microseconds."""
    ids = connection.execute(_OF_USER, {"user": user_id, "keep": keep or b""}).scalars().all()
    held = end_many(connection, [EndSession(id, reason, offline) for id in ids], now)
    return [id for id, has_ended in zip(ids, held, strict=True) if has_ended]


def end_one(connection: Connection, id: bytes, *, reason: str = ENDED, offline: bool = False, now: int) -> bool:
    """End the session, within another change. Returns False if it had ended already."""
    row = {"key": id, "at": now}
    if connection.execute(_END, row).rowcount == 0:
        return False
    # In this order: a code that is being redeemed is waited for, and then its client and authorization are seen.
    connection.execute(_FORGET_CODES, {"key": id})
    connection.execute(_REVOKE[offline], {**row, "reason": reason})
    _tell_clients(connection, connection.execute(_CLIENTS_OF_ONE, {"key": id}), now)
    return True


def count_active(connection: Connection, user_id: str, now: int) -> int:
    """Return how many sessions `end_of_user` would end that have not reached their end."""
    return connection.execute(_COUNT, {"user": user_id, "at": now}).scalar_one()


def end_all(connection: Connection, now: int) -> None:
    """End every session of every user; for a restore, which deletes codes and ends authorizations itself."""
    _tell_clients(connection, connection.execute(_CLIENTS.where(_IS_ACTIVE)), now)
    connection.execute(update(table).where(_IS_ACTIVE).values(ended_at=now))


def note_clients(connection: Connection, pairs: Collection[tuple[bytes, str]]) -> None:
    """Note that these clients signed a user in by these sessions: (session id, client id)."""
    if pairs:
        rows = [{"session_id": session_id, "client_id": client_id} for session_id, client_id in sorted(pairs)]
        run_many(connection, upsert.insert_missing(connection, session_clients), rows)


def _tell_clients(connection: Connection, rows: Iterable[Any], now: int) -> None:
    """Tell the clients that have a back-channel logout URI by now. The message contains neither the URI nor a key: it
    is sent with those that the client has then."""
    ended = list(rows)
    if not ended:
        return
    clients_by_id = clients.load_many(connection, sorted({client_id for client_id, _, _ in ended}))
    hearing = {id for id, client in clients_by_id.items() if client.backchannel_logout_uri}
    messages = [
        NewMessage(LOGOUT, client_id, user_id=user_id, client_id=client_id, session_id=id)
        for client_id, user_id, id in ended
        if client_id in hearing
    ]
    outbox.add_many(connection, messages, now)
