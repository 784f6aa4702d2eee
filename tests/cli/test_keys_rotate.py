"""`authserver keys rotate` and scripts/rotate_keys.py as an operator meets them, and a server that follows."""

import json
import os
import sqlite3
import subprocess
import time
import urllib.request
from base64 import urlsafe_b64decode
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from authserver.cli import main
from authserver.provisioning import initialise, open_database
from authserver.settings import Settings
from tests.harness.clock import Clock
from tests.harness.constants import LONG, PASSWORD, SECOND
from tests.harness.live import live
from tests.harness.process import environment_with

SCRIPT = Path(__file__).parents[2] / "scripts" / "rotate_keys.py"
DAY = 86400


@pytest.fixture
def fresh() -> None:
    set_up(days_ago=0)


def set_up(days_ago: int) -> None:
    """In the working folder, which is the test's own."""
    settings, clock = Settings(), Clock(round((time.time() - days_ago * DAY) * SECOND))
    with closing(open_database(settings, clock)) as database:
        initialise(settings, database, clock)


def authserver(*arguments: str, code: int = 0) -> Any:
    """The command in this process, in the working folder; one test below and all of the next file start real ones."""
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == code, done.output
    return done


def rotate(*arguments: str, code: int = 0) -> Any:
    return authserver("keys", "rotate", *arguments, code=code)


def keys() -> Any:
    return json.loads(authserver("keys", "list", "--json").stdout)


def kid_of(state: str) -> str:
    return next(str(key["kid"]) for key in keys() if key["state"] == state)


