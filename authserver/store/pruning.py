"""What is over goes by itself, in small batches: logins a day after their end, denials when their token ends.

The authorizations are walked along their primary key, a batch at a time, because no index holds the end of a login: it
changes with every refresh, and would double what each refresh writes. The row `pruning` says how far the walk has come
and when it goes on (`domain/pruning.py`); whoever moves it on has the batch, so that one process at a time prunes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, bindparam, delete, or_, select, update

from ..domain.models import SECOND
from ..domain.pruning import BATCH, EVERY, Progress, next_at
from .changes import Change
from .schema import authorizations, denied_tokens
from .schema import pruning as walk

KEPT = 86400
"""Seconds for which a login that is over can still be explained (`token inspect`)."""
_FIRST, _LAST = b"", b"\xff" * 17
"""Below and above every id."""
_WALKED_TO = select(walk.c.walked_to)
_MOVE_ON = update(walk).where(
    walk.c.walked_to == bindparam("after"),
    # Later than ever is planned: the clock was set back since.
    or_(walk.c.next_at <= bindparam("now"), walk.c.next_at > bindparam("latest")),
)
_BEGAN_AT = select(walk.c.began_at)
_GO_ON_AT = update(walk)
_END_OF_BATCH = (
    select(authorizations.c.id)
    .where(authorizations.c.id > bindparam("after"))
    .order_by(authorizations.c.id)
    .offset(BATCH - 1)
    .limit(1)
)
# The idle end is never past the absolute one.
_LOGINS = delete(authorizations).where(
    authorizations.c.id > bindparam("after"),
    authorizations.c.id <= bindparam("to"),
    or_(authorizations.c.idle_expires_at < bindparam("before"), authorizations.c.revoked_at < bindparam("before")),
)
_OLDEST_DENIALS = (
    select(denied_tokens.c.jti)
    .where(denied_tokens.c.expires_at < bindparam("before"))
    .order_by(denied_tokens.c.expires_at)
    .limit(BATCH)
)
_DENIALS = delete(denied_tokens).where(denied_tokens.c.jti.in_(_OLDEST_DENIALS))


@dataclass(frozen=True, slots=True)
class Batch:
    """The authorizations whose ids are above `after`, up to `to`; the last batch has no end."""

    after: bytes
    to: bytes | None
    latest: int | None = None
    """What is not over by then stays, whatever the clock says: it may be wrong."""


def next_batch_many(connection: Connection, keys: Sequence[None]) -> Mapping[None, Batch]:
    """The one batch that is next, in the form of a loader."""
    after = connection.execute(_WALKED_TO).scalar_one()
    return {None: Batch(after, connection.execute(_END_OF_BATCH, {"after": after}).scalar())}


def prune(batch: Batch, latest: int | None = None) -> Change:
    """Delete what is over in that batch, and the oldest denials; nothing if another process has it, or it is not time
    yet."""
    return Change(_prune_many, ("~pruning", batch.after), replace(batch, latest=latest))


def _prune_many(connection: Connection, batches: Sequence[Batch], now: int) -> list[bool]:
    return [_prune(connection, batch, now) for batch in batches]


def _prune(connection: Connection, batch: Batch, now: int) -> bool:
    """Until the transaction ends, other processes wait at the row that is moved on first, and find it moved then."""
    move = _MOVE_ON.values(walked_to=batch.to or _FIRST)
    if not connection.execute(move, {"after": batch.after, "now": now, "latest": now + EVERY * SECOND}).rowcount:
        return False
    began_at = connection.execute(_BEGAN_AT).scalar()
    if began_at is None or not batch.after:
        began_at = now
    over = now if batch.latest is None else min(now, batch.latest)
    ended = {"after": batch.after, "to": batch.to or _LAST, "before": over - KEPT * SECOND}
    logins = connection.execute(_LOGINS, ended).rowcount
    denials = connection.execute(_DENIALS, {"before": over}).rowcount
    progress = Progress(logins, denials, batch.to or _LAST, began_at)
    connection.execute(_GO_ON_AT.values(next_at=next_at(progress, now), began_at=began_at))
    return True
