"""authserver config show|check and db current|upgrade."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import Result

from authserver.settings import Settings


def test_config_show_has_every_setting_and_where_it_comes_from(cli: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("AUTHSERVER_PASSWORD_QUEUE=7\n")
    (tmp_path / "authserver.toml").write_text("access_token_ttl = 60\npassword_queue = 8\n")
    rows = {row["variable"]: row for row in json.loads(cli("config", "show", "--json", LOG_LEVEL="debug").stdout)}
    assert list(rows) == [f"AUTHSERVER_{name.upper()}" for name in Settings.model_fields]
    found = {name: (rows[f"AUTHSERVER_{name}"]["value"], rows[f"AUTHSERVER_{name}"]["source"]) for name in SET}
    assert found == SET


SET = {
    "LOG_LEVEL": ("debug", "environment"),
    "PASSWORD_QUEUE": (7, ".env"),
    "ACCESS_TOKEN_TTL": (60, "authserver.toml"),
    "REFRESH_RETRY_WINDOW": (30, "default"),
}


def test_config_show_shows_no_secret(cli: Callable[..., Result]) -> None:
    url, key = "postgresql+psycopg://clerk:hunter2@db.example/as?password=hunter3", "A" * 43
    for more in ([], ["--json"]):
        shown = cli("config", "show", *more, DATABASE_URL=url, KEY_ENCRYPTION_KEY=key).stdout
        assert "db.example" in shown
        assert not any(secret in shown for secret in ("hunter2", "hunter3", key))


def test_config_check_says_what_is_good_and_what_to_know(cli: Callable[..., Result], data: Callable[..., Any]) -> None:
    for client in data("client", "list"):
        cli("client", "disable", client["client_id"])
    assert cli("config", "check").stderr == "The settings are valid.\n"
    created = data("client", "create", "Shop", "--grant", "password", "--auth-method", "none")
    warned = cli("config", "check", KEY_LEAD_TIME="60")
    assert warned.stdout == ""
    assert "Warning: AUTHSERVER_KEY_LEAD_TIME=60 is for tests only" in warned.stderr
    assert "RFC 9700 s2.4" in warned.stderr and "Shop" in warned.stderr
    cli("client", "disable", created["client_id"])
    assert cli("config", "check").stderr == "The settings are valid.\n"


def test_a_claims_hook_that_cannot_be_loaded_is_found_before_the_start(cli: Callable[..., Result], here: Path) -> None:
    result = cli("config", "check", CLAIMS_HOOK="no_such_module:claims_of", code=78)
    assert "AUTHSERVER_CLAIMS_HOOK=no_such_module:claims_of cannot be used: ModuleNotFoundError" in result.stderr
    assert "AUTHSERVER_CLAIMS_HOOK" in cli("config", "check", CLAIMS_HOOK="no colon", code=78).stderr


def test_db_current_shows_the_version_of_a_new_database_and_none_of_an_empty_one(
    cli: Callable[..., Result], data: Callable[..., Any], here: Path
) -> None:
    Path("other.db").touch()
    found = data("db", "current")
    assert found["current"] == found["head"]
    assert json.loads(cli("db", "current", "--json", DATABASE_URL="sqlite:///other.db").stdout)["current"] is None
    assert cli("db", "current", DATABASE_URL="sqlite:///other.db").stdout.startswith("empty (this version needs ")


def test_db_upgrade_makes_the_tables_of_an_empty_database_once(cli: Callable[..., Result], here: Path) -> None:
    Path("other.db").touch()
    for _ in range(2):
        assert cli("db", "upgrade", DATABASE_URL="sqlite:///other.db").stdout == ""
    found = json.loads(cli("db", "current", "--json", DATABASE_URL="sqlite:///other.db").stdout)
    assert found["current"] == found["head"]
