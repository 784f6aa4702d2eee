"""Every function of store/clients.py."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from authserver.domain.models import Client, Secret
from authserver.store import clients
from authserver.store.database import Database
from tests.harness.existing import existing
from tests.store.rows import NOW, begun

FULL = Client(
    id="c_full",
    name="Ädä's app",
    auth_method="client_secret_basic",
    grant_types=frozenset({"password", "refresh_token"}),
    scope=("read", "write"),
    audiences=("https://api.example", "https://other.example"),
    redirect_uris=("https://app.example/back", "app:/back"),
    secrets=(Secret(b"1" * 32, NOW), Secret(b"2" * 32)),
    disabled=True,
    created_at=NOW,
    access_token_alg="ES256",
    access_token_typ="JWT",
    web_origins=("https://app.example", "http://localhost:3000"),
    user_address_header="x-user-address",
    access_token_claims=("roles", "https://app.example/tenant"),
    id_token_claims=("groups",),
    id_token_alg="EdDSA",
    userinfo_alg="RS256",
    application_type="native",
    pkce="optional",
    first_party=True,
    client_uri="https://app.example/",
    logo_uri="data:image/png;base64,AA==",
    policy_uri="https://app.example/privacy",
    tos_uri="https://app.example/terms",
    policy={"access_token_ttl": 60, "refresh_retry_window": 0, "refresh_idle_ttl": 1, "refresh_absolute_ttl": 2}
    | {"rotation": False, "max_authorizations": 3},
)
BARE = Client("c_bare", "Bare", "none", frozenset(), ())


@pytest.mark.parametrize("client", [FULL, BARE], ids=["full", "bare"])
def test_what_is_added_is_loaded_member_for_member(store: Database, client: Any) -> None:
    with store.begin() as connection:
        clients.add(connection, client)
    with store.begin() as connection:
        assert clients.load(connection, client.id) == client


def test_an_unknown_client_is_not_found_alone_or_among_many(store: Database) -> None:
    with store.begin() as connection:
        assert clients.load(connection, "nobody") is None
        assert set(clients.load_many(connection, ["app", "nobody", "other"])) == {"app", "other"}


def test_all_clients_come_in_the_order_of_their_creation(store: Database) -> None:
    with store.begin() as connection:
        clients.add(connection, replace(BARE, id="z", created_at=1))
        clients.add(connection, replace(BARE, id="a", created_at=2))
        assert [client.id for client in clients.load_all(connection)] == ["app", "other", "z", "a"]


def test_put_writes_over_every_member_and_says_whether_there_was_a_row(store: Database) -> None:
    with store.begin() as connection:
        clients.add(connection, FULL)
        assert clients.put(connection, replace(BARE, id=FULL.id))
        assert not clients.put(connection, replace(BARE, id="nobody"))
    with store.begin() as connection:
        assert clients.load(connection, FULL.id) == replace(BARE, id=FULL.id)
        assert clients.load(connection, "nobody") is None


def test_remove_takes_its_logins_along_and_nobody_elses(store: Database) -> None:
    begun(store, 1)
    begun(store, 2, client_id="other")
    with store.begin() as connection:
        assert clients.remove(connection, "app")
        assert not clients.remove(connection, "app")
    with store.begin() as connection:
        assert clients.load(connection, "app") is None
        assert connection.execute(text("SELECT client_id FROM authorizations")).scalars().all() == ["other"]


def test_what_a_later_version_registers_beside_it_is_ignored(store: Database) -> None:
    with store.begin() as connection:
        clients.add(connection, replace(BARE, application_type="native"))
        wider = text("UPDATE clients SET client_metadata = :wider WHERE id = 'c_bare'")
        connection.execute(wider, {"wider": '{"application_type":"native","contacts":["ops@app.example"]}'})
    with store.begin() as connection:
        assert clients.load(connection, "c_bare") == replace(BARE, application_type="native")


def test_the_algorithms_are_those_of_every_kind_of_token_and_the_default(store: Database) -> None:
    with store.begin() as connection:
        assert clients.algorithms(connection) == {"RS256"}
        clients.add(connection, replace(BARE, id="one", access_token_alg="ES256"))
        clients.add(connection, replace(BARE, id="two", id_token_alg="EdDSA", userinfo_alg="ES256"))
        clients.add(connection, replace(BARE, id="three", userinfo_alg="PS256"))
        assert clients.algorithms(connection) == {"RS256", "ES256", "EdDSA", "PS256"}


def test_the_web_origins_are_those_of_all_enabled_clients(store: Database) -> None:
    assert store_origins(store) == frozenset()
    with store.begin() as connection:
        clients.add(connection, replace(BARE, id="one", web_origins=("https://a.example", "https://b.example")))
        clients.add(connection, replace(BARE, id="two", web_origins=("https://b.example", "http://localhost:3000")))
        clients.add(connection, replace(BARE, id="off", web_origins=("https://off.example",), disabled=True))
    assert store_origins(store) == {"https://a.example", "https://b.example", "http://localhost:3000"}


def store_origins(store: Any) -> Any:
    with store.begin() as connection:
        return clients.web_origins_many(connection, [None])[None]


def test_an_id_that_is_in_use_adds_nothing_and_leaves_the_transaction_whole(store: Database) -> None:
    with store.begin() as connection:
        assert not clients.add(connection, replace(FULL, id="app"))
        assert clients.add(connection, FULL)
    with store.begin() as connection:
        assert [client.id for client in clients.load_all(connection)] == ["app", "other", FULL.id]
        assert existing(clients.load(connection, "app")).name == "App"
