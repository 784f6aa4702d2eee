"""Compromised keys: one, the refresh-token keys, all of them; and what a running server does by itself."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import RSAKey
from starlette.testclient import TestClient

from authserver.app import create_app
from authserver.background import INTERVALS
from authserver.domain.errors import Refused
from authserver.domain.key_schedule import in_state
from authserver.domain.refresh_token import parse
from authserver.keyring import Keyring, files
from authserver.keyring.lifecycle import Lifecycle
from authserver.keyring.lifecycle.refresh_keys import RefreshKeyWaits
from authserver.provisioning import open_key_store
from authserver.settings import Settings
from authserver.store import signing_keys
from authserver.store.authorizations import load_many
from authserver.store.database import Database
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER, PASSWORD, SECOND
from tests.harness.existing import existing

DAY = 86400


@pytest.fixture
def http(settings: Settings, database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The server, which looks after its keys as often as it can."""
    for name in ("read_keys", "rotate_keys", "remove_unused_keys"):
        monkeypatch.setitem(INTERVALS, name, 0.02)
    with TestClient(create_app(settings, now=clock), ISSUER, raise_server_exceptions=False) as http:
        yield http


def wait_until(true: Any, seconds: Any = 10) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.01)


def kid_of(lifecycle: Any, state: Any) -> Any:
    return existing(in_state(lifecycle.read(), "RS256", state)).kid


def published(http: Any) -> Any:
    return [key["kid"] for key in http.get("/.well-known/jwks.json").json()["keys"]]


def introspected(http: Any, token: Any) -> Any:
    client = {"client_id": "web", "client_secret": "web-and-machine-have-this-secret-in-the-tests"}
    return http.post("/introspect", data=client | {"token": token}).json()["active"]


def test_the_server_keeps_the_schedule_without_a_command(
    http: Any, lifecycle: Lifecycle, clock: Clock, login: Callable[..., Any]
) -> None:
    active, pending = kid_of(lifecycle, "active"), kid_of(lifecycle, "pending")
    assert published(http) == [active, pending]
    clock.forward(90 * DAY)
    wait_until(lambda: published(http)[0] == pending)
    assert published(http)[2] == active
    login()
    clock.forward(900 + 300 + 300 + 30)
    wait_until(lambda: active not in published(http))
    assert len(published(http)) == 2
    login()


def test_a_revoked_signing_key_ends_its_tokens_and_no_login(
    http: Any, lifecycle: Lifecycle, login: Callable[..., Any], token: Callable[..., Any]
) -> None:
    tokens = login("web")
    assert introspected(http, tokens["access_token"])
    active, pending = kid_of(lifecycle, "active"), kid_of(lifecycle, "pending")
    lifecycle.revoke(active)
    wait_until(lambda: published(http) == [pending, kid_of(lifecycle, "pending")])
    assert not introspected(http, tokens["access_token"])
    again = token("refresh_token", "web", refresh_token=tokens["refresh_token"]).json()
    assert introspected(http, again["access_token"])
    assert existing(in_state(lifecycle.read(), "RS256", "revoked")).wrapped is None


def test_each_state_can_be_revoked_once(lifecycle: Lifecycle, clock: Clock) -> None:
    lifecycle.promote("RS256", emergency=True)
    clock.forward(3000)
    lifecycle.run_due()
    lifecycle.promote("RS256", emergency=True)
    for key in lifecycle.read():
        changed = lifecycle.revoke(key.kid)
        assert (changed[0].kid, changed[0].state) == (key.kid, "revoked")
        assert lifecycle.revoke(key.kid) == ()
        states = [key.state for key in lifecycle.read()]
        assert (states.count("active"), states.count("pending")) == (1, 1)


def test_a_compromised_host_loses_every_key_and_every_login(
    http: Any, lifecycle: Lifecycle, login: Callable[..., Any], token: Callable[..., Any]
) -> None:
    tokens, other = login("web"), login("app")
    before = {key.kid for key in lifecycle.read()}
    changed, ended = lifecycle.revoke_all()
    assert ended == 2
    wait_until(lambda: not before & set(published(http)))
    assert len(published(http)) == 2
    assert not introspected(http, tokens["access_token"])
    for client, lost in (("web", tokens), ("app", other)):
        refused = token("refresh_token", client, refresh_token=lost["refresh_token"])
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    new = login("web")
    assert introspected(http, new["access_token"])
    assert token("refresh_token", "web", refresh_token=new["refresh_token"]).status_code == 200


