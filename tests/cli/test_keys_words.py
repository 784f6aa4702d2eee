"""What `keys list` and `keys rotate` say of keys of several algorithms."""

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


def told(cli: Any) -> Any:
    return cli("keys", "list").stdout.split("\n\n")[1]


def test_the_first_key_of_an_algorithm_replaces_none(data: Callable[..., Any], cli: Callable[..., Result]) -> None:
    data(*MACHINE)
    first = kids(data, "ES256")["pending"]
    assert f"no key signs ES256, {first} is announced." in told(cli)
    assert f"{first} signs ES256, which RS256 did until then. A new key is announced." in told(cli)
    cli("keys", "rotate", "--alg", "ES256", "--emergency")
    next_one = kids(data, "ES256")["pending"]
    assert f"{first} signs (ES256), {next_one} is announced." in told(cli)
    assert f"{next_one} signs; {first} signs no more, and stays for its tokens." in told(cli)
    assert "which RS256 did" not in told(cli)


def test_of_an_algorithm_that_is_used_no_more_only_what_stays_is_told(
    data: Callable[..., Any], cli: Callable[..., Result]
) -> None:
    client = data(*MACHINE)["client_id"]
    cli("keys", "rotate", "--alg", "ES256", "--emergency")
    cli("client", "set-alg", client, "RS256")
    assert "signs ES256" not in told(cli) and "(ES256)" not in told(cli)
    assert f"{kids(data, 'ES256')['retired']} leaves the key set: its last token has expired." in told(cli)
    rs256 = kids(data, "RS256")
    assert f"{rs256['active']} signs (RS256), {rs256['pending']} is announced." in told(cli)


def test_what_is_done_is_told_though_another_algorithm_fails(
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


def test_what_another_process_changed_meanwhile_is_tried_later(
    data: Callable[..., Any], cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = data("keys", "list")
    monkeypatch.setattr(signing_keys, "change", lambda *_: False)
    said = cli("keys", "rotate", "--emergency", code=75).stderr
    assert said.startswith("Error: The key ") and said.endswith(" nothing was written. Try again.\n")
    assert data("keys", "list") == before
