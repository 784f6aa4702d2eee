"""Redeems authorization codes and device codes: each can be used once, and begins an authorization. The guarded UPDATE
here decides who redeems one."""

from collections.abc import Sequence
from functools import cache

from sqlalchemy import Connection, Table, Update, bindparam, update

from ..domain.models import SECOND
from ..domain.record import record
from . import authorizations
from .changes import execute_guarded

_KEPT = 86400 * SECOND
"""Microseconds for which a code is kept after its use: if it is used again, it ends the authorization that it began."""


@record(frozen=True, slots=True, eq=False)
class Redeem:
    hash: bytes
    """The code's."""
    begin: authorizations.Begin


def redeem_many(table: Table, connection: Connection, redeems: Sequence[Redeem], now: int) -> list[bool]:
    """Use the codes of the table, and begin their authorizations (see `authorizations.begin`). The guard holds for one
    of all who try the same code."""
    first: dict[bytes, Redeem] = {}
    for redeem in redeems:
        first.setdefault(redeem.hash, redeem)
    rows = [{"key": hash, "at": now, "until": now + _KEPT} for hash in first]
    if not execute_guarded(connection, _use(table), rows):
        return [False] * len(redeems)
    begins = sorted((redeem.begin for redeem in first.values()), key=lambda begin: begin.authorization.subject)
    authorizations.begin_many(connection, begins, now)
    return [first[redeem.hash] is redeem for redeem in redeems]


@cache
def _use(table: Table) -> Update:
    return (
        update(table)
        .where(table.c.hash == bindparam("key"), table.c.used_at.is_(None))
        .values(used_at=bindparam("at"), delete_at=bindparam("until"))
    )
