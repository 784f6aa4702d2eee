"""`authserver restore`: what becomes of the keys."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import Result

from tests.cli.backups import lose_everything, sql


def lose_the_key_encryption_key(cli: Any) -> None:
    shutil.rmtree("keys")
    cli("keys", "rewrap", "--create")


def test_the_keys_are_wrapped_by_this_servers_own_key(
    cli: Callable[..., Result], data: Callable[..., Any], backup: Callable[..., Path], restore: Callable[..., Any]
) -> None:
    backup()
    cli("keys", "rewrap", "--create")
    restore()
    assert data("keys", "rewrap", "--dry-run")["rewrapped"] == 0


def test_the_signing_key_keeps_signing_and_published_keys_stay_published(
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


def test_if_the_key_encryption_key_is_lost_the_backups_copy_of_the_signing_key_signs(
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
