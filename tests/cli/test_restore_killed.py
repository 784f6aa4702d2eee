"""`authserver backup` and `restore`, killed with SIGKILL at every step: the database is the old one or the new one."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from pydantic import SecretStr

from authserver.clock import Clock
from authserver.provisioning import open_database, open_keyring
from authserver.settings import Settings
from authserver.system import now
from tests.cli.backups import LINE, add_login, sql
from tests.cli.killer import killer as killer_of
from tests.harness.process import environment_with, run

HOT = bytes.fromhex("d9d505f920a163d7")  # begins a journal that has to be played back
pytestmark = pytest.mark.slow
killer = partial(killer_of, Path(__file__).parent / "kill_at_file.py")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database whose user Ada came after its backup, and whose client has a mistaken name."""
    folder = tmp_path_factory.mktemp("template")
    run("init", folder=folder)
    sql(
        folder / "authserver.db",
        "INSERT INTO users (id, username, password_hash, credential_version, disabled, created_at) "
        "VALUES ('u_bob', 'bob', '', 0, 0, 1)",
    )
    for id in range(300):
        add_login(folder / "authserver.db", id, "u_bob")
    backup_cheaply(folder)
    sql(
        folder / "authserver.db",
        "INSERT INTO users (id, username, password_hash, credential_version, disabled, created_at) "
        "VALUES ('u_ada', 'ada', '', 0, 0, 1)",
    )
    return folder


def backup_cheaply(folder: Path) -> None:
    """Each child has to pay what the passphrase of its backup costs."""
    cheap = "from authserver.keyring import passphrase as p; p.COST = (1, 64, 1)"
    command = [sys.executable, "-c", f"{cheap}; from authserver.cli import main; main()", "backup", "b"]
    options: dict[str, Any] = {"cwd": folder, "env": environment_with({}), "input": LINE.encode(), "check": True}
    subprocess.run([*command, "--passphrase-stdin"], **options)


def killed_at_every_step(template: Path, folder: Path, direction: int, *command: str) -> Iterator[Any]:
    """Yields a folder with what was left, for each step."""
    with killer(*command) as kill:
        for step in count(1):
            left = folder / str(step)
            shutil.copytree(template, left)
            code = kill(step * direction, left)
            if code != -9:
                assert code == 0
                break
            yield left
            shutil.rmtree(left)
    assert step > 10, "it was hardly ever killed"


def users(folder: Path) -> list[str]:
    """Of a database that a server can start with."""
    settings = Settings(database_url=SecretStr(f"sqlite:///{folder}/authserver.db"), keys_dir=folder / "keys")
    database = open_database(settings)
    open_keyring(settings, database, Clock(now, now))
    database.close()
    assert sql(folder / "authserver.db", "PRAGMA integrity_check") == [("ok",)]
    return [row[0] for row in sql(folder / "authserver.db", "SELECT username FROM users ORDER BY username")]


@pytest.fixture
def restore(cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """In this process: a process of its own for each step would be most of the time."""

    def restore(folder: Path) -> None:
        monkeypatch.chdir(folder)
        cli("restore", "b", "--passphrase-stdin", "--yes", input=LINE)

    return restore


def test_killed_at_every_step_a_restore_leaves_the_old_or_the_new_database(template: Path, tmp_path: Path) -> None:
    found = set()
    for left in killed_at_every_step(template, tmp_path, 1, "restore", "b", "--passphrase-stdin", "--yes"):
        usernames = tuple(users(left))
        found.add(usernames)
        if usernames == ("bob",):
            [aside] = left.glob("authserver.db.before-restore-*")
            assert sql(aside, "SELECT count(*) FROM users") == [(2,)]
    assert found == {("ada", "bob"), ("bob",)}


def test_killed_between_its_pages_the_old_database_is_back(template: Path, tmp_path: Path) -> None:
    found = set()
    for left in killed_at_every_step(template, tmp_path, -1, "restore", "b", "--passphrase-stdin", "--yes"):
        journal = left / "authserver.db-journal"
        torn = journal.exists() and journal.read_bytes().startswith(HOT)
        found.add((torn, tuple(users(left))))
    assert (True, ("ada", "bob")) in found
    assert {users for _, users in found} <= {("ada", "bob"), ("bob",)}


def test_what_a_killed_restore_left_the_next_one_removes(template: Path, tmp_path: Path, restore: Any) -> None:
    left = tmp_path / "left"
    with killer("restore", "b", "--passphrase-stdin", "--yes") as kill:
        for step in count(1):
            shutil.copytree(template, left)
            kill(step, left)
            if list(left.glob("authserver.db.restored-*")) and list(left.glob("authserver.db.replaced-*")):
                break
            shutil.rmtree(left)
    restore(left)
    assert users(left) == ["bob"]
    kinds = {path.name.partition("-")[0] for path in left.iterdir()}
    assert kinds == {"authserver.db", "authserver.db.before", "b", "keys"}


def test_killed_at_every_step_a_backup_is_whole_or_not_there(template: Path, tmp_path: Path, restore: Any) -> None:
    found = set()
    for left in killed_at_every_step(template, tmp_path, 1, "backup", "c", "--passphrase-stdin"):
        there = (left / "c").exists()
        found.add(there)
        if there:
            shutil.move(left / "c", left / "b")
            restore(left)
        assert users(left) == ["ada", "bob"]
    assert found == {True, False}
