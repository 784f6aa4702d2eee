"""`authserver restore`: the keys fit the clients, which are the backup's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.cli.backups import lose_everything, sql

DB = "authserver.db"
MACHINE = ("client", "create", "Machine", "--grant", "client_credentials", "--access-token-alg")


@pytest.fixture
def active(data: Callable[..., Any]) -> Callable[..., Any]:
    """The states of the keys of ES256 that go on."""

    def active() -> list[str]:
        keys = (key["state"] for key in data("keys", "list") if key["alg"] == "ES256")
        return sorted(state for state in keys if state in ("active", "pending"))

    return active


@pytest.mark.parametrize("signed", [False, True])
def test_an_algorithm_that_a_client_uses_again_has_keys_again(
    data: Callable[..., Any],
    cli: Callable[..., Result],
    backup: Callable[..., Path],
    restore: Callable[..., Any],
    active: Any,
    signed: bool,
) -> None:
    client = data(*MACHINE, "ES256")["client_id"]
    if signed:
        cli("keys", "rotate", "--alg", "ES256", "--emergency")
    backup()
    cli("client", "set-alg", client, "RS256")
    assert active() == []
    restore()
    assert data("client", "show", client)["access_token_alg"] == "ES256"
    assert active() == ["pending"]


@pytest.mark.parametrize("signed", [False, True])
def test_an_algorithm_that_no_client_uses_any_more_stops_signing(
    data: Callable[..., Any],
    cli: Callable[..., Result],
    backup: Callable[..., Path],
    restore: Callable[..., Any],
    active: Any,
    signed: bool,
) -> None:
    client = data(*MACHINE, "RS256")["client_id"]
    backup()
    cli("client", "set-alg", client, "ES256")
    if signed:
        cli("keys", "rotate", "--alg", "ES256", "--emergency")
    assert active()
    restore()
    assert active() == []
    assert {key["state"] for key in data("keys", "list") if key["alg"] == "ES256"} == {"retired"}


def test_if_all_keys_of_an_algorithm_were_revoked_a_new_one_is_published(
    data: Callable[..., Any],
    cli: Callable[..., Result],
    backup: Callable[..., Path],
    restore: Callable[..., Any],
    active: Any,
) -> None:
    data(*MACHINE, "ES256")
    cli("keys", "rotate", "--alg", "ES256", "--emergency")
    backup()
    revoked = [key["kid"] for key in data("keys", "list") if key["alg"] == "ES256"]
    lose_everything()
    restore(*(word for kid in revoked for word in ("--revoked", kid)))
    assert active() == ["pending"]


def test_a_clients_longer_lifetime_is_known_to_the_keys_that_will_sign(
    data: Callable[..., Any], cli: Callable[..., Result], backup: Callable[..., Path], restore: Callable[..., Any]
) -> None:
    """Whatever the database that is replaced knew of it."""
    data(*MACHINE, "ES256", "--access-token-ttl", "7200")
    backup()
    for _ in range(2):
        cli("keys", "rotate", "--emergency")
    sql(DB, "UPDATE clients SET access_token_ttl = NULL")
    sql(DB, "UPDATE signing_keys SET max_token_ttl = 900")
    restore()
    signing = sql(DB, "SELECT max_token_ttl FROM signing_keys WHERE state IN ('active', 'pending')")
    assert signing == [(7200,)] * 3


def test_keys_that_are_made_know_it_too(
    data: Callable[..., Any], backup: Callable[..., Path], restore: Callable[..., Any]
) -> None:
    data(*MACHINE, "ES256", "--access-token-ttl", "7200")
    backup()
    revoked = [key["kid"] for key in data("keys", "list")]
    lose_everything()
    restore("--emergency", *(word for kid in revoked for word in ("--revoked", kid)))
    signing = sql(DB, "SELECT max_token_ttl FROM signing_keys WHERE state IN ('active', 'pending')")
    assert signing == [(7200,)] * 3
