"""Deletes ended authorizations a day after their end, and denials of access tokens when the token expires.

Each batch reads the next authorizations in the order of their ids. There is no index on when they end: that changes
with every refresh, and an index would double what a refresh writes. The row in `pruning` says how far pruning has got
and when it continues (`domain/pruning.py`). The process that advances the row gets the batch, so only one process
prunes at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, bindparam, delete, or_, select, update

from ..domain.models import SECOND
from ..domain.pruning import BATCH, EVERY, Progress, next_at
from .changes import Change
from .schema import authorizations, denied_tokens
from .schema import pruning as state

KEPT = 86400
"""Seconds for which an ended authorization is kept, so that `token inspect` can explain it."""
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
_OLDEST_DENIALS = (
    select(denied_tokens.c.jti)
    .where(denied_tokens.c.expires_at < bindparam("before"))
    .order_by(denied_tokens.c.expires_at)
    .limit(BATCH)
)
_DENIALS = delete(denied_tokens).where(denied_tokens.c.jti.in_(_OLDEST_DENIALS))


@dataclass(frozen=True, slots=True)
class Batch:
    """The authorizations with ids above `after` up to `to`, or up to the last id for None."""

    after: bytes
    to: bytes | None
    latest: int | None = None
    """Only what had ended by this time is deleted (microseconds), in case the clock is ahead; None for no limit."""


def next_batch_many(connection: Connection, _keys: Sequence[None]) -> Mapping[None, Batch]:
    """A loader of the next batch; the only key is None."""
    after = connection.execute(_POSITION).scalar_one()
    return {None: Batch(after, connection.execute(_END_OF_BATCH, {"after": after}).scalar())}


def prune(batch: Batch, latest: int | None = None) -> Change:
    """Delete what has ended in `batch`, and the oldest expired denials. The guard fails if another process has the
    batch or it is too early."""
    return Change(_prune_many, "pruning", batch.after, replace(batch, latest=latest))


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
    denials = connection.execute(_DENIALS, {"before": over}).rowcount
    progress = Progress(ended, denials, batch.to or _LAST, began_at)
    connection.execute(_GO_ON_AT.values(next_at=next_at(progress, now), began_at=began_at))
    return True
