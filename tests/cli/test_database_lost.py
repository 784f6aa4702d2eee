"""The SQLite file is deleted or replaced while the server runs: it stops accepting changes that would be lost."""

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.harness.constants import LONG, PASSWORD
from tests.harness.live import Live, live


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Live]:
    with live(tmp_path) as server:
        yield server


def ask(server: Live, path: str, **form: str) -> tuple[int, Any]:
    body = urlencode(form).encode() if form else None
    try:
        with urllib.request.urlopen(f"{server.url}{path}", body, timeout=LONG) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def log_in(server: Live) -> tuple[int, Any]:
    form = {"username": "ada", "password": PASSWORD, "client_id": server.app["client_id"]}
    return ask(server, "/token", grant_type="password", **form)


def refresh(server: Live, token: str) -> tuple[int, Any]:
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": server.app["client_id"]}
    return ask(server, "/token", **form)


def delete(database: Path) -> None:
    for path in database.parent.glob(f"{database.name}*"):
        path.unlink()


def replace(database: Path) -> None:
    shutil.copy(database, database.with_name("copy"))
    database.with_name("copy").rename(database)


@pytest.mark.parametrize(
    ("lose", "what"), [(delete, "was deleted or moved"), (replace, "was replaced by another file")]
)
def test_a_lost_file_is_503_and_an_error_in_the_log(server: Live, lose: Callable[[Path], None], what: str) -> None:
    database = server.folder / "authserver.db"
    _, tokens = log_in(server)
    lose(database)
    status, answer = ask(server, "/health/ready")
    assert status == 503 and "database" in answer["down"]
    assert refresh(server, tokens["refresh_token"])[0] == 503
    assert log_in(server)[0] == 503
    assert database.exists() is (lose is replace)  # nobody creates an empty one in its place
    events = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    (lost,) = [event for event in events if event["event"] == "database_file_lost"]
    assert lost["level"] == "error" and f"{database} {what}" in lost["reason"]
    assert "restart the server" in lost["reason"]


def test_the_same_file_put_back_is_the_database_again(server: Live) -> None:
    database = server.folder / "authserver.db"
    _, tokens = log_in(server)
    database.rename(server.folder / "moved")
    assert refresh(server, tokens["refresh_token"])[0] == 503
    (server.folder / "moved").rename(database)
    assert refresh(server, tokens["refresh_token"])[0] == 200
    server.wait_until_ready()
