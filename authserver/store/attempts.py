"""Stores the counters of attempts to sign in. What they mean is decided in domain/attempts.py.

An account's row is directly before those of its networks, whose keys begin with its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, select, update

from ..domain.attempts import WAIT_KEPT
from . import upsert
from .changes import PartialMatch
from .schema import attempts as table

_BY_KEYS = select(table).where(table.c.key.in_(bindparam("keys", expanding=True)))
_LOCKED = _BY_KEYS.order_by(table.c.key).with_for_update()
_WRITE = (
    update(table)
    .where(table.c.key == bindparam("of"))
    .values(clears_at=bindparam("clears"), waits_since=bindparam("since"), expires_at=bindparam("expires"))
)
_OF_ACCOUNT = (table.c.key >= bindparam("first"), table.c.key < bindparam("end"))


@dataclass(frozen=True, slots=True)
class AttemptKeys:
    """The keys of the rows that an attempt concerns."""

    account: bytes
    pair: bytes
    """The network at this account."""
    network: bytes


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter, and since when its network waits (microseconds; 0 for a counter that has no attempt, or no wait)."""

    clears_at: int = 0
    waits_since: int = 0


Rows = dict[bytes, Counter]


def load(connection: Connection, keys: Iterable[bytes]) -> Rows:
    """Return the rows that exist."""
    return _rows(connection.execute(_BY_KEYS, {"keys": list(keys)}))


def lock(connection: Connection, keys: Iterable[bytes], now: int) -> Rows:
    """Return a row for each key, locked until the transaction ends; missing ones are added. Call it once in a
    transaction: only then do all transactions lock the rows in the same order."""
    ordered = sorted(keys)
    empty = [{"key": key, "clears_at": 0, "waits_since": 0, "expires_at": now} for key in ordered]
    connection.execute(upsert.insert(connection, table).on_conflict_do_nothing(), empty)
    rows = _rows(connection.execute(_LOCKED, {"keys": ordered}))
    if len(rows) < len(ordered):  # pruned by another transaction between the two statements
        raise PartialMatch
    return rows


def write(connection: Connection, rows: Mapping[bytes, Counter]) -> None:
    """Write rows that `lock` returned."""
    if rows:
        connection.execute(_WRITE, [_values(key, rows[key]) for key in sorted(rows)])


def of_account(connection: Connection, account: bytes) -> Rows:
    """Return the rows of the account and of its networks."""
    return _rows(connection.execute(select(table).where(*_OF_ACCOUNT), _range(account)))


def forget_account(connection: Connection, account: bytes) -> int:
    """Delete the rows of the account and of its networks. Returns how many there were."""
    return connection.execute(delete(table).where(*_OF_ACCOUNT), _range(account)).rowcount


def _rows(result: Iterable[Sequence[object]]) -> Rows:
    return {bytes(key): Counter(clears_at, waits_since) for key, clears_at, waits_since, _ in result}  # type: ignore


def _values(key: bytes, row: Counter) -> dict[str, object]:
    expires_at = max(row.clears_at, row.waits_since + WAIT_KEPT if row.waits_since else 0)
    return {"of": key, "clears": row.clears_at, "since": row.waits_since, "expires": expires_at}


def _range(account: bytes) -> dict[str, bytes]:
    return {"first": account, "end": account + b"\xff" * 17}
