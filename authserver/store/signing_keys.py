"""Signing keys and the ring of refresh-token keys, as rows; keyring.py opens what is sealed in them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ..domain.models import RingKey, SigningKey
from .changes import Change
from .schema import denied_tokens
from .schema import ring_keys as ring_table
from .schema import signing_keys as table

_ALL = select(table).order_by(table.c.created_at, table.c.kid)
_RING = select(ring_table).order_by(ring_table.c.created_at, ring_table.c.id)
_DENIED = select(denied_tokens.c.jti).where(denied_tokens.c.jti.in_(bindparam("jtis", expanding=True)))


@dataclass(frozen=True, slots=True)
class KeyState:
    signing_keys: tuple[SigningKey, ...]
    ring: tuple[RingKey, ...]


def load(connection: Connection) -> KeyState:
    keys = tuple(_signing_key(row) for row in connection.execute(_ALL))
    return KeyState(keys, tuple(RingKey(*row) for row in connection.execute(_RING)))


def load_many(connection: Connection, keys: Sequence[None]) -> Mapping[None, KeyState]:
    """The one key state, in the form of a loader."""
    return {None: load(connection)}


def add(connection: Connection, key: SigningKey) -> None:
    connection.execute(insert(table), asdict(key) | {"public": json.dumps(key.public)})


def add_ring_key(connection: Connection, key: RingKey) -> None:
    connection.execute(insert(ring_table), asdict(key))


def raise_max_token_ttl(connection: Connection, ttl: int) -> None:
    """Before a policy with a longer-lived token takes effect: what signs it stays published for that much longer."""
    shorter = (table.c.state.in_(("pending", "active")), table.c.max_token_ttl < ttl)
    connection.execute(update(table).where(*shorter).values(max_token_ttl=ttl))


def deny(jti: str, expires_at: int) -> Change:
    """Introspection answers for the access token `jti` as inactive from now on."""
    return Change(_deny_many, ("denied_tokens", jti), {"jti": jti, "expires_at": expires_at})


def load_denied_many(connection: Connection, jtis: Sequence[str]) -> Mapping[str, bool]:
    return dict.fromkeys(connection.execute(_DENIED, {"jtis": list(jtis)}).scalars(), True)


def _deny_many(connection: Connection, denials: Sequence[dict[str, Any]], now: int) -> list[bool]:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(denied_tokens).on_conflict_do_nothing(), list(denials))
    return [True] * len(denials)


def _signing_key(row: Row[Any]) -> SigningKey:
    return SigningKey(**row._asdict() | {"public": json.loads(row.public)})
