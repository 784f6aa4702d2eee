"""What is over goes by itself, in small batches: logins a day after their end, denials when their token ends."""

from collections.abc import Sequence

from sqlalchemy import Connection, Delete, Table, bindparam, delete, select

from ..domain.models import SECOND
from .changes import Change
from .schema import authorizations, denied_tokens

KEPT = 86400
"""Seconds for which a login that is over can still be explained (`token inspect`)."""
_BATCH = 500


def _oldest(table: Table, ends_at: str) -> Delete:
    key = table.primary_key.columns[0]
    over = select(key).where(table.c[ends_at] < bindparam("before")).order_by(table.c[ends_at]).limit(_BATCH)
    return delete(table).where(key.in_(over))


# The idle end is never past the absolute one; a revoked login waits for it too, so that one index is enough.
_LOGINS = _oldest(authorizations, "idle_expires_at")
_DENIALS = _oldest(denied_tokens, "expires_at")


def prune() -> Change:
    """Delete one batch of each. Holds if there may be more."""
    return Change(_prune_many, ("~pruning", 0), None)


def _prune_many(connection: Connection, wishes: Sequence[None], now: int) -> list[bool]:
    logins = connection.execute(_LOGINS, {"before": now - KEPT * SECOND}).rowcount
    denials = connection.execute(_DENIALS, {"before": now}).rowcount
    return [max(logins, denials) >= _BATCH] * len(wishes)
