"""The keys that a new server starts with: an active and a pending signing key and a refresh-token key; only once."""

import json
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
from joserfc.jwk import RSAKey
from sqlalchemy import delete

from authserver import system
from authserver.domain.errors import Refused
from authserver.domain.key_schedule import ended
from authserver.domain.models import Client
from authserver.keyring import KeyEncryptionKeys, Keyring, KeyStore
from authserver.keyring.lifecycle import bootstrap
from authserver.store import clients, migrations, schema, signing_keys
from authserver.store.database import Database
from authserver.store.signing_keys import KeyState
from tests.harness.clock import Clock

KEKS = KeyEncryptionKeys({"the tests": b"k" * 32})


@pytest.fixture
def database(tmp_path: Path, clock: Clock) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/as.db", clock)
    with database.begin() as connection:
        migrations.upgrade(connection)
    yield database
    database.close()


def created(database: Database, now: int, algs: Collection[str] = ()) -> KeyState:
    keys, new_key = KeyStore(KEKS), system.new_key
    with database.begin() as connection:
        bootstrap.create_missing(connection, keys, now=now, max_token_ttl=900, new_key=new_key, algs=algs)
        return signing_keys.load(connection)


def test_a_new_server_signs_at_once_and_publishes_the_next_key(database: Database, clock: Clock) -> None:
    state = created(database, clock())
    by_state = {key.state: key for key in state.signing_keys}
    assert by_state.keys() == {"active", "pending"} and len(state.signing_keys) == 2
    assert (by_state["active"].activated_at, by_state["pending"].activated_at) == (clock(), None)
    assert {(key.alg, key.created_at, key.max_token_ttl) for key in state.signing_keys} == {("RS256", clock(), 900)}
    (refresh_key,) = state.refresh_keys
    assert refresh_key.created_at == refresh_key.active_at == clock()
    keyring = Keyring(KeyStore(KEKS), state, clock())
    assert keyring.verify(keyring.sign({"sub": "ada"}, clock())) == {"sub": "ada"}
    assert len(keyring.refresh_key(keyring.newest_refresh_key_id(clock()))) == 32


def test_a_new_server_has_keys_of_the_algorithms_that_were_asked_for_and_they_wait_for_clients(
    database: Database, clock: Clock
) -> None:
    def create(*algs: str) -> KeyState:
        return created(database, clock(), algs)

    state = create("ES256", "ES256", "RS256")
    found = sorted((key.alg, key.state) for key in state.signing_keys)
    assert found == [(alg, state) for alg in ("ES256", "RS256") for state in ("active", "pending")]
    assert Keyring(KeyStore(KEKS), state, clock()).signs("ES256")
    clock.forward(86400)
    assert list(ended(state.signing_keys, [])) == []
    assert create("ES256") == create() == state
    with pytest.raises(Refused, match="a key of EdDSA must be published"):
        create("EdDSA")


def test_run_again_it_changes_nothing(database: Database, clock: Clock) -> None:
    state = created(database, clock())
    clock.forward(86400)
    assert created(database, clock()) == state


def test_a_key_that_is_being_published_does_not_sign_sooner_because_its_algorithm_is_asked_for(
    database: Database, clock: Clock
) -> None:
    created(database, clock())
    with database.begin() as connection:
        signing_keys.add(connection, KeyStore(KEKS).generate("ES256", now=clock(), max_token_ttl=900))
    state = created(database, clock(), ["ES256"])
    assert [key.state for key in state.signing_keys if key.alg == "ES256"] == ["pending"]


@pytest.mark.parametrize("lost", ["active", "pending", "refresh"])
def test_only_what_is_missing_is_made(database: Database, clock: Clock, lost: str) -> None:
    before = created(database, clock())
    table = schema.signing_keys
    with database.begin() as connection:
        connection.execute(
            delete(schema.refresh_keys) if lost == "refresh" else delete(table).where(table.c.state == lost)
        )
    clock.forward(1)
    after = created(database, clock())
    assert {key.state for key in after.signing_keys} == {"active", "pending"} and len(after.refresh_keys) == 1
    kept = {key.kid for key in before.signing_keys if key.state != lost}
    assert {key.kid for key in after.signing_keys if key.created_at < clock()} == kept
    assert (after.refresh_keys == before.refresh_keys) is (lost != "refresh")


def test_private_keys_are_in_the_database_only_wrapped(database: Database, clock: Clock, tmp_path: Path) -> None:
    state = created(database, clock())
    content = b"".join(path.read_bytes() for path in tmp_path.glob("as.db*"))
    for key in state.signing_keys:
        private = json.loads(KEKS.unwrap(key.kid, str(key.wrapped)))
        assert RSAKey.import_key(private).is_private and key.public["n"].encode() in content
        assert not any(private[name].encode() in content for name in ("d", "p", "q", "dp", "dq", "qi"))
    assert KEKS.unwrap(state.refresh_keys[0].id, state.refresh_keys[0].wrapped) not in content


def test_a_new_key_stays_for_the_longest_token_that_any_client_gets(database: Database, clock: Clock) -> None:
    with database.begin() as connection:
        clients.add(connection, Client("long", "Long", "none", frozenset(), (), policy={"access_token_ttl": 86400}))
    assert {key.max_token_ttl for key in created(database, clock()).signing_keys} == {86400}
