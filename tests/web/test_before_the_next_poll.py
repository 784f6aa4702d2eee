"""What another process has just changed, and this one has not read yet: no request in between gets a wrong answer."""

import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver.domain.models import Secret
from authserver.keyring.lifecycle import Lifecycle
from authserver.store import signing_keys
from authserver.store.database import Database
from tests.harness.constants import PASSWORD
from tests.harness.sample_database import as_client
from tests.web.answers import DISABLED, INVALID_CLIENT, assert_done, assert_granted, assert_refused
from tests.web.serving import change_client

INTERVAL = 0.2  # seconds


@pytest.fixture
def nodes(started: Callable[[], TestClient], lifecycle: Lifecycle) -> Any:
    """One that knows the keys of before `keys revoke --all`, one that knows those after it."""
    before = started()
    lifecycle.revoke_all()
    return before, started()


def post(node: Any, path: Any, **form: Any) -> Any:
    return node.post(path, data=as_client("web") | form)


def token_of(node: Any, **form: Any) -> Any:
    return post(node, "/token", grant_type="client_credentials", **form)


def introspected(node: Any, token: Any) -> Any:
    return post(node, "/introspect", token=token).json()


def test_a_token_of_a_key_that_this_node_has_not_read_is_good_at_userinfo(nodes: Any, database: Database) -> None:
    before, after = nodes
    change_client(database, "web", scope=("openid",))
    form = {"grant_type": "password", "username": "ada", "password": PASSWORD, "scope": "openid"}
    token = post(after, "/token", **form).json()["access_token"]
    answer = before.get("/userinfo", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()) == (200, {"sub": "u_ada"})


def test_a_token_of_a_key_that_this_node_has_not_read_is_revoked(nodes: Any) -> None:
    before, after = nodes
    token = assert_granted(token_of(after))["access_token"]
    assert_done(post(before, "/revoke", token=token))
    assert introspected(after, token) == {"active": False}


@pytest.mark.parametrize("typ", ["at+jwt", "JWT"])
def test_a_token_of_a_key_that_this_node_has_not_read_is_active(nodes: Any, database: Database, typ: str) -> None:
    before, after = nodes
    change_client(database, "web", access_token_typ=typ)
    token = assert_granted(token_of(after))["access_token"]
    assert introspected(before, token) == introspected(after, token) != {"active": False}


@pytest.mark.parametrize("header", ['{"alg":"RS256","typ":"at+jwt","kid":"nobody\'s"}', "[" * 150, "null", "x" * 300])
def test_a_token_of_nobodys_key_is_inactive(started: Callable[[], TestClient], header: str) -> None:
    forged = f"{urlsafe_b64encode(header.encode()).rstrip(b'=').decode()}.e30.AAAA"
    node = started()
    assert introspected(node, forged) == {"active": False}
    assert_done(post(node, "/revoke", token=forged))


def test_tokens_of_unknown_keys_reload_the_keys_at_most_every_so_often(
    started: Callable[[], TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("authserver.app.RELOAD_INTERVAL", INTERVAL)
    node, load_many = started(), signing_keys.load_many
    read: list[None] = []

    def counted(*arguments: Any) -> Any:
        read.append(None)
        return load_many(*arguments)

    monkeypatch.setattr(signing_keys, "load_many", counted)
    header = urlsafe_b64encode(b'{"alg":"RS256","typ":"at+jwt","kid":"nobody"}').rstrip(b"=").decode()
    began = time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        answers = [
            threads.submit(post, node, path, token=f"{header}.e30.AAAA") for path in ("/introspect", "/revoke") * 12
        ]
    assert [answer.result().status_code for answer in answers] == [200] * 24
    assert 1 <= len(read) <= (time.monotonic() - began) / INTERVAL + 2


def test_a_new_secret_is_good_at_once(started: Callable[[], TestClient], database: Database) -> None:
    node = started()
    assert_granted(token_of(node))
    change_client(database, "web", secrets=(Secret(sha256(b"new").digest()),))
    assert_granted(token_of(node, client_secret="new"))
    assert_refused(token_of(node), INVALID_CLIENT)


def test_a_client_that_was_enabled_is_welcome_at_once(started: Callable[[], TestClient], database: Database) -> None:
    node = started()
    change_client(database, "web", disabled=True)
    assert_refused(token_of(node), DISABLED)
    change_client(database, "web", disabled=False)
    assert_granted(token_of(node))
