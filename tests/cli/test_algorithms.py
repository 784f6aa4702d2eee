"""Clients that choose another algorithm, and the keys that come and go with them."""

import sqlite3
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from joserfc.jwk import ECKey, OKPKey, RSAKey

MACHINE = ("client", "create", "Machine", "--grant", "client_credentials")
OTHERS = ["PS256", "ES256", "EdDSA"]
KEYS = {"PS256": RSAKey.generate_key(2048), "ES256": ECKey.generate_key("P-256"), "EdDSA": OKPKey.generate_key()}


def states(data: Any) -> Any:
    keys = sorted((key["alg"], key["state"]) for key in data("keys", "list"))
    return {alg: [state for _, state in pairs] for alg, pairs in groupby(keys, key=lambda pair: pair[0])}


def test_nothing_is_made_for_an_algorithm_that_nobody_uses(data: Callable[..., Any]) -> None:
    data(*MACHINE)
    assert states(data) == {"RS256": ["active", "pending"]}


@pytest.mark.parametrize("alg", OTHERS)
def test_its_first_client_begins_an_algorithm_and_its_last_one_ends_it(
    data: Callable[..., Any], cli: Callable[..., Result], alg: str
) -> None:
    created = cli(*MACHINE, "--access-token-alg", alg, "--json")
    assert f"{alg} signs from " in created.stderr and "signed with RS256" in created.stderr
    assert states(data)[alg] == ["pending"]
    second = data(*MACHINE, "--access-token-alg", alg)["client_id"]
    assert states(data)[alg] == ["pending"]
    cli("keys", "rotate", "--alg", alg, code=3)
    cli("keys", "rotate", "--alg", alg, "--emergency")
    assert states(data) == {alg: ["active", "pending"], "RS256": ["active", "pending"]}
    cli("client", "delete", second, "--dry-run")
    cli("client", "delete", second, "--yes")
    assert states(data)[alg] == ["active", "pending"]
    (first,) = [client["client_id"] for client in data("client", "list") if client["access_token_alg"] == alg]
    cli("client", "set-alg", first, "RS256")
    assert states(data)[alg] == ["removed", "retired"]
    assert f"No client uses {alg}" in cli("keys", "rotate", "--alg", alg, "--emergency", code=3).stderr
    cli("client", "set-alg", first, alg)
    assert states(data)[alg] == ["pending", "removed", "retired"]


@pytest.mark.parametrize("use", ["--id-token-alg", "--userinfo-alg"])
def test_a_client_that_uses_an_algorithm_for_anything_begins_it_at_once(
    data: Callable[..., Any], cli: Callable[..., Result], use: str
) -> None:
    client_id = data("client", "create", "Web", "--redirect-uri", "https://a.example/cb", use, "ES256")["client_id"]
    assert states(data)["ES256"] == ["pending"]
    cli("client", "delete", client_id, "--yes")
    assert states(data)["ES256"] == ["removed"]


def test_a_compromised_host_gets_keys_for_what_is_used_alone(
    data: Callable[..., Any], cli: Callable[..., Result]
) -> None:
    used, unused = (data(*MACHINE, "--access-token-alg", alg)["client_id"] for alg in ("ES256", "EdDSA"))
    cli("keys", "rotate", "--alg", "EdDSA", "--emergency")
    cli("client", "delete", unused, "--yes")
    cli("keys", "revoke", "--all", "--yes")
    in_use = {(key["alg"], key["state"]) for key in data("keys", "list") if key["state"] in ("active", "pending")}
    assert in_use == {(alg, state) for alg in ("RS256", "ES256") for state in ("active", "pending")}


@pytest.mark.parametrize("alg", OTHERS)
def test_a_key_of_each_algorithm_is_imported_and_shown(
    data: Callable[..., Any], cli: Callable[..., Result], here: Path, alg: str
) -> None:
    key = KEYS[alg]
    (here / "key.pem").write_bytes(key.as_pem(private=True))  # type: ignore[attr-defined]
    assert f"No client uses {alg}" in cli("keys", "import", "key.pem", "--alg", alg, code=3).stderr
    data(*MACHINE, "--access-token-alg", alg)
    cli("keys", "import", "key.pem", "--alg", alg, "--dry-run")
    cli("keys", "import", "key.pem", "--alg", alg)
    assert "used here before" in cli("keys", "import", "key.pem", "--alg", alg, code=3).stderr
    cli("keys", "rotate", "--alg", alg, "--emergency")
    assert "BEGIN PUBLIC KEY" in cli("keys", "export-public", key.thumbprint()).stdout  # type: ignore[attr-defined]
    (shown,) = [one for one in data("keys", "list") if one["kid"] == key.thumbprint()]  # type: ignore[attr-defined]
    assert (shown["alg"], shown["state"]) == (alg, "active")


def test_an_unknown_algorithm_is_a_usage_error(cli: Callable[..., Result], here: Path) -> None:
    assert "'RS256', 'PS256', 'ES256', 'EdDSA'" in cli(*MACHINE, "--access-token-alg", "HS256", code=2).stderr
    cli("client", "set-alg", "first-party", "none", code=2)
    cli("client", "set-alg", "nobody", "ES256", code=1)


def test_a_clients_long_tokens_reach_the_keys_of_its_algorithm(data: Callable[..., Any]) -> None:
    data(*MACHINE, "--access-token-alg", "ES256", "--access-token-ttl", "86400")
    with sqlite3.connect("authserver.db") as connection:
        rows = connection.execute("SELECT alg, state, max_token_ttl FROM signing_keys ORDER BY alg, state").fetchall()
    assert rows == [("ES256", "pending", 86400), ("RS256", "active", 86400), ("RS256", "pending", 86400)]


def test_clients_that_were_changed_past_the_command_get_their_keys_by_the_schedule(
    data: Callable[..., Any], cli: Callable[..., Result]
) -> None:
    client = data(*MACHINE)["client_id"]
    with sqlite3.connect("authserver.db") as connection:
        connection.execute("UPDATE clients SET access_token_alg = 'EdDSA' WHERE id = ?", (client,))
    assert "a new key is published" in cli("keys", "rotate", "--due").stderr
    assert states(data)["EdDSA"] == ["pending"]
    cli("keys", "rotate", "--alg", "EdDSA", "--emergency")
    with sqlite3.connect("authserver.db") as connection:
        connection.execute("UPDATE clients SET access_token_alg = NULL")
    told = cli("keys", "rotate", "--due").stderr
    assert "since no client uses its algorithm" in told
    assert states(data)["EdDSA"] == ["removed", "retired"]
    assert "Nothing is due" in cli("keys", "rotate", "--due").stderr
