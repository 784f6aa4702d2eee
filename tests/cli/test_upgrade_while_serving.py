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
from pathlib import Path

import pytest

from authserver.store import migrations
from scripts.bench.postgres import NOT_INSTALLED, Postgres, binaries
from tests.support import LONG, PASSWORD, environment_with, live, run

PACKAGE = Path(migrations.__file__).parents[2]
EXPANDS = {"add_column", "create_table", "create_index", "bulk_insert", "execute", "f", "get_bind"}
NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "{next}"
down_revision = "{head}"


def upgrade() -> None:
    op.add_column("authorizations", sa.Column("more", sa.Text(), nullable=True))
    op.add_column("clients", sa.Column("more", sa.Text(), nullable=True))
    op.create_table("more", sa.Column("id", sa.Integer(), primary_key=True))
    op.create_index("ix_users_created_at", "users", ["created_at"])
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path_factory):
    """None for the SQLite file of the folder."""
    if request.param == "sqlite":
        yield None
        return
    if binaries() is None:
        pytest.skip(NOT_INSTALLED)
    server = Postgres(binaries())
    try:
        server.start()
        yield server.url(server.create_database())
    finally:
        server.remove()


@pytest.fixture(scope="module")
def next_version(tmp_path_factory):
    """The environment in which `authserver` is a version that has one migration more."""
    folder = tmp_path_factory.mktemp("next")
    shutil.copytree(PACKAGE, folder / "authserver", ignore=shutil.ignore_patterns("__pycache__"))
    number = f"{int(migrations.head()) + 1:04}"
    text = NEXT.format(next=number, head=migrations.head())
    (folder / "authserver/store/migrations/versions" / f"v{number}_next.py").write_text(text)
    return {"PYTHONPATH": str(folder)}


class Refreshing(threading.Thread):
    """One login, refreshed without a pause until `enough` is set."""

    def __init__(self, server):
        super().__init__()
        self.enough, self.answers, self.server = threading.Event(), [], server
        self.form = {"client_id": server.app["client_id"]}

    def run(self):
        password = {"grant_type": "password", "username": "ada", "password": PASSWORD}
        token = self.post(**password)
        while not self.enough.is_set() and token:
            token = self.post(grant_type="refresh_token", refresh_token=token)

    def post(self, **form):
        data = urllib.parse.urlencode(self.form | form).encode()
        try:
            with urllib.request.urlopen(f"{self.server.url}/token", data, timeout=LONG) as answer:
                self.answers.append(answer.status)
                return json.load(answer)["refresh_token"]
        except urllib.error.HTTPError as error:
            self.answers.append(error.code)
            return None


def test_no_request_fails_while_the_next_version_upgrades_and_both_serve(database_url, next_version, tmp_path):
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
        refused = run("serve", "--port", "1", folder=tmp_path, check=False, **server.settings)
        assert refused.returncode == 78 and "pip install --upgrade" in refused.stderr


def test_this_test_upgrades_with_another_version(next_version):
    code = "from authserver.store import migrations; print(migrations.head())"
    command = [sys.executable, "-c", code]
    shown = subprocess.run(command, env=os.environ | next_version, capture_output=True, text=True, check=True).stdout
    assert int(shown) == int(migrations.head()) + 1


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "store/migrations/versions").glob("v*.py"))[1:], ids=lambda p: p.stem
)
def test_a_migration_only_expands(path):
    """The previous version goes on beside it, so nothing that it reads or writes may go or become necessary."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    used = {node.func.attr: node for node in calls if getattr(getattr(node.func, "value", None), "id", "") == "op"}
    assert used.keys() <= EXPANDS
    if "add_column" in used:
        columns = [node for node in calls if getattr(node.func, "attr", "") == "add_column"]
        for column in columns:
            keywords = {word.arg: ast.literal_eval(word.value) for word in column.args[1].keywords}
            assert keywords.get("nullable") or "server_default" in keywords, "the previous version cannot insert"
