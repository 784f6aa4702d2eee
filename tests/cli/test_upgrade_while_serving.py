"""`authserver db upgrade` by the next version while this one serves: expand first, contract in a later release."""

import ast
import json
import os
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from authserver.store import migrations
from tests.harness.constants import LONG, PASSWORD
from tests.harness.live import live
from tests.harness.postgres import NOT_INSTALLED, Postgres, binaries
from tests.harness.process import environment_with, run
from tests.store.next_migration import EXPANDING, plant

PACKAGE = Path(migrations.__file__).parents[2]
VERSIONS = PACKAGE / "store/migrations/versions"
EXPANDS = {"add_column", "create_table", "create_index", "bulk_insert", "execute", "f", "get_bind"}


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """None for the SQLite file of the folder."""
    if request.param == "sqlite":
        yield None
        return
    programs = binaries()
    if programs is None:
        pytest.skip(NOT_INSTALLED)
    server = Postgres(programs)
    try:
        server.start()
        yield server.url(server.create_database())
    finally:
        server.remove()


@pytest.fixture(scope="module")
def next_version(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The environment in which `authserver` is a version that has one migration more."""
    folder = tmp_path_factory.mktemp("next")
    shutil.copytree(PACKAGE, folder / "authserver", ignore=shutil.ignore_patterns("__pycache__"))
    plant(folder / "authserver/store/migrations")
    return {"PYTHONPATH": str(folder)}


class Refreshing(threading.Thread):
    """One login, refreshed without a pause until `enough` is set."""

    def __init__(self, server: Any) -> None:
        super().__init__()
        self.enough, self.server = threading.Event(), server
        self.answers: list[Any] = []
        self.form = {"client_id": server.app["client_id"]}

    def run(self) -> None:
        password = {"grant_type": "password", "username": "ada", "password": PASSWORD}
        token = self.post(**password)
        while not self.enough.is_set() and token:
            token = self.post(grant_type="refresh_token", refresh_token=token)

    def post(self, **form: Any) -> Any:
        data = urllib.parse.urlencode(self.form | form).encode()
        try:
            with urllib.request.urlopen(f"{self.server.url}/token", data, timeout=LONG) as answer:
                self.answers.append(answer.status)
                return json.load(answer)["refresh_token"]
        except urllib.error.HTTPError as error:
            self.answers.append(error.code)
            return None


def test_no_request_fails_while_the_next_version_upgrades_and_both_serve(
    database_url: Any, next_version: Any, tmp_path: Path
) -> None:
    settings = {"DATABASE_URL": database_url} if database_url else {}
    with live(tmp_path, **settings) as server:
        refreshing = [Refreshing(server) for _ in range(4)]
        for each in refreshing:
            each.start()
        upgraded = subprocess.run(
            [sys.executable, "-m", "authserver", "db", "upgrade"],
            cwd=tmp_path,
            env=environment_with(server.settings) | next_version,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert upgraded.returncode == 0, upgraded.stderr
        before = [len(each.answers) for each in refreshing]
        for each, seen in zip(refreshing, before, strict=True):
            while each.is_alive() and len(each.answers) < seen + 5:
                each.join(0.05)
        for each in refreshing:
            each.enough.set()
            each.join(LONG)
        answers = [status for each in refreshing for status in each.answers]
        assert set(answers) == {200} and len(answers) > sum(before)
        refused = run("serve", "--port", "1", folder=tmp_path, check=False, settings=server.settings)
        assert refused.returncode == 78 and "pip install --upgrade" in refused.stderr


def test_this_test_upgrades_with_another_version(next_version: Any) -> None:
    code = "from authserver.store import migrations; print(migrations.head())"
    command = [sys.executable, "-c", code]
    shown = subprocess.run(command, env=os.environ | next_version, capture_output=True, text=True, check=True).stdout
    assert int(shown) == int(migrations.head()) + 1


@pytest.mark.parametrize("path", sorted(VERSIONS.glob("v*.py"))[1:], ids=lambda path: path.stem)
def test_a_migration_only_expands(path: Any) -> None:
    assert what_breaks_the_previous_version(path.read_text()) is None


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ('op.add_column("users", sa.Column("more", sa.Text(), nullable=True))', None),
        ('op.add_column("users", sa.Column("more", sa.Text(), nullable=False, server_default="x"))', None),
        ('op.add_column("users", sa.Column("more", sa.Text(), nullable=False))', "more"),
        ('op.add_column("users", sa.Column("more", sa.Text()))', "more"),
        ('op.drop_column("users", "username")', "drop_column"),
        ('op.drop_table("users")', "drop_table"),
        ('op.alter_column("users", "username", new_column_name="name")', "alter_column"),
        ('op.rename_table("users", "people")', "rename_table"),
    ],
)
def test_a_migration_that_breaks_the_previous_version_is_seen(
    statement: str, fault: str | None, tmp_path: Path
) -> None:
    (tmp_path / "versions").mkdir()
    planted = plant(tmp_path, EXPANDING + "    " + statement)
    assert what_breaks_the_previous_version(planted.read_text()) == fault


def what_breaks_the_previous_version(migration: Any) -> Any:
    """The operation or column that an older node beside it cannot live with; None for none."""
    calls: list[Any] = [node for node in ast.walk(ast.parse(migration)) if isinstance(node, ast.Call)]
    for call in calls:
        if getattr(getattr(call.func, "value", None), "id", "") != "op":
            continue
        if call.func.attr not in EXPANDS:
            return call.func.attr
        if call.func.attr == "add_column":
            column = call.args[1]
            keywords = {word.arg: ast.literal_eval(word.value) for word in column.keywords}
            if not keywords.get("nullable") and "server_default" not in keywords:
                return column.args[0].value
    return None
