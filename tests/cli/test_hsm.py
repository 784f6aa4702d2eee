"""A server whose signing keys are in an HSM, as its operator and its clients see it."""

import json
import sqlite3
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from jwt import get_unverified_header
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from authserver.domain.errors import ChangedMeanwhile, Unavailable
from authserver.keyring.lifecycle import Lifecycle
from authserver.settings import load
from authserver.store import signing_keys
from tests.harness.clock import Clock
from tests.harness.constants import LONG, PASSWORD
from tests.harness.hsm import PIN, Token, needs_softhsm, new_token
from tests.harness.live import live
from tests.harness.process import run
from tests.harness.sample_database import as_client
from tests.web.answers import UNAVAILABLE, assert_granted, assert_refused

pytestmark = needs_softhsm
pytest.importorskip("pkcs11")


def kept(folder: Path) -> Any:
    with sqlite3.connect(folder / "authserver.db") as connection:
        return dict(connection.execute("SELECT kid, wrapped FROM signing_keys").fetchall())


_FOR_EACH_KEY = """
import sys, pkcs11
module, label, pin, work = sys.argv[1:]
with pkcs11.lib(module).get_token(token_label=label).open(rw=True, user_pin=pin) as session:
    for key in session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY}):
        exec(work)
"""


def in_token(token: Any) -> Any:
    """The kids of the private keys there."""
    labels = for_each_key(token, "print(key[pkcs11.Attribute.LABEL])").splitlines()
    return {label.removeprefix("authserver ") for label in labels}


def for_each_key(token: Any, work: Any) -> Any:
    """By another process, as this one's module does not look for new tokens."""
    command = [sys.executable, "-c", _FOR_EACH_KEY, token.settings["PKCS11_MODULE"], token.label, token.pin, work]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=LONG).stdout


def fetched(server: Any, path: Any = "/.well-known/jwks.json", **form: Any) -> Any:
    data = urllib.parse.urlencode(form).encode() if form else None
    with urllib.request.urlopen(server.url + path, data, timeout=LONG) as answer:
        return json.load(answer)


def test_a_server_with_an_hsm_from_init_to_a_revoked_key(softhsm: Path, tmp_path: Path) -> None:
    token = new_token("journey")
    with live(tmp_path, **token.settings) as server:
        keys = kept(tmp_path)
        assert in_token(token) == set(keys)
        assert all(text.startswith("pkcs11:token=journey;id=%") for text in keys.values())
        form = {"grant_type": "password", "client_id": server.app["client_id"], "username": "ada", "password": PASSWORD}
        body = fetched(server, "/token", **form)
        published = fetched(server)
        assert jwt.decode(body["access_token"], KeySet.import_key_set(published), ["RS256"]).claims["sub"]
        active, pending = (key["kid"] for key in published["keys"])
        server.command("keys", "rotate", "--emergency")
        server.command("keys", "revoke", active, "--yes")
        assert in_token(token) == {kid for kid, text in kept(tmp_path).items() if text}
        assert active not in in_token(token) and pending in in_token(token)
        refreshed = {"grant_type": "refresh_token", "client_id": server.app["client_id"]}
        assert fetched(server, "/token", refresh_token=body["refresh_token"], **refreshed)["access_token"]
        server.wait_until_ready()
    log = server.log.read_text()
    assert token.pin not in log + (tmp_path / "authserver.db").read_bytes().decode("latin-1")


def test_wrapped_keys_keep_working_beside_an_hsm_and_the_next_key_is_made_there(softhsm: Path, tmp_path: Path) -> None:
    token = new_token("beside")
    run("init", folder=tmp_path)
    wrapped = set(kept(tmp_path))
    run("keys", "rotate", "--emergency", folder=tmp_path, settings=token.settings)
    new = kept(tmp_path).keys() - wrapped
    assert in_token(token) == new and len(new) == 1
    refused = run("serve", "--port", "1", folder=tmp_path, check=False)
    assert refused.returncode == 78 and "AUTHSERVER_PKCS11_MODULE=" in refused.stderr


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"PKCS11_PIN": "wrong"}, 78, "AUTHSERVER_PKCS11_PIN_FILE="),
        ({"PKCS11_TOKEN": "elsewhere"}, 78, "AUTHSERVER_PKCS11_TOKEN="),
        ({"PKCS11_MODULE": "/nowhere/module.so"}, 78, "AUTHSERVER_PKCS11_MODULE="),
    ],
)
def test_a_start_that_cannot_work_says_what_to_write(
    with_hsm: Token, tmp_path: Path, change: Any, code: int, message: str
) -> None:
    refused = run("serve", "--port", "1", folder=tmp_path, check=False, settings=with_hsm.settings | change)
    assert refused.returncode == code and message in refused.stderr and with_hsm.pin not in refused.stderr