def test_logins_that_were_over_stay_as_they_ended(
    lifecycle: Lifecycle, http: Any, login: Callable[..., Any], database: Database, clock: Clock
) -> None:
    over, active = login(), login()
    http.post("/revoke", data={"client_id": "app", "token": over["refresh_token"]})
    ended_before = authorization_of(database, over)
    clock.forward(1)
    assert lifecycle.revoke_refresh_keys() == 1
    assert authorization_of(database, over) == ended_before
    assert authorization_of(database, active).revoked_reason == "refresh_keys_revoked"


def test_a_login_begun_under_a_revoked_refresh_key_by_a_process_that_has_not_read_yet_ends(
    settings: Settings,
    database: Database,
    clock: Clock,
    lifecycle: Lifecycle,
    http: Any,
    token: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("read_keys", "rotate_keys"):
        monkeypatch.setitem(INTERVALS, name, 3600)
    with TestClient(create_app(settings, now=clock), ISSUER) as late:
        assert lifecycle.revoke_refresh_keys() == 0
        form = {"client_id": "app", "grant_type": "password", "username": "ada", "password": PASSWORD}
        tokens = late.post("/token", data=form).json()
    assert next(k for k in lifecycle.read_state().refresh_keys if k.revoked_at).id == refresh_key_of(database, tokens)
    wait_until(lambda: token("refresh_token", refresh_token=tokens["refresh_token"]).status_code == 400)


def test_a_refresh_key_waits_before_new_logins_use_it_and_goes_when_no_row_names_it(
    lifecycle: Lifecycle, http: Any, login: Callable[..., Any], clock: Clock, database: Database
) -> None:
    first = lifecycle.read_state().refresh_keys[0]
    old = login()
    new = lifecycle.rotate_refresh_keys()
    assert new.active_at == clock() + 60 * SECOND
    with pytest.raises(RefreshKeyWaits):
        lifecycle.rotate_refresh_keys()
    login()
    clock.forward(60)
    wait_until(lambda: refresh_key_of(database, login()) == new.id)
    assert refresh_key_of(database, old) == first.id
    clock.forward(3600)
    assert lifecycle.remove_unused_refresh_keys() == []  # the old login names it
    with database.begin() as connection:
        connection.exec_driver_sql(f"DELETE FROM authorizations WHERE refresh_key_id = '{first.id}'")
    wait_until(lambda: [key.id for key in lifecycle.read_state().refresh_keys] == [new.id])
    login()


def refresh_key_of(database: Database, tokens: Any) -> Any:
    return authorization_of(database, tokens).refresh_key_id


def authorization_of(database: Database, tokens: Any) -> Any:
    id = existing(parse(tokens["refresh_token"])).authorization_id
    with database.begin() as connection:
        return load_many(connection, [id])[id].authorization


def test_an_imported_key_is_published_and_no_key_is_used_twice(
    lifecycle: Lifecycle, clock: Clock, settings: Settings, database: Database
) -> None:
    private = RSAKey.generate_key(3072)
    withdrawn = kid_of(lifecycle, "pending")
    lifecycle.import_key(private)
    assert kid_of(lifecycle, "pending") == private.thumbprint()
    gone = next(key for key in lifecycle.read() if key.kid == withdrawn)
    assert (gone.state, gone.wrapped) == ("removed", None)
    with pytest.raises(Refused, match="it is pending"):
        lifecycle.import_key(private)
    lifecycle.promote("RS256", emergency=True)
    with database.begin() as connection:
        keyring = Keyring(open_key_store(settings), signing_keys.load(connection), clock())
    assert keyring.verify(keyring.sign({"sub": "ada"}, clock())) == {"sub": "ada"}
    lifecycle.revoke(private.thumbprint())
    with pytest.raises(Refused, match="it is revoked"):
        lifecycle.import_key(private)


def test_rewrapped_keys_open_under_the_new_key_alone_and_the_server_continues(
    lifecycle: Lifecycle,
    settings: Settings,
    clock: Clock,
    http: Any,
    login: Callable[..., Any],
    token: Callable[..., Any],
    tmp_path: Path,
) -> None:
    tokens = login()
    old = next((tmp_path / "keys").glob("kek-*.key"))
    files.create(settings.keys_dir, bytes(range(32)), clock() + SECOND)
    assert lifecycle.wrapped_by_older() == 3
    lifecycle.promote("RS256", emergency=True)  # wrapped by the new one, which the server has not read yet
    wait_until(lambda: published(http)[0] == kid_of(lifecycle, "active"))
    assert lifecycle.rewrap() == 3
    assert lifecycle.rewrap() == 0
    old.unlink()
    lifecycle.promote("RS256", emergency=True)
    wait_until(lambda: published(http)[0] == kid_of(lifecycle, "active"))
    assert token("refresh_token", refresh_token=tokens["refresh_token"]).status_code == 200
    assert replace(lifecycle).rewrap() == 0
