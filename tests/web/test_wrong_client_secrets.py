"""Guessing client secrets: wrong ones slow the network they come from, and never the client."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver.domain import client_secrets, network_limit
from authserver.domain.attempts import hourly
from authserver.domain.models import Secret
from authserver.domain.network_limit import NetworkLimit
from tests.harness.clock import Clock
from tests.harness.constants import SECOND, SECRET
from tests.web.answers import DISABLED, INVALID_CLIENT, TOO_MANY, assert_done, assert_refused
from tests.web.serving import ELSEWHERE, HOME, add_client, change_client

FEW = pytest.mark.parametrize("settings", [{"client_secret_attempts": 10}], indirect=True)
AT_ONCE, WAIT = 2, 450  # of 10 an hour, two may come at once, and one is forgotten every 450 seconds
PATHS = pytest.mark.parametrize("path", ["/token", "/revoke", "/introspect"])
Ask = Callable[..., Any]


@pytest.fixture
def ask(http: TestClient) -> Ask:
    def ask(secret: str = "wrong", client_id: str = "web", path: str = "/revoke") -> Any:
        form = {"client_id": client_id, "grant_type": "client_credentials", "token": "x"}
        return http.post(path, data=form | ({"client_secret": secret} if secret else {}))

    return ask


def exhaust(ask: Ask, **more: str) -> None:
    for _ in range(AT_ONCE):
        assert_refused(ask(**more), INVALID_CLIENT)


@FEW
@PATHS
def test_too_many_wrong_secrets_are_429_and_a_right_one_is_accepted(ask: Ask, path: str, clock: Clock) -> None:
    exhaust(ask, path=path)
    waiting = ask(path=path)
    assert_refused(waiting, TOO_MANY, longest_wait=WAIT)
    assert ask(SECRET, path=path).status_code not in (401, 429)
    clock.forward(int(waiting.headers["retry-after"]))
    assert_refused(ask(path=path), INVALID_CLIENT)
    assert_refused(ask(path=path), TOO_MANY, longest_wait=WAIT)


@pytest.mark.thorough
@FEW
@pytest.mark.parametrize("client_id", ["nobody", "app"])
def test_unknown_and_public_clients_are_treated_alike(ask: Ask, client_id: str) -> None:
    exhaust(ask, client_id=client_id)
    for name in (client_id, "web"):
        assert_refused(ask(client_id=name), TOO_MANY, longest_wait=WAIT)


@FEW
def test_other_networks_are_not_slowed(ask: Ask, from_host: Callable[[str], None]) -> None:
    from_host(ELSEWHERE)
    exhaust(ask)
    assert_refused(ask(), TOO_MANY, longest_wait=WAIT)
    from_host(HOME)
    assert_refused(ask(), INVALID_CLIENT)


@FEW
def test_what_is_no_guess_is_not_counted(ask: Ask, database: Any) -> None:
    add_client(database, "web", id="disabled", disabled=True)
    for _ in range(2 * AT_ONCE):
        assert_refused(ask(""), INVALID_CLIENT)
        assert_refused(ask(SECRET, "disabled"), DISABLED)
    exhaust(ask)


@FEW
def test_a_client_whose_secret_just_changed_is_not_counted(ask: Ask, database: Any) -> None:
    """Its cached row refuses the new secret; the fresh one does not."""
    assert_refused(ask("new"), INVALID_CLIENT)
    change_client(database, "web", secrets=(Secret(client_secrets.digest("new")),))
    assert_done(ask("new"))
    assert_refused(ask(), INVALID_CLIENT)
    assert_done(ask("new"))


@FEW
def test_the_log_says_that_the_network_must_wait(ask: Ask, events: list[Any]) -> None:
    exhaust(ask)
    assert_refused(ask(), TOO_MANY, longest_wait=WAIT)
    told = [(entry["event"], entry["reason"]) for entry in events]
    assert told[-3:] == [
        ("network_delayed", "wrong client secrets"),
        ("refused", "wrong client secret"),
        ("refused", "network must wait: too many wrong client secrets"),
    ]


@pytest.mark.parametrize("settings", [{"client_secret_attempts": 0}], indirect=True)
def test_0_turns_it_off(ask: Ask) -> None:
    for _ in range(30):
        assert_refused(ask(), INVALID_CLIENT)


def test_networks_without_number_are_forgotten_from_the_oldest_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_limit, "MAX_NETWORKS", 3)
    counted, now = NetworkLimit(hourly(1)), SECOND
    for network in "abcd":
        assert not counted.count(network, now).full
    assert len(counted) == 3
    assert counted.count("d", now).full and not counted.count("a", now).full
