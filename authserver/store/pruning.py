"""What is over goes by itself, in small batches: logins a day after their end, denials when their token ends.

The authorizations are walked along their primary key, a batch at a time, because no index holds the end of a login: it
changes with every refresh, and would double what each refresh writes.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, bindparam, delete, or_, select

from ..domain.models import SECOND
from .changes import Change
from .schema import authorizations, denied_tokens

KEPT = 86400
"""Seconds for which a login that is over can still be explained (`token inspect`)."""
FIRST, LAST = b"", b"\xff" * 17
"""Below and above every id."""
_BATCH = 1000
_END_OF_BATCH = (
    select(authorizations.c.id)
    .where(authorizations.c.id > bindparam("after"))
    .order_by(authorizations.c.id)
    .offset(_BATCH - 1)
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
    .limit(_BATCH)
)
_DENIALS = delete(denied_tokens).where(denied_tokens.c.jti.in_(_OLDEST_DENIALS))


def end_of_batch_many(connection: Connection, starts: Sequence[bytes]) -> Mapping[bytes, bytes]:
    """For each id the one a batch later; none near the end of the table."""
    found = {after: connection.execute(_END_OF_BATCH, {"after": after}).scalar() for after in starts}
    return {after: to for after, to in found.items() if to is not None}


def prune(after: bytes, to: bytes) -> Change:
    """Delete what is over among the authorizations between two ids, and the oldest denials."""
    return Change(_prune_many, ("~pruning", after), (after, to))


def _prune_many(connection: Connection, ranges: Sequence[tuple[bytes, bytes]], now: int) -> list[bool]:
    for after, to in ranges:
        connection.execute(_LOGINS, {"after": after, "to": to, "before": now - KEPT * SECOND})
    connection.execute(_DENIALS, {"before": now})
    return [True] * len(ranges)
