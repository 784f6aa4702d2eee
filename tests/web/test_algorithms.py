"""Access tokens of a client that has an algorithm of its own, as verifiers meet them."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver.keyring.lifecycle import Lifecycle
from authserver.resource import Guard
from authserver.settings import Settings
from authserver.store import clients
from tests.harness.clock import Clock
from tests.harness.constants import AUDIENCE, ISSUER, PASSWORD
from tests.harness.existing import existing
from tests.web.answers import assert_granted
from tests.web.serving import wait_until

ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]


def use(keys: Any, client_id: Any, alg: Any) -> None:
    """As `authserver client set-alg` does."""

    def change(connection: Any) -> None:
        clients.put(connection, replace(existing(clients.load(connection, client_id)), access_token_alg=alg))

    keys.change_clients({alg}, change)


def signed_with(answer: Any) -> Any:
    return json.loads(urlsafe_b64decode(assert_granted(answer)["access_token"].partition(".")[0] + "=="))["alg"]


def jwks(http: TestClient) -> Any:
    return http.get("/.well-known/jwks.json").json()


def published(http: TestClient) -> Any:
    return [key["alg"] for key in jwks(http)["keys"]]


def test_the_metadata_names_what_clients_may_choose(http: TestClient) -> None:
    document = http.get("/.well-known/oauth-authorization-server").json()
    # RFC 9068 s2.1: MUST include RS256.
    assert document["access_token_signing_alg_values_supported"] == ALGORITHMS


@pytest.mark.parametrize("alg", ALGORITHMS[1:])
def test_from_the_first_token_to_the_last_no_verifier_fails(
    lifecycle: Lifecycle, settings: Settings, clock: Clock, token: Callable[..., Any], http: TestClient, alg: Any
) -> None:
    """Begun while the server runs: RS256 until the new key has met its lead time, then the client's own."""
    guard = Guard(ISSUER, AUDIENCE, keys=lambda: jwks(http), algorithms=("RS256", alg), now=lambda: clock() / 1e6)

    def next_alg(client_id: Any = "web") -> Any:
        answer = token("client_credentials", client_id)
        assert guard.verify(answer.json()["access_token"]).client_id == client_id
        return signed_with(answer)

    use(lifecycle, "web", alg)
    clock.forward(6)  # for the cached client
    wait_until(lambda: alg in published(http))
    assert next_alg() == "RS256"
    clock.forward(settings.key_lead_time + 23)
    assert lifecycle.run_due() == []
    assert next_alg() == "RS256"
    clock.forward(1)
    assert [step.alg for step in lifecycle.run_due()] == [alg]
    wait_until(lambda: published(http) == ["RS256", alg, "RS256", alg])
    assert next_alg() == alg


@pytest.mark.parametrize("alg", ALGORITHMS[1:])
def test_a_login_refreshes_introspects_and_calls_the_api_with_each_algorithm(
    lifecycle: Lifecycle,
    clock: Clock,
    login: Callable[..., Any],
    refresh: Callable[..., Any],
    http: TestClient,
    alg: Any,
) -> None:
    use(lifecycle, "first-party", alg)
    lifecycle.promote(alg, emergency=True)
    clock.forward(6)
    wait_until(lambda: published(http) == ["RS256", alg, "RS256", alg])
    body = http.post("/api/login", json={"username": "ada", "password": PASSWORD}).json()
    for token in (body, http.post("/api/refresh-token", json={"refresh_token": body["refresh_token"]}).json()):
        assert json.loads(urlsafe_b64decode(token["access_token"].partition(".")[0] + "=="))["alg"] == alg
        answer = http.get("/api/protected", headers={"Authorization": f"Bearer {token['access_token']}"})
        assert answer.status_code == 200 and answer.json()["client_id"] == "first-party"