def test_a_key_that_is_gone_from_the_token_stops_the_start(softhsm: Path, tmp_path: Path) -> None:
    token = new_token("gone")
    run("init", folder=tmp_path, settings=token.settings)
    for_each_key(token, "key.destroy()")
    refused = run("serve", "--port", "1", folder=tmp_path, check=False, settings=token.settings)
    assert refused.returncode == 69 and "contains no private key" in refused.stderr


@pytest.fixture
def settings(softhsm: Path, tmp_path: Path) -> Any:
    return load(
        database_url=f"sqlite:///{tmp_path}/as.db",
        keys_dir=str(tmp_path / "keys"),
        **{name.lower(): value for name, value in Token("lifecycle", PIN).settings.items()},
    )


def token_of(http: TestClient) -> Any:
    return http.post("/token", data=as_client("web") | {"grant_type": "client_credentials"})


def revoke_active(lifecycle: Any) -> Any:
    """Returns the kid of the key that signs instead."""
    active, pending = sorted(lifecycle.read(), key=lambda key: key.state)
    lifecycle.promote("RS256", emergency=True)
    lifecycle.revoke(active.kid)
    return pending.kid


def test_a_key_that_another_process_revoked_makes_a_server_read_the_keys_again(
    lifecycle: Lifecycle, started: Callable[[], TestClient]
) -> None:
    server = started()
    first = assert_granted(token_of(server))
    new = revoke_active(lifecycle)
    assert kid_of(first) != new == kid_of(assert_granted(token_of(server)))


def test_a_key_that_another_process_revoked_leaves_a_server_ready(
    lifecycle: Lifecycle, started: Callable[[], TestClient]
) -> None:
    server = started()
    revoke_active(lifecycle)
    assert server.get("/health/ready").status_code == 200


def test_a_key_that_is_gone_from_the_token_is_told_to_the_operator_alone(
    lifecycle: Lifecycle, started: Callable[[], TestClient]
) -> None:
    server = started()
    lifecycle.open_key_store().destroy(key.wrapped for key in lifecycle.read())
    with capture_logs() as events:
        assert_refused(token_of(server), UNAVAILABLE)
    assert "contains no private key with the id" in str(events)
    assert server.get("/health/ready").json() == {"status": "unavailable", "down": ["key_service"]}


def kid_of(body: Any) -> Any:
    return get_unverified_header(body["access_token"])["kid"]


def here(lifecycle: Any) -> Any:
    present = lifecycle.open_key_store().present()
    known = {key.kid for key in lifecycle.read()}
    return set(present) & known, set(present) - known


def test_the_schedule_destroys_in_the_token_what_it_destroys_in_the_database(
    lifecycle: Lifecycle, clock: Clock
) -> None:
    lifecycle.promote("RS256", emergency=True)
    assert len(here(lifecycle)[0]) == 3
    clock.forward(90)
    assert [step.change for step in lifecycle.run_due()] == ["destroy"]
    assert here(lifecycle)[0] == {key.kid for key in lifecycle.read() if key.wrapped}


def test_what_a_killed_process_left_in_the_token_is_destroyed_later(
    lifecycle: Lifecycle, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    lifecycle.promote("RS256", emergency=True)
    clock.forward(90)
    from authserver.keyring.pkcs11 import Pkcs11

    def killed(self: Any, kept: Any) -> None:
        raise Unavailable("the HSM is away")

    with monkeypatch.context() as patched:
        patched.setattr(Pkcs11, "destroy", killed)
        assert [step.change for step in lifecycle.run_due()] == ["destroy"]
    assert len(here(lifecycle)[0]) == 3
    assert len(lifecycle.destroy_orphaned_keys()) == 1
    assert lifecycle.destroy_orphaned_keys() == []
    assert here(lifecycle)[0] == {key.kid for key in lifecycle.read() if key.wrapped}


def test_a_key_that_was_made_for_nothing_does_not_stay_in_the_token(lifecycle: Lifecycle, clock: Clock) -> None:
    before = here(lifecycle)[1]
    kid = next(key.kid for key in lifecycle.read() if key.state == "pending")
    lifecycle.revoke(kid)
    with pytest.raises(StopIteration):
        lifecycle.revoke("none such")
    assert lifecycle.revoke(kid) == ()  # revoked before: the spare key is not needed
    assert here(lifecycle)[1] == before


def test_a_key_that_another_process_forestalled_does_not_stay_in_the_token(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = here(lifecycle)
    monkeypatch.setattr(signing_keys, "change", lambda *_: False)
    with pytest.raises(ChangedMeanwhile):
        lifecycle.promote("RS256", emergency=True)
    assert here(lifecycle) == before
