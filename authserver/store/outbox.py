"""Stores the emails and logout tokens to be sent. They are added in the transaction of the change that they report.

A queue has the messages for one receiver. The queues that have something to send are found by one look into the index
for each, however many messages wait in them, so that a receiver that is down costs the others nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, func, insert, select, text, update

from ..domain.audit import AuditRecord
from ..domain.outbox import KINDS, Message, NewMessage, latest_next_at
from .changes import Change
from .schema import outbox as table

_DUE_QUEUES = text(
    """
    WITH RECURSIVE queues (name) AS (
        SELECT min(queue) FROM outbox WHERE next_at IS NOT NULL
        UNION ALL
        SELECT (SELECT min(queue) FROM outbox WHERE next_at IS NOT NULL AND queue > name)
        FROM queues WHERE name IS NOT NULL
    )
    SELECT name FROM queues WHERE name IS NOT NULL AND (
        (SELECT min(next_at) FROM outbox WHERE queue = name AND next_at IS NOT NULL) <= :now
        OR (SELECT max(next_at) FROM outbox WHERE queue = name AND next_at IS NOT NULL) > :latest
    )
    """
)
_OF_QUEUE = select(table).where(table.c.queue == bindparam("queue")).order_by(table.c.next_at).limit(bindparam("limit"))
_DUE = _OF_QUEUE.where(table.c.next_at <= bindparam("now"))
_FROM_THE_FUTURE = _OF_QUEUE.where(table.c.next_at > bindparam("latest"))
_OF_SESSION = select(table).where(table.c.session_id == bindparam("key")).order_by(table.c.id)
_BY_ID = select(table).where(table.c.id == bindparam("key"))
_NEWEST = select(table).order_by(table.c.id.desc()).limit(bindparam("limit"))
_RETRY = (
    update(table)
    .where(table.c.id == bindparam("key"), ~table.c.is_delivered)
    .values(next_at=bindparam("now"), finished_at=None)
)
# A queue's name is its kind, a space and the receiver; "!" comes after the space.
_BACKLOG = select(func.count(), func.min(table.c.created_at)).where(
    table.c.next_at.is_not(None), table.c.queue >= bindparam("first"), table.c.queue < bindparam("after")
)
_CHANGING = ("next_at", "failures", "reason", "finished_at", "is_delivered")
_ADVANCE = (
    update(table)
    .where(table.c.id == bindparam("key"), table.c.next_at == bindparam("old_next_at"))
    .values({name: bindparam(f"new_{name}") for name in _CHANGING})
)


class Due(NamedTuple):
    queue: str
    now: int
    """In microseconds."""
    limit: int
    """How many messages to load."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The messages that wait because an attempt has failed."""

    queue: str
    count: int
    created_at: int
    """Of the oldest."""
    next_at: int
    """The next attempt."""
    reason: str
    """Why one of them failed last."""


class Backlog(NamedTuple):
    """The messages of one kind that wait to be sent."""

    messages: int
    oldest: int | None
    """When the oldest was added (microseconds); None if there is none."""


def add_many(connection: Connection, messages: Sequence[NewMessage], now: int) -> None:
    """Add messages to be sent at once, in the caller's transaction. `now` is in microseconds."""
    if messages:
        connection.execute(insert(table), [_values(message, now) for message in messages])


def add(*messages: NewMessage) -> Change:
    """Add messages to be sent at once."""
    return Change(_add_many, "outbox", 0, messages)


def due_queues_many(connection: Connection, times: Sequence[int]) -> Mapping[int, tuple[str, ...]]:
    """A loader of the names of the queues that have something to send at a time (microseconds)."""
    return {now: tuple(connection.execute(_DUE_QUEUES, _bounds(now)).scalars()) for now in times}


def due_many(connection: Connection, keys: Sequence[Due]) -> Mapping[Due, tuple[Message, ...]]:
    """A loader of the messages of a queue that are to be sent next."""
    return {key: _due(connection, key) for key in keys}


def advance(old: Message, new: Message, *records: AuditRecord) -> Change:
    """Replace the state of a message. The guard fails if another process has changed it."""
    return Change(_advance_many, "outbox", old.id, (old, new), (lambda: records) if records else None)


def of_session(connection: Connection, session_id: bytes) -> list[Message]:
    """Return the messages that tell of a session, the oldest first."""
    return [_message(row) for row in connection.execute(_OF_SESSION, {"key": session_id})]


def backlog_many(connection: Connection, _keys: Sequence[None]) -> Mapping[None, Mapping[str, Backlog]]:
    """A loader of what waits, by kind; the only key is None."""
    bounds = {kind: {"first": f"{kind} ", "after": f"{kind}!"} for kind in KINDS}
    return {None: {kind: Backlog(*connection.execute(_BACKLOG, each).one()) for kind, each in bounds.items()}}


def load(connection: Connection, id: int) -> Message | None:
    row = connection.execute(_BY_ID, {"key": id}).first()
    return _message(row) if row else None


def newest(connection: Connection, *, limit: int, delivered: bool = False) -> list[Message]:
    """Return at most `limit` messages, the newest first: those that were not delivered, or all."""
    statement = _NEWEST if delivered else _NEWEST.where(~table.c.is_delivered)
    return [_message(row) for row in connection.execute(statement, {"limit": limit})]


def retry(connection: Connection, id: int, now: int) -> bool:
    """Let the message be sent at once. Returns False if it was delivered, or does not exist."""
    return connection.execute(_RETRY, {"key": id, "now": now}).rowcount == 1


def failing(connection: Connection) -> list[Waiting]:
    """Return the queues with messages that have failed and wait for the next attempt."""
    columns = func.count(), func.min(table.c.created_at), func.min(table.c.next_at), func.max(table.c.reason)
    waits = table.c.next_at.is_not(None), table.c.failures > 0
    queues = select(table.c.queue, *columns).where(*waits).group_by(table.c.queue).order_by(table.c.queue)
    return [Waiting(*row) for row in connection.execute(queues)]


def _add_many(connection: Connection, many: Sequence[Sequence[NewMessage]], now: int) -> list[bool]:
    add_many(connection, [message for messages in many for message in messages], now)
    return [True] * len(many)


def _due(connection: Connection, key: Due) -> tuple[Message, ...]:
    values = {"queue": key.queue, "limit": key.limit}
    rows = [
        row
        for statement in (_DUE, _FROM_THE_FUTURE)
        for row in connection.execute(statement, values | _bounds(key.now))
    ]
    return tuple(_message(row) for row in rows[: key.limit])


def _bounds(now: int) -> dict[str, Any]:
    return {"now": now, "latest": latest_next_at(now)}


def _advance_many(connection: Connection, changes: Sequence[tuple[Message, Message]], _now: int) -> list[bool]:
    return [_advance(connection, old, new) for old, new in changes]


def _advance(connection: Connection, old: Message, new: Message) -> bool:
    values = {f"new_{name}": getattr(new, name) for name in _CHANGING}
    return connection.execute(_ADVANCE, {"key": old.id, "old_next_at": old.next_at} | values).rowcount == 1


def _values(message: NewMessage, now: int) -> dict[str, Any]:
    values = asdict(message)
    del values["kind"], values["receiver"]
    state = {"created_at": now, "next_at": now, "failures": 0, "reason": "", "is_delivered": False}
    return values | state | {"queue": message.queue, "content": json.dumps(message.content)}


def _message(row: Row[Any]) -> Message:
    values = dict(row._mapping)
    return Message(**values | {"content": json.loads(values["content"])})
