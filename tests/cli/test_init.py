"""authserver init: creates what is missing, again and again."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result


def contents(folder: Path) -> Any:
    """Every file of the folder that init makes, the database by what it holds."""
    return {path.name: path.read_bytes() for path in (folder / "keys").iterdir()}


def test_it_makes_database_keys_and_key_encryption_key(
    cli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = cli("init")
    assert result.stdout == ""
    (key,) = (tmp_path / "keys").iterdir()
    assert f"Created the key-encryption key keys/{key.name}. Back it up" in result.stderr
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert (tmp_path / "authserver.db").is_file()


def test_what_it_made_is_enough_to_serve(cli: Callable[..., Result], here: Path) -> None:
    assert "The settings are valid." in cli("config", "check").stderr


def test_the_first_keys_are_one_active_and_one_pending(data: Callable[..., Any]) -> None:
    keys = data("keys", "list")
    assert sorted((key["alg"], key["state"]) for key in keys) == [("RS256", "active"), ("RS256", "pending")]
    for key in keys:
        assert {"kid", "alg", "state", "created_at", "activated_at", "retired_at", "removed_at", "due"} <= set(key)
    active, pending = sorted(keys, key=lambda key: key["state"])
    assert active["activated_at"] and not pending["activated_at"]
    assert pending["due"]["activated_at"] > pending["due"]["promotable_at"] > pending["created_at"]
    assert active["due"]["retired_at"] == pending["due"]["activated_at"]


def test_the_first_keys_of_other_algorithms_sign_at_once_and_wait_for_their_clients(
    cli: Callable[..., Result], tmp_path: Path
) -> None:
    def keys() -> list[tuple[str, str]]:
        listed = json.loads(cli("keys", "list", "--json").stdout)
        return sorted((key["alg"], key["state"]) for key in listed)

    cli("init", "--alg", "EdDSA")
    new = [("EdDSA", "active"), ("EdDSA", "pending"), ("RS256", "active"), ("RS256", "pending")]
    assert keys() == new
    cli("keys", "rotate", "--due")
    cli("client", "create", "Other", "--kind", "service")
    assert keys() == new
    app = ["client", "create", "App", "--kind", "web", "--redirect-uri", "https://app.example/", "--id-token-alg"]
    assert "signs from" not in cli(*app, "EdDSA").stderr
    assert keys() == new
    cli("init", "--alg", "EdDSA")
    refused = cli("init", "--alg", "ES256", code=3)
    assert "authserver client update <client-id> --id-token-alg ES256" in refused.stderr
    assert keys() == new


def test_run_again_it_changes_nothing(cli: Callable[..., Result], data: Callable[..., Any], here: Path) -> None:
    before = contents(here), data("keys", "list"), data("client", "list")
    result = cli("init")
    assert "Created" not in result.stderr
    assert (contents(here), data("keys", "list"), data("client", "list")) == before


def test_it_makes_no_new_key_where_the_old_one_is_missing(cli: Callable[..., Result], here: Path) -> None:
    (key,) = (here / "keys").iterdir()
    key.unlink()
    assert "No key-encryption key unwraps" in cli("init", code=78).stderr
    assert list((here / "keys").iterdir()) == []


def test_a_key_that_was_there_before_the_database_wraps(cli: Callable[..., Result], here: Path, tmp_path: Path) -> None:
    """As after a crash between the two: the next init goes on with the key that is there."""
    before = contents(here)
    for file in here.glob("authserver.db*"):
        file.unlink()
    cli("init")
    assert contents(here) == before
    cli("config", "check")


def test_a_folder_that_cannot_be_made_is_named(cli: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a file")
    result = cli("init", code=78)
    assert "keys is not a folder." in result.stderr
    assert result.stderr.endswith("\n    AUTHSERVER_KEYS_DIR=/path/to/keys\n")
