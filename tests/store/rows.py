"""Rows to begin with, and a look at what became of them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, text

from authserver.domain.models import SECOND, Authorization, SigningKey
from authserver.store import authorizations
from authserver.store.changes import Change
from authserver.store.database import Database
from tests.harness.builders import IDLE, authorization

on_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)
on_postgres = pytest.mark.parametrize("url", ["postgres"], indirect=True)

NOW = 1_800_000_000 * SECOND


def a_login(number: int = 1, **members: Any) -> Authorization:
    """ada's at the client app, not yet refreshed; its id is `number`."""
    plain: dict[str, Any] = {"resources": ("https://api.example",), "rotated_from": "192.0.2.0/24", "salt": bytes(32)}
    return authorization(number, NOW, **plain | members)


def begun(store: Database, *numbers: int, **members: Any) -> list[Authorization]:
    """Those logins, in the database."""
    logins = [a_login(number, **members) for number in numbers]
    with store.begin() as connection:
        for login in logins:
            change = authorizations.begin(login, limit=1000)
            change.apply(connection, [change.params], NOW)
    return logins


def rotation(login: Authorization) -> Change:
    return authorizations.rotate(login, next=login.generation + 1, network="198.51.100.0/24", idle_ttl=IDLE)


def row_of(store: Database, number: int = 1) -> Authorization:
    id = number.to_bytes(16)
    with store.begin() as connection:
        return authorizations.load_many(connection, [id])[id].authorization


def generations(store: Database) -> dict[int, int]:
    """Of every login, by its number."""
    with store.begin() as connection:
        rows = connection.execute(text("SELECT id, generation FROM authorizations ORDER BY id"))
        return {int.from_bytes(id): generation for id, generation in rows}


def change_of(apply: Callable[[Connection, Any, int], bool], key: tuple[str, Any], params: Any = None) -> Change:
    """A change that runs `apply` for each of a group's parameters, at the place that `key` gives it in the group."""

    def apply_many(connection: Connection, many: Sequence[Any], now: int) -> list[bool]:
        return [apply(connection, one, now) for one in many]

    return Change(apply_many, *key, params)


def failing(error: Exception, number: int = 1) -> Change:
    """A change of that login's row which only raises."""

    def fail(connection: Connection, params: Any, now: int) -> bool:
        raise error

    return change_of(fail, ("authorizations", number.to_bytes(16)))


def a_key(kid: str, state: str, **members: Any) -> SigningKey:
    public = {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": kid, "alg": "RS256", "use": "sig"}
    key = SigningKey(kid, "RS256", state, public, wrapped="wrapped", max_token_ttl=900, created_at=NOW)
    return replace(key, **members)