def test_too_early_is_refused_with_3_and_the_time_from_which_it_may_be(fresh: None) -> None:
    before = keys()
    done = rotate(code=3)
    published = datetime.fromisoformat(next(key["created_at"] for key in before if key["state"] == "pending"))
    possible = (published + timedelta(seconds=DAY + 31)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert f"can be promoted from {possible}, in " in done.stderr
    assert done.stderr.endswith("    authserver keys rotate --emergency\n")
    assert done.stdout == ""
    asked = rotate("--json", code=3)
    assert {"refused": True, "changes": [], "promotable_at": possible}.items() <= json.loads(asked.stdout).items()
    assert keys() == before


def test_after_the_lead_time_it_promotes_and_at_once_again_it_is_refused() -> None:
    set_up(days_ago=2)
    active, pending = kid_of("active"), kid_of("pending")
    told = rotate()
    assert told.stderr == f"Done: {pending[:8]} signs from now on.\n"
    assert f"{pending[:8]} signs (RS256)" in told.stdout
    assert (kid_of("active"), kid_of("retired")) == (pending, active)
    rotate(code=3)


def test_an_emergency_overrides_the_lead_time(fresh: None) -> None:
    pending = kid_of("pending")
    data = json.loads(rotate("--emergency", "--json").stdout)
    assert data["changes"] == [{"change": "promote", "alg": "RS256", "kid": pending}]
    assert [event["change"] for event in data["timeline"]][:2] == ["destroy", "remove"]
    assert kid_of("active") == pending


def test_due_does_nothing_when_nothing_is_due(fresh: None) -> None:
    before = keys()
    assert rotate("--due").stderr == "Nothing is due.\n"
    assert keys() == before


def test_due_does_it_all_when_nobody_looked_for_a_year() -> None:
    set_up(days_ago=365)
    pending = kid_of("pending")
    assert rotate("--due").stderr == f"Done: {pending[:8]} signs from now on.\n"
    assert rotate("--due").stderr == "Nothing is due.\n"


@pytest.mark.parametrize(
    ("arguments", "days", "told"),
    [
        ([], 0, "Too early: {pending} can be promoted from "),
        ([], 2, "Dry run: {pending} signs from now on.\n"),
        (["--emergency"], 0, "Dry run: {pending} signs from now on.\nVerifiers that have not fetched "),
        (["--due"], 0, "Nothing is due.\n"),
        (["--due"], 91, "Dry run: {pending} signs from now on.\n"),
    ],
)
def test_a_dry_run_changes_nothing_and_tells_what_happens_when(arguments: Any, days: int, told: str) -> None:
    set_up(days)
    before, pending = keys(), kid_of("pending")[:8]
    shown = rotate(*arguments, "--dry-run")
    assert shown.stderr.startswith(told.format(pending=pending))
    assert "leaves the key set: its last token has expired." in shown.stdout
    assert "Verifiers see " in shown.stdout
    data = json.loads(rotate(*arguments, "--dry-run", "--json").stdout)
    assert data["dry_run"] is True
    assert keys() == before


def test_due_finds_what_was_changed_in_the_database_by_hand(fresh: None) -> None:
    authserver("client", "create", "app", "--grant", "client_credentials", "--access-token-alg", "ES256")
    with sqlite3.connect("authserver.db") as connection:
        connection.execute("UPDATE clients SET access_token_alg = 'EdDSA'")
    for arguments in (["--dry-run"], []):
        changes = json.loads(rotate("--due", "--json", *arguments).stdout)["changes"]
        assert [(one["change"], one["alg"]) for one in changes] == [("publish", "EdDSA"), ("withdraw", "ES256")]
    assert rotate("--due").stderr == "Nothing is due.\n"


def test_due_and_emergency_exclude_each_other(fresh: None) -> None:
    assert "--due" in rotate("--due", "--emergency", code=2).stderr


def test_the_list_draws_the_timeline(fresh: None) -> None:
    active, pending = kid_of("active")[:8], kid_of("pending")[:8]
    lines = authserver("keys", "list").stdout.splitlines()
    assert f"{active} signs (RS256), {pending} is pending." in lines[4]
    assert lines[5].strip() == f"Verifiers see {active}, {pending}."
    assert f"{pending} signs; {active} stops signing and stays published. A new key is published." in lines[7]


@pytest.mark.skipif(not os.access("/usr/bin/python3", os.X_OK), reason="there is no other Python")
def test_the_script_is_the_command_whichever_python_runs_it(fresh: None, tmp_path: Path) -> None:
    """Any Python may start it: it goes on with .venv's. The working folder stays, and so do the settings."""
    command = ["/usr/bin/python3", str(SCRIPT), "--json"]
    done = subprocess.run(command, cwd=tmp_path, env=environment_with({}), capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["refused"] is True
    helped = subprocess.run([*command[:2], "--help"], capture_output=True, text=True, check=True)
    assert "authserver keys rotate --dry-run" in helped.stdout


def test_running_servers_follow_by_themselves_and_verifiers_never_fail(tmp_path: Path) -> None:
    with live(tmp_path, 2) as server:
        old, new = kid_of("active"), kid_of("pending")
        before = access_token(server)
        assert header_of(before)["kid"] == old
        subprocess.run([SCRIPT, "--emergency"], cwd=tmp_path, env=environment_with({}), check=True, capture_output=True)
        followed, until = 0, time.monotonic() + LONG
        while followed < 16:  # whichever worker answers
            token, published = access_token(server), kids_of(server)
            assert {header_of(token)["kid"], old, new} <= set(published)
            has_followed = header_of(token)["kid"] == published[0] == new and len(published) == 3
            followed = followed + 1 if has_followed else 0
            assert time.monotonic() < until


def access_token(server: Any) -> str:
    client = (
        f"client_id={server.app['client_id']}&grant_type=password&username=ada&password={PASSWORD.replace(' ', '+')}"
    )
    with urllib.request.urlopen(f"{server.url}/token", client.encode(), timeout=LONG) as answer:
        return str(json.load(answer)["access_token"])


def kids_of(server: Any) -> list[str]:
    with urllib.request.urlopen(f"{server.url}/.well-known/jwks.json", timeout=LONG) as answer:
        return [key["kid"] for key in json.load(answer)["keys"]]


def header_of(token: str) -> dict[str, str]:
    segment = token.split(".")[0]
    header: dict[str, str] = json.loads(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    return header
