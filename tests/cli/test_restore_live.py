"""A backup taken from a server that is being used, restored, and served again: clients and verifiers go on."""

import json
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.cli.backups import LINE, sql
from tests.harness.constants import LONG, PASSWORD
from tests.harness.existing import existing
from tests.harness.live import Live
from tests.harness.process import environment_with, run


def post(server: Live, path: str, **form: str) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(f"{server.url}{path}", urlencode(form).encode(), timeout=LONG) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def log_in(server: Live) -> dict[str, Any]:
    form = {"username": "ada", "password": PASSWORD, "client_id": server.app["client_id"]}
    status, answer = post(server, "/token", grant_type="password", **form)
    assert status == 200, answer
    return answer


def refresh(server: Live, token: str) -> tuple[int, dict[str, Any]]:
    form = {"refresh_token": token, "client_id": server.app["client_id"]}
    return post(server, "/token", grant_type="refresh_token", **form)


def verifies(server: Live, token: str) -> bool:
    with urllib.request.urlopen(f"{server.url}/.well-known/jwks.json", timeout=LONG) as answer:
        keys = KeySet.import_key_set(json.load(answer))
    return bool(jwt.decode(token, keys, algorithms=["RS256"]).claims["iss"] == server.url)


def command(server: Live, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return run(*arguments, "--passphrase-stdin", folder=server.folder, input=LINE, settings=server.settings, **options)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Live:
    """Set up, and not started."""
    template = Live(tmp_path_factory.mktemp("template"))
    template.set_up()
    return template


@pytest.fixture
def server(template: Live, tmp_path: Path) -> Iterator[Any]:
    server = Live(tmp_path / "first")
    shutil.copytree(template.folder, server.folder)
    server.app = template.app
    server.start()
    yield server
    server.stop()


class Load:
    """Clients that refresh all the time, each its own login."""

    def __init__(self, server: Live, clients: int = 4) -> None:
        self.server, self.stopped = server, False
        self.failed: list[Any] = []
        self.newest = [log_in(server) for _ in range(clients)]
        self.rounds = [0] * clients
        self.threads = [threading.Thread(target=self.refresh, args=(number,)) for number in range(clients)]
        for thread in self.threads:
            thread.start()

    def refresh(self, number: int) -> None:
        while not self.stopped:
            status, answer = refresh(self.server, self.newest[number]["refresh_token"])
            if status != 200:
                self.failed.append(answer)
                return
            self.newest[number] = answer
            self.rounds[number] += 1

    def wait_for(self, rounds: int) -> None:
        """Wait until each has refreshed as often as that."""
        deadline = time.monotonic() + LONG
        while min(self.rounds) < rounds and not self.failed and time.monotonic() < deadline:
            time.sleep(0.01)

    def stop(self) -> list[dict[str, Any]]:
        self.wait_for(2)
        self.stopped = True
        for thread in self.threads:
            thread.join()
        assert not self.failed and min(self.rounds) > 1, (self.failed, self.rounds)
        return self.newest


def test_a_backup_under_load_restored_elsewhere_keeps_every_login(server: Any, tmp_path: Path) -> None:
    load = Load(server)
    load.wait_for(1)
    command(server, "backup", "b")
    load.wait_for(max(load.rounds) + 1)
    copied = [row[0] for row in sql(server.folder / "b", "SELECT generation FROM authorizations")]
    newest = load.stop()
    server.stop()
    lived = [row[0] for row in sql(server.folder / "authserver.db", "SELECT generation FROM authorizations")]
    assert len(copied) == 4 and max(copied) > 1 and sum(lived) > sum(copied), "nobody refreshed meanwhile"
    elsewhere = tmp_path / "second"
    elsewhere.mkdir()
    shutil.move(server.folder / "b", elsewhere)
    server.folder = elsewhere
    command(server, "restore", "b", "--yes")
    server.start()
    for answer in newest:  # ahead of what the backup knows
        status, next = refresh(server, answer["refresh_token"])
        assert status == 200 and verifies(server, next["access_token"])
        assert verifies(server, answer["access_token"])


def test_restored_over_the_same_database_what_happened_since_counts(server: Any) -> None:
    ended, alive = log_in(server), log_in(server)
    command(server, "backup", "b")
    post(server, "/revoke", token=ended["refresh_token"], client_id=server.app["client_id"])
    _, newer = refresh(server, alive["refresh_token"])
    run("keys", "rotate", "--emergency", folder=server.folder, settings=server.settings)
    after = log_in(server)
    server.stop()
    command(server, "restore", "b", "--yes")
    server.start()
    assert refresh(server, ended["refresh_token"])[0] == 400
    assert refresh(server, after["refresh_token"])[0] == 400  # it is not in the backup
    assert verifies(server, after["access_token"])
    status, newest = refresh(server, newer["refresh_token"])
    assert status == 200 and verifies(server, newest["access_token"])


def test_while_a_server_runs_nothing_is_replaced(server: Any) -> None:
    command(server, "backup", "b")
    before = sorted(path.name for path in server.folder.iterdir())
    refused = command(server, "restore", "b", "--yes", check=False)
    assert refused.returncode == 3 and "is in use. Stop every server on it" in refused.stderr
    assert command(server, "restore", "b", "--dry-run").stderr.startswith("Would restore")
    assert sorted(path.name for path in server.folder.iterdir()) == before
    log_in(server)


def test_end_logins_ends_them_on_the_wire(server: Any) -> None:
    token = log_in(server)["refresh_token"]
    command(server, "backup", "b")
    server.stop()
    command(server, "restore", "b", "--end-logins", "--yes")
    server.start()
    assert refresh(server, token)[0] == 400
    log_in(server)


def test_a_server_that_starts_during_a_restore_does_not_get_the_old_database(server: Any) -> None:
    """While one holds the database for a restore, no other process can open it."""
    server.stop()
    hold = (
        "import sys; from pathlib import Path; from authserver.backup import database_file\n"
        "with database_file.open_exclusive(Path('authserver.db').resolve()):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", hold], cwd=server.folder, env=environment_with({}), **pipes) as holder:
        assert existing(holder.stdout).readline() == "held\n"
        refused = run("config", "check", folder=server.folder, check=False, settings=server.settings)
        assert refused.returncode == 69 and "locked" in refused.stderr
        existing(holder.stdin).close()
        holder.wait(LONG)
    server.start()
    log_in(server)
