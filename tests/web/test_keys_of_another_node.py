"""A key that was wrapped under a key-encryption key which this node does not have yet: 503, and on again once it is."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from authserver import system
from authserver.keyring import KeyEncryptionKeys, KeyStore
from authserver.store import signing_keys
from authserver.store.database import Database
from tests.harness.clock import Clock
from tests.web.answers import UNAVAILABLE, assert_refused


def test_a_key_that_does_not_open_is_503_and_logs_nobody_out(
    database: Database, login: Callable[..., Any], token: Callable[..., Any], clock: Clock
) -> None:
    first = login()["refresh_token"]
    ours = _pending(database)
    foreign = KeyEncryptionKeys({"another node's": system.new_key()})
    theirs = KeyStore(foreign).generate("RS256", now=clock(), max_token_ttl=900)
    _replace_pending(database, theirs)
    clock.forward(31)
    assert_refused(token("refresh_token", refresh_token=first), UNAVAILABLE)
    _replace_pending(database, ours)
    assert token("refresh_token", refresh_token=first).status_code == 200


def _pending(database: Database) -> Any:
    with database.begin() as connection:
        return next(key for key in signing_keys.load(connection).signing_keys if key.state == "pending")


def _replace_pending(database: Database, key: Any) -> None:
    with database.begin() as connection:
        connection.execute(signing_keys.table.delete().where(signing_keys.table.c.state == "pending"))  # type: ignore[attr-defined]
        signing_keys.add(connection, replace(key, state="pending"))
