"""Deletes ended authorizations and sessions a day after their end, and used codes and device codes a day after their
use; denials of access tokens, interactions, links, unused codes and device codes, counters of attempts and known
networks when they have expired; messages in the outbox a day after they were delivered or given up; and old events of
the audit trail.

Each batch reads the next authorizations in the order of their ids. There is no index on when they end: that changes
with every refresh, and an index would double what a refresh writes. The row in `pruning` says how far pruning has got
and when it continues (`domain/pruning.py`). The process that advances the row gets the batch, so only one process
prunes at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Column, Connection, Delete, bindparam, delete, or_, select, tuple_, update

from ..domain.attempts import KNOWN_FOR
from ..domain.models import SECOND
from ..domain.pruning import BATCH, EVERY, Progress, next_at
from .changes import Change
from .schema import (
    attempts,
    authorizations,
    codes,
    denied_tokens,
    device_codes,
    events,
    interactions,
    known_networks,
    links,
    outbox,
    sessions,
)
from .schema import pruning as state

KEPT = 86400
"""Seconds for which an ended authorization is kept, so that `token inspect` can explain it."""
_COUNTERS_KEPT = 3600 * SECOND
"""Microseconds for which a counter without attempts is kept: it may be about to count the next one."""
_FIRST, _LAST = b"", b"\xff" * 17
"""Lower and higher than any id."""
_POSITION = select(state.c.position)
_MOVE_ON = update(state).where(
    state.c.position == bindparam("after"),
    # If the time is later than any that would be written now, the clock was set back.
    or_(state.c.next_at <= bindparam("now"), state.c.next_at > bindparam("latest")),
)
_BEGAN_AT = select(state.c.began_at)
_GO_ON_AT = update(state)
_END_OF_BATCH = (
    select(authorizations.c.id)
    .where(authorizations.c.id > bindparam("after"))
    .order_by(authorizations.c.id)
    .offset(BATCH - 1)
    .limit(1)
)
# The idle end is never after the absolute end. This locks rows out of LOCK_ORDER, so locked rows are left to the next
# pass.
_LONG_ENDED = (
    select(authorizations.c.id)
    .where(
        authorizations.c.id > bindparam("after"),
        authorizations.c.id <= bindparam("to"),
        or_(authorizations.c.idle_expires_at < bindparam("before"), authorizations.c.revoked_at < bindparam("before")),
    )
    .with_for_update(skip_locked=True)
)
_ENDED = delete(authorizations).where(authorizations.c.id.in_(_LONG_ENDED))


def _oldest(expires_at: Column[int]) -> Delete:
    """A batch of the rows of the column's table for which it is before `before`. Locked rows are left, as above."""
    table = expires_at.table
    key = tuple_(*table.primary_key)
    oldest = select(*table.primary_key).where(expires_at < bindparam("before")).order_by(expires_at).limit(BATCH)
    return delete(table).where(key.in_(oldest.with_for_update(skip_locked=True)))


_EXPIRED = (
    (_oldest(denied_tokens.c.expires_at), 0),
    (_oldest(attempts.c.expires_at), _COUNTERS_KEPT),
    (_oldest(known_networks.c.seen_at), KNOWN_FOR),
    (_oldest(interactions.c.expires_at), 0),
    (_oldest(links.c.expires_at), KEPT * SECOND),
    (_oldest(codes.c.delete_at), 0),
    (_oldest(device_codes.c.delete_at), 0),
    (_oldest(outbox.c.finished_at), KEPT * SECOND),
    # By the absolute end, which no use moves: an index on the end would double what each use writes.
    (_oldest(sessions.c.expires_at), KEPT * SECOND),
)
"""What else is deleted, and how long (in microseconds) it is kept after the time by which it is found."""
_EVENTS = _oldest(events.c.at)


@dataclass(frozen=True, slots=True)
class Batch:
    """The authorizations with ids above `after` up to `to`, or up to the last id for None."""

    after: bytes
    to: bytes | None
    latest: int | None = None
    """Only what had ended by this time is deleted (microseconds), in case the clock is ahead; None for no limit."""
    audit_retention: int = 0
    """Seconds for which events are kept; 0 is for ever."""


def next_batch_many(connection: Connection, _keys: Sequence[None]) -> Mapping[None, Batch]:
    """A loader of the next batch; the only key is None."""
    after = connection.execute(_POSITION).scalar_one()
    return {None: Batch(after, connection.execute(_END_OF_BATCH, {"after": after}).scalar())}


def prune(batch: Batch, latest: int | None = None, audit_retention: int = 0) -> Change:
    """Delete what has ended in `batch`, and the oldest of everything else that has expired. The guard fails if another
    process has the batch or it is too early."""
    params = replace(batch, latest=latest, audit_retention=audit_retention)
    return Change(_prune_many, "pruning", batch.after, params)


def _prune_many(connection: Connection, batches: Sequence[Batch], now: int) -> list[bool]:
    return [_prune(connection, batch, now) for batch in batches]


def _prune(connection: Connection, batch: Batch, now: int) -> bool:
    """The row in `pruning` is changed first: another process waits for it, and then finds it changed."""
    move = _MOVE_ON.values(position=batch.to or _FIRST)
    if not connection.execute(move, {"after": batch.after, "now": now, "latest": now + EVERY * SECOND}).rowcount:
        return False
    began_at = connection.execute(_BEGAN_AT).scalar()
    if began_at is None or not batch.after:
        began_at = now
    over = now if batch.latest is None else min(now, batch.latest)
    bounds = {"after": batch.after, "to": batch.to or _LAST, "before": over - KEPT * SECOND}
    ended = connection.execute(_ENDED, bounds).rowcount
    expired = max(connection.execute(oldest, {"before": over - kept}).rowcount for oldest, kept in _EXPIRED)
    old_events = _prune_events(connection, over, batch.audit_retention)
    progress = Progress(ended, max(expired, old_events), batch.to or _LAST, began_at)
    connection.execute(_GO_ON_AT.values(next_at=next_at(progress, now), began_at=began_at))
    return True


def _prune_events(connection: Connection, now: int, retention: int) -> int:
    return connection.execute(_EVENTS, {"before": now - retention * SECOND}).rowcount if retention else 0
