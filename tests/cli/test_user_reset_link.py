"""authserver user reset-link."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import Result

from authserver.domain import links
from tests.cli.backups import sql
from tests.harness.constants import PASSWORD

DB = "authserver.db"


def test_a_link_is_printed_once_and_its_secret_is_nowhere(
    cli: Callable[..., Result], data: Callable[..., Any], here: Path
) -> None:
    cli("user", "create", "ada", "--password-stdin", input=PASSWORD)
    result = cli("user", "reset-link", "ADA")
    url, _, secret = result.stdout.strip().partition("?link=")
    assert url == "http://127.0.0.1:8000/reset/password" and links.id_of(secret)
    assert "ada can choose a new password with this link once, until " in result.stderr
    assert secret not in result.stderr and secret.encode() not in (here / DB).read_bytes()
    assert [row["event"] for row in data("audit", "list", "--limit", "1")] == ["user_reset_link_made"]
    again = data("user", "reset-link", "ada", ISSUER="https://login.example/as")
    assert again["username"] == "ada" and again["link"].startswith("https://login.example/as/reset/password?link=lk_")
    assert sql(DB, "SELECT count(*) FROM links") == [(1,)]


def test_nobody_and_a_disabled_user_get_none(cli: Callable[..., Result], here: Path) -> None:
    assert "There is no user ada" in cli("user", "reset-link", "ada", code=1).stderr
    cli("user", "create", "ada", "--password-stdin", input=PASSWORD)
    cli("user", "disable", "ada")
    assert "authserver user enable ada" in cli("user", "reset-link", "ada", code=1).stderr
