"""What introspection reads of an access token, and the clock that nodes share."""

import time

from authserver.store import authorizations, signing_keys
from authserver.store.clock import read_many
from authserver.store.token_state import TokenKey, load_many
from tests.store.rows import begun


def test_each_key_gets_its_denial_its_login_and_its_client(store, write):
    login, _ = begun(store, 1, 2)
    write(signing_keys.deny("denied", 1), authorizations.revoke(login.id, because="revoked"))
    mine, others = TokenKey("denied", login.id, "app"), TokenKey("jti", None, "other")
    nobodys = TokenKey(None, bytes(16), None)
    with store.begin() as connection:
        found = load_many(connection, [mine, others, nobodys])
    assert set(found) == {mine, others, nobodys}
    assert (found[mine].denied, found[others].denied, found[nobodys].denied) == (True, False, False)
    assert found[mine].login.authorization.revoked_because == "revoked"
    assert found[mine].client.id == "app"
    assert (found[others].login, found[others].client.id) == (None, "other")
    assert (found[nobodys].login, found[nobodys].client) == (None, None)


def test_postgresql_tells_its_time_in_microseconds_and_sqlite_none(store, url):
    before = time.time_ns() // 1000
    with store.begin() as connection:
        found = read_many(connection, [None])
    assert found == {} if "sqlite" in url else before <= found[None] <= time.time_ns() // 1000
