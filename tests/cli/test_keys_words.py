"""What `keys list` and `keys rotate` show for keys of several algorithms."""

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from authserver.domain.errors import KeyServiceDown
from authserver.keyring import KeyStore
from authserver.store import signing_keys

MACHINE = ("client", "create", "Machine", "--grant", "client_credentials", "--access-token-alg", "ES256")


def kids(data: Any, alg: Any) -> Any:
    return {key["state"]: key["kid"][:8] for key in data("keys", "list") if key["alg"] == alg}


def line_of(cli: Callable[..., Result], *words: str) -> str:
    """The only line of the timeline in `keys list` that contains these words."""
    timeline = cli("keys", "list").stdout.split("\n\n")[1].splitlines()
    (line,) = (line for line in timeline if all(word in line for word in words))
    return line


def promotions(data: Callable[..., Any], alg: str) -> list[str]:
    events = data("keys", "rotate", "--alg", alg, "--dry-run")["timeline"]
    return [event["kid"][:8] for event in events if event["change"] == "promote"]


def test_the_first_key_of_an_algorithm_replaces_none(data: Callable[..., Any], cli: Callable[..., Result]) -> None:
    data(*MACHINE)
    first = kids(data, "ES256")["pending"]
    assert first in promotions(data, "ES256")
    assert first in line_of(cli, " now ", "no key signs ES256")
    assert "RS256" in line_of(cli, f"{first} signs ES256")
    cli("keys", "rotate", "--alg", "ES256", "--emergency")
    next_one = kids(data, "ES256")["pending"]
    assert next_one in line_of(cli, " now ", f"{first} signs (ES256)")
    assert first in line_of(cli, f"{next_one} signs;")
    assert next_one in promotions(data, "ES256") and first not in promotions(data, "ES256")


def test_an_algorithm_that_no_client_uses_appears_only_with_its_retired_key(
    data: Callable[..., Any], cli: Callable[..., Result]
) -> None:
    client = data(*MACHINE)["client_id"]
    cli("keys", "rotate", "--alg", "ES256", "--emergency")
    cli("client", "set-alg", client, "RS256")
    assert "ES256" not in cli("keys", "list").stdout.split("\n\n")[1]
    assert line_of(cli, kids(data, "ES256")["retired"], "leaves the key set")
    rs256 = kids(data, "RS256")
    assert rs256["pending"] in line_of(cli, " now ", f"{rs256['active']} signs (RS256)")
    assert rs256["pending"] in promotions(data, "RS256")


def test_what_was_done_is_reported_though_another_algorithm_fails(
    data: Callable[..., Any], cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = [data("client", "create", name, "--grant", "client_credentials")["client_id"] for name in "AB"]
    with sqlite3.connect("authserver.db") as connection:  # as a restore does: the keys follow
        for each in zip(("ES256", "EdDSA"), clients, strict=True):
            connection.execute("UPDATE clients SET access_token_alg = ? WHERE id = ?", each)
    generate = KeyStore.generate

    def refuse(self: Any, alg: Any, **times: Any) -> Any:
        if alg == "EdDSA":
            raise KeyServiceDown("This HSM knows no EdDSA.")
        return generate(self, alg, **times)

    monkeypatch.setattr(KeyStore, "generate", refuse)
    said = cli("keys", "rotate", "--due", code=69).stderr
    assert said.count("Done: ") == 1 and said.rstrip().endswith("This HSM knows no EdDSA.")
    assert kids(data, "ES256").keys() == {"pending"}


def test_a_key_that_another_process_changed_exits_with_75_try_later(
    data: Callable[..., Any], cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = data("keys", "list")
    monkeypatch.setattr(signing_keys, "change", lambda *_: False)
    said = cli("keys", "rotate", "--emergency", code=75).stderr
    assert said.startswith("Error: The key ") and said.endswith(" nothing was written. Try again.\n")
    assert data("keys", "list") == before
