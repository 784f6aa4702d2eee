"""Commands that destroy something ask on a terminal; elsewhere they need --yes."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.cli.backups import LINE
from tests.cli.terminal import converse
from tests.harness.constants import PASSWORD


@pytest.fixture
def lines(data: Callable[..., Any], backup: Callable[..., Path], kid_of: Callable[[str], str]) -> Any:
    """Each of these commands, as it is typed."""
    data("user", "create", "ada", "--password-stdin", input=PASSWORD)
    backup()
    return {
        "user delete": ["user", "delete", "ada"],
        "client delete": ["client", "delete", "first-party"],
        "keys revoke": ["keys", "revoke", kid_of("active")],
        "keys revoke --all": ["keys", "revoke", "--all"],
        "keys revoke --refresh-keys": ["keys", "revoke", "--refresh-keys"],
        "restore": ["restore", "b", "--passphrase-stdin"],
    }


every = pytest.mark.parametrize(
    "name",
    ["user delete", "client delete", "keys revoke", "keys revoke --all", "keys revoke --refresh-keys", "restore"],
)


def state(data: Any) -> Any:
    return data("user", "list"), data("client", "list"), data("keys", "list"), data("keys", "list", "--refresh-keys")


@every
def test_without_a_terminal_it_demands_yes_and_says_what_to_type(
    cli: Callable[..., Result], data: Callable[..., Any], lines: Any, name: Any
) -> None:
    before = state(data)
    refused = cli(*lines[name], code=2, input=LINE)
    typed = refused.stderr.splitlines()[-1].strip()
    assert shlex.split(typed) == ["authserver", *lines[name], "--yes"]
    assert refused.stdout == "" and state(data) == before
    cli(*lines[name], "--dry-run", input=LINE)
    assert state(data) == before
    cli(*shlex.split(typed)[1:], input=LINE)
    assert name == "restore" or state(data) != before


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("", 1)])
def test_on_a_terminal_it_asks(data: Callable[..., Any], here: Path, answer: str, code: int) -> None:
    data("user", "create", "ada", "--password-stdin", input=PASSWORD)
    shown = converse("user", "delete", "ada", answers={"[y/N]: ": answer}, code=code)
    assert "Delete the user ada and end 0 authorizations? [y/N]: " in shown
    assert [user["username"] for user in data("user", "list")] == ([] if code == 0 else ["ada"])


def test_a_name_that_begins_with_a_hyphen_stays_a_name(
    cli: Callable[..., Result], data: Callable[..., Any], here: Path
) -> None:
    cli("user", "create", "--password-stdin", "--", "-ada", input=PASSWORD)
    line = cli("user", "delete", "--", "-ada", code=2).stderr.splitlines()[-1].strip()
    assert line == "authserver user delete --yes -- -ada"
    cli(*shlex.split(line)[1:])
    assert data("user", "list") == []


def test_where_there_is_nothing_to_replace_a_restore_does_not_ask(
    cli: Callable[..., Result], data: Callable[..., Any], backup: Callable[..., Path]
) -> None:
    backup()
    for file in Path().glob("authserver.db*"):
        file.unlink()
    cli("restore", "b", "--passphrase-stdin", input=LINE)
    assert [client["client_id"] for client in data("client", "list")] == ["first-party"]
