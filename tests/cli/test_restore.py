"""`authserver restore`: the database that takes the place of another."""

import os
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from authserver.backup import database_file
from authserver.backup.restore import Prepared, RestoreRequest
from authserver.store import migrations
from tests.cli.backups import lose_everything, sql
from tests.store.next_migration import plant


def test_on_a_new_machine_file_and_passphrase_are_enough(
    cli: Callable[..., Result],
    backup: Callable[..., Path],
    restore: Callable[..., Any],
    states: Callable[[], dict[str, str]],
) -> None:
    before = states()
    backup()
    lose_everything()
    told = restore()
    assert "A new key-encryption key is in keys: back it up" in told.stderr
    assert told.data["replaced"] is None
    assert states() == before
    cli("config", "check")
    assert Path("authserver.db").stat().st_mode & 0o777 == 0o600


def test_the_old_database_is_put_aside_and_nothing_else_is_left(
    cli: Callable[..., Result],
    backup: Callable[..., Path],
    restore: Callable[..., Any],
    here: Path,
    kid_of: Callable[[str], str],
) -> None:
    backup()
    cli("keys", "rotate", "--emergency")
    keys = sql("authserver.db", "SELECT kid, state FROM signing_keys ORDER BY kid")
    aside = Path(restore().data["replaced"])
    assert sql(aside, "SELECT kid, state FROM signing_keys ORDER BY kid") == keys
    assert aside.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in here.iterdir()} == {"authserver.db", "b", "keys", aside.name}


def test_a_rehearsal_changes_nothing(
    cli: Callable[..., Result],
    backup: Callable[..., Path],
    restore: Callable[..., Any],
    here: Path,
    states: Callable[[], dict[str, str]],
) -> None:
    backup()
    cli("keys", "rotate", "--emergency")
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    told = restore("--dry-run")
    assert told.stderr.startswith("Would restore the backup of ")
    assert {key["kid"]: key["state"] for key in told.data["keys"]} == states()
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before
    lose_everything()
    restore("--dry-run")
    assert [path.name for path in here.iterdir()] == ["b"]


def test_the_passphrase_is_the_same_on_every_keyboard(cli: Callable[..., Result], here: Path) -> None:
    """RFC 8265 s4.2.2: composed and decomposed letters are one."""
    cli("backup", "b", "--passphrase-stdin", input="caf\u00e9 caf\u00e9 caf\u00e9\n")
    cli("restore", "b", "--passphrase-stdin", "--yes", input="cafe\u0301 cafe\u0301 cafe\u0301\n")


@pytest.fixture
def next_version(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Called, it turns this version into one that has another migration."""

    def next_version() -> None:
        folder = shutil.copytree(migrations._FOLDER, tmp_path_factory.mktemp("next") / "migrations")
        plant(folder)
        monkeypatch.setattr(migrations, "_FOLDER", folder)

    return next_version


def test_a_backup_of_an_older_schema_is_upgraded(
    data: Callable[..., Any],
    backup: Callable[..., Path],
    restore: Callable[..., Any],
    states: Callable[[], dict[str, str]],
    next_version: Any,
) -> None:
    before = states()
    backup()
    older = data("db", "current")["current"]
    next_version()
    restore()
    current = data("db", "current")
    assert current["current"] == current["head"] > older
    assert states() == before


def test_a_newer_database_can_be_replaced(
    backup: Callable[..., Path], restore: Callable[..., Any], states: Callable[[], dict[str, str]]
) -> None:
    """As after an upgrade that is taken back."""
    before = states()
    backup()
    sql("authserver.db", "UPDATE alembic_version SET version_num = '9999'")
    restore()
    assert states() == before


def test_a_database_behind_a_symbolic_link_is_replaced_where_it_is(
    cli: Callable[..., Result],
    backup: Callable[..., Path],
    restore: Callable[..., Any],
    here: Path,
    kid_of: Callable[[str], str],
) -> None:
    backup()
    Path("data").mkdir()
    shutil.move("authserver.db", "data/real.db")
    Path("authserver.db").symlink_to("data/real.db")
    cli("keys", "rotate", "--emergency")
    active = kid_of("active")
    assert Path(restore().data["replaced"]).parent == here / "data"
    assert Path("authserver.db").is_symlink() and kid_of("active") == active


@pytest.mark.parametrize("name", ["backup", "restore"])
def test_every_help_has_two_examples(cli: Callable[..., Result], name: str) -> None:
    shown = cli(name, "--help").stdout
    assert shown.partition("Examples:")[2].partition("Options:")[0].count(f"authserver {name}") == 2


def test_a_database_that_appears_during_a_restore_is_not_replaced(
    cli: Callable[..., Result],
    backup: Callable[..., Path],
    restore: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backup()
    made = Path("authserver.db").read_bytes()
    lose_everything()
    make_single_file = database_file.make_single_file

    def slowly(path: Any) -> None:
        make_single_file(path)
        Path("authserver.db").write_bytes(made)

    monkeypatch.setattr(database_file, "make_single_file", slowly)
    assert "is in use. Stop every server" in restore(code=3).stderr
    assert sql("authserver.db", "SELECT count(*) FROM clients") == [(1,)]
    assert sorted(os.listdir()) == ["authserver.db", "b"]


def test_what_is_prepared_shows_no_secret() -> None:
    shown = {field.name for kind in (RestoreRequest, Prepared) for field in fields(kind) if field.repr}
    assert not shown & {"passphrase", "new_kek"} and {"file", "keys"} <= shown
