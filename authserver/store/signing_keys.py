"""Stores signing keys and refresh-token keys; `keyring` unwraps the private keys in the rows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, delete, insert, or_, select, text, update

from ..domain.algorithms import DEFAULT
from ..domain.key_schedule import DESTROYED_AT_LEAST, KEPT_AT_LEAST, STALE_AFTER
from ..domain.models import SECOND, RefreshTokenKey, SigningKey, SubjectKey
from . import clients, subject_keys, upsert
from .changes import Change
from .driver import select_many
from .schema import denied_tokens
from .schema import refresh_keys as refresh_table
from .schema import signing_keys as table

_ALL = select(table).order_by(table.c.created_at, table.c.kid)
_REFRESH_KEYS = select(refresh_table).order_by(refresh_table.c.created_at, refresh_table.c.id)
_EXPIRED = (
    select(denied_tokens.c.jti)
    .where(denied_tokens.c.expires_at < bindparam("before"))
    .order_by(denied_tokens.c.expires_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_FORGET = delete(denied_tokens).where(denied_tokens.c.jti.in_(_EXPIRED))
_DENIED = select(denied_tokens.c.jti).where(denied_tokens.c.jti.in_(bindparam("jtis", expanding=True)))


@dataclass(frozen=True, slots=True)
class KeyState:
    signing_keys: tuple[SigningKey, ...]
    refresh_keys: tuple[RefreshTokenKey, ...]
    algorithms: frozenset[str] = frozenset({DEFAULT})
    """The algorithms that any client uses."""
    subject_key: SubjectKey | None = None
    """The key of pairwise subjects, once a client has them."""


@dataclass(frozen=True, slots=True)
class _Denial:
    jti: str
    expires_at: int
    denied: list[str]


def load(connection: Connection) -> KeyState:
    keys = tuple(_signing_key(row) for row in connection.execute(_ALL))
    refresh_keys = tuple(RefreshTokenKey(*row) for row in connection.execute(_REFRESH_KEYS))
    return KeyState(keys, refresh_keys, frozenset(clients.algorithms(connection)), subject_keys.load(connection))


def load_many(connection: Connection, _keys: Sequence[None]) -> Mapping[None, KeyState]:
    """A loader of the key state; the only key is None."""
    return {None: load(connection)}


def lock(connection: Connection) -> None:
    """Lock the keys until the transaction ends: others can read them, but not change or add one. On SQLite, BEGIN
    IMMEDIATE has already locked them."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE"))


def change(connection: Connection, seen: SigningKey, new: SigningKey) -> bool:
    """Change the row from `seen` to `new`, if its state and private part are still those of `seen`, and if no valid
    token still needs the key. Only changed columns are written. Returns whether the row was changed."""
    before, after = asdict(seen), asdict(new)
    values = {name: value for name, value in after.items() if value != before[name]}
    guard = (table.c.kid == seen.kid, table.c.state == seen.state, table.c.wrapped.is_not_distinct_from(seen.wrapped))
    return connection.execute(update(table).where(*guard, *_in_time(seen, new)).values(values)).rowcount == 1


def add(connection: Connection, key: SigningKey) -> None:
    connection.execute(insert(table), asdict(key) | {"public": json.dumps(key.public)})


def add_refresh_key(connection: Connection, key: RefreshTokenKey) -> None:
    connection.execute(insert(refresh_table), asdict(key))


def raise_max_token_ttl(connection: Connection, ttl: int, now: int) -> None:
    """Keep keys published long enough for tokens with a lifetime of `ttl` seconds, or the longest that a client has.
    Call it before such a lifetime takes effect. It includes keys that were retired a moment ago: a process that does
    not know that yet may still sign with them."""
    longest = max(ttl, clients.longest_token_ttl(connection))
    signs = or_(table.c.state.in_(("pending", "active")), table.c.retired_at > now - STALE_AFTER * SECOND)
    shorter = table.c.max_token_ttl < longest
    connection.execute(update(table).where(signs, shorter).values(max_token_ttl=longest))


def deny(jti: str, expires_at: int, denied: list[str] | None = None) -> Change:
    """Make introspection report the access token `jti` as inactive from now on. `denied` gets it, unless it was denied
    already."""
    return Change(_deny_many, "denied_tokens", jti, _Denial(jti, expires_at, [] if denied is None else denied))


def load_denied_many(connection: Connection, jtis: Sequence[str]) -> Mapping[str, bool]:
    return dict.fromkeys((jti for (jti,) in select_many(connection, _DENIED, jtis)), True)


def _in_time(seen: SigningKey, new: SigningKey) -> list[ColumnElement[bool]]:
    """The conditions under which a retired key may lose its private part or leave the JWKS. They use the row's own
    `max_token_ttl`, which may have been raised since the key was loaded."""
    if seen.state != "retired" or new.state == "revoked":
        return []
    if new.state == "removed":
        return [table.c.retired_at + (table.c.max_token_ttl + KEPT_AT_LEAST) * SECOND <= new.removed_at]
    return [table.c.retired_at + DESTROYED_AT_LEAST * SECOND <= new.destroyed_at] if new.wrapped is None else []


def _deny_many(connection: Connection, denials: Sequence[_Denial], now: int) -> list[bool]:
    # Twice as many expired denials are deleted: however fast tokens are revoked, the table grows only by valid ones.
    connection.execute(_FORGET, {"before": now, "most": 2 * len(denials)})
    statement = upsert.insert(connection, denied_tokens).on_conflict_do_nothing().returning(denied_tokens.c.jti)
    rows = [{"jti": denial.jti, "expires_at": denial.expires_at} for denial in denials]
    new = set(connection.execute(statement, rows).scalars())
    for denial in denials:
        denial.denied[:] = [denial.jti] if denial.jti in new else []  # a group that was rolled back is run again
        new.discard(denial.jti)
    return [True] * len(denials)


def _signing_key(row: Row[Any]) -> SigningKey:
    return SigningKey(**row._asdict() | {"public": json.loads(row.public)})
