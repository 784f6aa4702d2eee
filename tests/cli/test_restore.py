"""`authserver restore`: what becomes of the keys."""

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


def lose_the_key_encryption_key(cli: Any) -> None:
    shutil.rmtree("keys")
    cli("keys", "rewrap", "--create")


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


def test_the_keys_are_sealed_by_this_servers_own_key(
    cli: Callable[..., Result], data: Callable[..., Any], backup: Callable[..., Path], restore: Callable[..., Any]
) -> None:
    backup()
    cli("keys", "rewrap", "--create")
    restore()
    assert data("keys", "rewrap", "--dry-run")["rewrapped"] == 0


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


def test_the_key_that_signs_goes_on_and_what_is_published_stays_so(
    cli: Callable[..., Result],
    backup: Callable[..., Path],
    restore: Callable[..., Any],
    states: Callable[[], dict[str, str]],
) -> None:
    backup()
    for _ in range(2):
        cli("keys", "rotate", "--emergency")
    before = states()
    assert sorted(before.values()) == ["active", "pending", "retired", "retired"]
    told = restore()
    assert states() == before
    assert told.data["unpublished"] == [] and "reject" not in told.stderr


def test_what_was_revoked_stays_revoked(
    cli: Callable[..., Result],
    backup: Callable[..., Path],
    restore: Callable[..., Any],
    states: Callable[[], dict[str, str]],
    kid_of: Callable[[str], str],
) -> None:
    backup()
    revoked = kid_of("active")
    cli("keys", "revoke", revoked, "--yes")
    before = states()
    restore()
    assert states() == before and before[revoked] == "revoked"
    assert sql("authserver.db", "SELECT wrapped FROM signing_keys WHERE kid = ?", revoked) == [(None,)]


def test_a_revoked_refresh_key_stays_revoked_and_a_new_one_takes_its_place(
    cli: Callable[..., Result], data: Callable[..., Any], backup: Callable[..., Path], restore: Callable[..., Any]
) -> None:
    backup()
    cli("keys", "revoke", "--all", "--yes")
    [(revoked,)] = sql("authserver.db", "SELECT id FROM refresh_keys WHERE revoked_at NOT NULL")
    restore()
    keys = data("keys", "list", "--refresh-keys")
    assert [key["id"] for key in keys if key["revoked_at"]] == [revoked]
    assert [key["used"] for key in keys] == [False, True]


def test_a_refresh_key_that_was_revoked_and_is_gone_does_not_live_again(
    data: Callable[..., Any], cli: Callable[..., Result], backup: Callable[..., Path], restore: Callable[..., Any]
) -> None:
    """The server removes a refresh-token key that no login names any more."""
    backup()
    [(revoked,)] = sql("authserver.db", "SELECT id FROM refresh_keys")
    cli("keys", "revoke", "--refresh-keys", "--yes")
    sql("authserver.db", "DELETE FROM refresh_keys WHERE id = ?", revoked)
    [(newer,)] = sql("authserver.db", "SELECT id FROM refresh_keys")
    restore()
    keys = {key["id"]: key for key in data("keys", "list", "--refresh-keys")}
    assert keys[revoked]["revoked_at"] and not keys[newer]["revoked_at"]
    assert [id for id, key in keys.items() if key["used"]] == [newer]
    assert data("keys", "rewrap", "--dry-run")["rewrapped"] == 0
    cli("config", "check")


def test_a_refresh_key_that_nothing_opens_gives_way_to_a_new_one(
    data: Callable[..., Any], cli: Callable[..., Result], backup: Callable[..., Path], restore: Callable[..., Any]
) -> None:
    backup()
    cli("keys", "revoke", "--refresh-keys", "--yes")
    lost = sql("authserver.db", "SELECT id FROM refresh_keys")
    lose_the_key_encryption_key(cli)
    restore()
    used = [(key["id"],) for key in data("keys", "list", "--refresh-keys") if key["used"]]
    assert len(used) == 1 and used[0] not in lost
    cli("config", "check")


def test_a_tombstone_that_the_backup_never_knew_is_kept(
    cli: Callable[..., Result],
    backup: Callable[..., Path],
    restore: Callable[..., Any],
    states: Callable[[], dict[str, str]],
    tmp_path: Path,
) -> None:
    from tests.cli.test_keys_revoke import pem

    backup()
    (tmp_path / "key").write_bytes(pem())
    cli("keys", "import", "key")
    imported = next(kid for kid, state in states().items() if state == "pending")
    cli("keys", "revoke", imported, "--yes")
    restore()
    assert states()[imported] == "revoked"
    assert "no key is used twice" in cli("keys", "import", "key", code=3).stderr


