"""POST /introspect while keys and issuer change."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver.app import create_app
from authserver.store.database import Database
from tests.api.introspecting import INACTIVE, Introspector
from tests.harness.clock import Clock
from tests.harness.constants import LONG
from tests.harness.sample_database import settings_in
from tests.web.serving import execute

RETIRED = "UPDATE signing_keys SET state = 'retired', retired_at = activated_at WHERE state = 'active'"
PROMOTED = "UPDATE signing_keys SET state = 'active', activated_at = created_at WHERE state = 'pending'"


@pytest.fixture
def introspect(http: TestClient) -> Any:
    return Introspector(http)


def change_keys(http: TestClient, database: Database, *statements: Any) -> None:
    """Until the server has seen it."""
    before = http.get("/.well-known/jwks.json").json()
    for statement in statements:
        execute(database, statement)
    until = time.monotonic() + LONG
    while http.get("/.well-known/jwks.json").json() == before:
        assert time.monotonic() < until
        time.sleep(0.005)


def test_a_retired_key_still_vouches_for_its_tokens(
    introspect: Any, http: TestClient, database: Database, login: Callable[..., Any]
) -> None:
    before = login("app")["access_token"]
    change_keys(http, database, RETIRED, PROMOTED)
    after = login("app")["access_token"]
    assert before.split(".")[0] != after.split(".")[0]
    for text in (before, after):
        assert introspect.shown(text)["active"] is True


@pytest.mark.parametrize("gone", ["state = 'revoked'", "state = 'removed', removed_at = 2 * retired_at"])
def test_a_key_that_is_no_longer_published_does_not(
    introspect: Any, http: TestClient, database: Database, login: Callable[..., Any], gone: str
) -> None:
    text = login("app")["access_token"]
    change_keys(http, database, RETIRED, PROMOTED)
    change_keys(http, database, f"UPDATE signing_keys SET {gone} WHERE state = 'retired'")
    assert introspect.shown(text) == INACTIVE


def test_a_token_of_the_issuer_that_this_server_was_before(
    introspect: Any, login: Callable[..., Any], tmp_path: Path, clock: Clock
) -> None:
    """The guard refuses it by its `iss`, and so no resource server should hear that it is good."""
    text = login("app")["access_token"]
    assert introspect.shown(text)["active"] is True
    renamed = create_app(settings_in(tmp_path, issuer="https://new.example"), now=clock)
    with TestClient(renamed, "https://new.example") as http:
        assert Introspector(http).shown(text) == INACTIVE