def test_if_the_key_encryption_key_is_lost_the_backup_of_the_key_that_signs_goes_on(
    cli: Callable[..., Result],
    backup: Callable[..., Path],
    restore: Callable[..., Any],
    states: Callable[[], dict[str, str]],
    kid_of: Callable[[str], str],
) -> None:
    """It was published when the backup was made, and has been promoted since."""
    backup()
    cli("keys", "rotate", "--emergency")
    active, pending = kid_of("active"), kid_of("pending")
    lose_the_key_encryption_key(cli)
    assert restore().data["unpublished"] == []
    assert kid_of("active") == active
    assert states()[pending] == "retired"
    cli("config", "check")


def test_if_the_backup_does_not_have_it_a_key_that_verifiers_still_hold_signs(
    cli: Callable[..., Result],
    backup: Callable[..., Path],
    restore: Callable[..., Any],
    states: Callable[[], dict[str, str]],
    kid_of: Callable[[str], str],
) -> None:
    backup()
    for _ in range(2):
        cli("keys", "rotate", "--emergency")
    active, known = kid_of("active"), {row[0] for row in sql("b", "SELECT kid FROM signing_keys")}
    lose_the_key_encryption_key(cli)
    assert restore().data["unpublished"] == []
    assert kid_of("active") in known
    assert states()[active] == "retired"  # its tokens are out
    cli("config", "check")


def test_if_verifiers_hold_none_that_opens_it_is_an_emergency(
    cli: Callable[..., Result],
    backup: Callable[..., Path],
    restore: Callable[..., Any],
    states: Callable[[], dict[str, str]],
    kid_of: Callable[[str], str],
) -> None:
    backup()
    cli("keys", "revoke", "--all", "--yes")
    revoked = [kid for kid, state in states().items() if state == "revoked"]
    lose_the_key_encryption_key(cli)
    before = states()
    told = restore(code=3)
    assert "until they fetch the key set again, up to 300 seconds later" in told.stderr
    assert "authserver restore b --emergency" in told.stderr
    assert states() == before
    assert restore("--dry-run").data["refused"] is True
    new = restore("--emergency").data["unpublished"]
    assert new == [kid_of("active")] and new[0] not in before
    assert all(states()[kid] == "revoked" for kid in revoked)
    cli("config", "check")


def test_a_backup_that_nothing_vouches_for_is_an_emergency_once_it_is_older_than_the_jwks(
    backup: Callable[..., Path], restore: Callable[..., Any], kid_of: Callable[[str], str]
) -> None:
    backup()
    active = kid_of("active")
    lose_everything()
    told = restore(code=3, JWKS_MAX_AGE="0")
    assert f"{active[:8]} would sign, but verifiers may not have it: the backup was made at" in told.stderr
    assert os.listdir() == ["b"]
    assert restore("--emergency", JWKS_MAX_AGE="0").data["unpublished"] == [active]
    assert kid_of("active") == active


def test_keys_are_revoked_by_name_where_no_database_knows_it(
    cli: Callable[..., Result],
    backup: Callable[..., Path],
    restore: Callable[..., Any],
    states: Callable[[], dict[str, str]],
    kid_of: Callable[[str], str],
) -> None:
    backup()
    active, pending = kid_of("active"), kid_of("pending")
    lose_everything()
    assert (
        "Neither the backup nor the current database has a key nobody." in restore("--revoked", "nobody", code=3).stderr
    )
    assert restore("--revoked", active, code=3).data is None  # the pending key is too young
    restore("--revoked", active, "--emergency")
    assert (states()[active], kid_of("active")) == ("revoked", pending)
    assert kid_of("pending") not in (active, pending)
    restore("--revoked", pending, "--emergency")
    assert states()[active] == states()[pending] == "revoked"


def test_without_any_key_encryption_key_it_is_asked_for(
    cli: Callable[..., Result], backup: Callable[..., Path], restore: Callable[..., Any], here: Path
) -> None:
    backup()
    shutil.rmtree("keys")
    assert "authserver keys rewrap --create" in restore(code=78).stderr
    assert not (here / "keys").exists()


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


def test_a_database_that_somebody_makes_meanwhile_is_not_replaced(
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
