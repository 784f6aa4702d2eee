"""`authserver backup`: one file, whole or not there, from which nobody learns a key without its passphrase."""

import errno
import json
import os
import pty
import resource
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from authserver.backup import database_file
from authserver.domain.errors import Misconfigured
from authserver.keyring import KeyEncryptionKeys, files
from authserver.store import migrations
from tests.cli.backups import LINE, PASSPHRASE, add_login, sql
from tests.cli.terminal import converse
from tests.harness.constants import PASSWORD
from tests.harness.process import environment_with

POSTGRESQL = {"DATABASE_URL": "postgresql+psycopg://clerk:hunter2@db.example/as"}


def test_it_is_one_new_file_for_its_owner_alone(backup: Callable[..., Path], here: Path) -> None:
    before, umask = set(os.listdir(here)), os.umask(0)
    try:
        made = backup()
    finally:
        os.umask(umask)
    assert set(os.listdir(here)) - before == {"b"}
    assert stat.S_IMODE(made.stat().st_mode) == 0o600


def test_it_says_what_it_wrote(data: Callable[..., Any], here: Path) -> None:
    told = data("backup", "b", "--passphrase-stdin", input=LINE)
    assert (told["file"], told["bytes"]) == ("b", (here / "b").stat().st_size)
    assert told["made_at"].endswith("Z")


def test_backup_and_restore_show_progress_on_a_terminal_only(cli: Callable[..., Result], here: Path) -> None:
    typed = {"Passphrase: ": PASSPHRASE, "Repeat for confirmation: ": PASSPHRASE}
    assert "Writing the backup (0 s)\r" in converse("backup", "b", answers=typed)
    typed = {"[y/N]: ": "y", "Passphrase: ": PASSPHRASE}
    assert "Restoring the backup (0 s)\r" in converse("restore", "b", answers=typed)
    for command in (["backup", "c"], ["restore", "c", "--yes"]):
        assert "(0 s)" not in cli(*command, "--passphrase-stdin", input=LINE).stderr


def test_rfc9106_s4_what_its_passphrase_costs_to_try(backup: Callable[..., Path], full_cost: None) -> None:
    ((stretching,),) = sql(backup(), "SELECT stretching FROM authserver_backup")
    costs = json.loads(stretching)
    assert (costs["time_cost"], costs["memory_cost"], costs["parallelism"]) == (3, 64 * 1024, 4)


def test_nothing_in_it_opens_without_the_passphrase(
    backup: Callable[..., Path], cli: Callable[..., Result], here: Path
) -> None:
    """Neither the wrapped keys of today nor earlier ones."""
    wrapped = [
        row[0]
        for row in sql("authserver.db", "SELECT wrapped FROM signing_keys UNION SELECT wrapped FROM refresh_keys")
    ]
    cli("keys", "revoke", "--all", "--yes")
    content = backup().read_bytes()
    now = sql(
        "authserver.db",
        "SELECT wrapped FROM signing_keys WHERE wrapped NOT NULL UNION SELECT wrapped FROM refresh_keys",
    )
    for text in wrapped + [row[0] for row in now]:
        assert text.encode() not in content
        assert text.rpartition(".")[0].rpartition(".")[2].encode()[:64] not in content
    keks = KeyEncryptionKeys(files.read(here / "keys"))
    secrets = sql(
        "b", "SELECT kid, wrapped FROM signing_keys WHERE wrapped NOT NULL UNION SELECT id, wrapped FROM refresh_keys"
    )
    assert len(secrets) == 4
    for id, text in secrets:
        with pytest.raises(Misconfigured):
            keks.unwrap(id, text)
    assert PASSPHRASE.encode() not in content


def test_nothing_that_was_deleted_is_in_it(backup: Callable[..., Path], here: Path) -> None:
    for id in range(200):
        add_login("authserver.db", id, "u_nobody", scope="a scope that was deleted")
    with closing(sqlite3.connect("authserver.db")) as connection, connection:
        connection.execute("PRAGMA secure_delete=OFF")  # some builds of SQLite have it on
        connection.execute("DELETE FROM authorizations")
    assert b"a scope that was deleted" in Path("authserver.db").read_bytes()
    assert b"a scope that was deleted" not in backup().read_bytes()


def test_what_a_key_service_keeps_stays_as_it_is(backup: Callable[..., Path], here: Path) -> None:
    sql("authserver.db", "UPDATE signing_keys SET wrapped = 'pkcs11:id=%01' WHERE state = 'pending'")
    backup()
    assert sql("b", "SELECT wrapped FROM signing_keys WHERE state = 'pending'") == [("pkcs11:id=%01",)]


@pytest.mark.parametrize("there", ["file", "dangling", "database"])
def test_it_is_written_over_nothing_and_through_no_link(cli: Callable[..., Result], here: Path, there: str) -> None:
    if there == "file":
        Path("b").write_text("precious")
    elif there == "dangling":
        Path("b").symlink_to(here / "elsewhere")
    name = "authserver.db" if there == "database" else "b"
    before = Path(name).read_bytes() if Path(name).exists() else None
    assert "already exists" in cli("backup", name, "--passphrase-stdin", code=1, input=LINE).stderr
    assert not Path("elsewhere").exists()
    assert (Path(name).read_bytes() if Path(name).exists() else None) == before


def assert_not_overwritten(cli: Callable[..., Result], here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that appears while the backup is being made stays as it is."""
    make_single_file = database_file.make_single_file

    def slowly(path: Any) -> None:
        make_single_file(path)
        Path("b").write_text("precious")

    monkeypatch.setattr(database_file, "make_single_file", slowly)
    assert "already exists" in cli("backup", "b", "--passphrase-stdin", code=1, input=LINE).stderr
    assert Path("b").read_text() == "precious"
    assert not list(here.glob("b.*"))


def test_a_file_that_appears_during_a_backup_is_not_overwritten(
    cli: Callable[..., Result], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_not_overwritten(cli, here, monkeypatch)


@pytest.fixture
def no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on FAT, and on some network drives."""

    def link(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)


def test_without_hard_links_the_backup_is_copied(
    backup: Callable[..., Path], restore: Callable[..., Any], here: Path, no_links: Any
) -> None:
    made = backup()
    assert not list(here.glob("b.*"))
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    restore()


def test_without_hard_links_a_file_that_appears_during_a_backup_is_not_overwritten(
    cli: Callable[..., Result], here: Path, no_links: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_not_overwritten(cli, here, monkeypatch)


def test_half_a_copy_does_not_stay(
    cli: Callable[..., Result], here: Path, no_links: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy(source: Any, target: Any) -> None:
        target.write(source.read(1000))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfileobj", copy)
    assert "No space left" in cli("backup", "b", "--passphrase-stdin", code=1, input=LINE).stderr
    assert not list(here.glob("b*"))


@pytest.mark.parametrize(
    ("line", "why"),
    [("short\n", "too short"), ("eleven char\n", "too short"), ("\n", "cannot be used"), (b"\xff\n", "not UTF-8")],
)
def test_a_passphrase_that_is_too_weak_is_refused(
    cli: Callable[..., Result], here: Path, line: bytes | str, why: str
) -> None:
    assert why in cli("backup", "b", "--passphrase-stdin", code=2, input=line).stderr
    assert not Path("b").exists()


def test_without_a_terminal_the_passphrase_comes_from_stdin(cli: Callable[..., Result], here: Path) -> None:
    assert "--passphrase-stdin" in cli("backup", "b", code=2, input=LINE).stderr


def test_on_a_terminal_it_is_asked_for_twice_and_not_shown(here: Path) -> None:
    main, side = pty.openpty()
    command = [sys.executable, "-m", "authserver", "backup", "b"]
    streams: dict[str, Any] = {"stdin": side, "stdout": subprocess.DEVNULL, "stderr": side}
    with subprocess.Popen(command, cwd=here, env=environment_with({}), **streams) as process:
        os.close(side)
        shown = b""
        for prompt in (b"Passphrase: ", b"Repeat for confirmation: "):
            while prompt not in shown:
                shown += os.read(main, 1000)
            os.write(main, LINE.encode())
        assert process.wait(60) == 0
    os.close(main)
    assert PASSPHRASE.encode() not in shown
    assert (here / "b").exists()


def test_postgresql_has_its_own_tools(cli: Callable[..., Result], here: Path) -> None:
    told = cli("backup", "my file", "--passphrase-stdin", code=3, input=LINE, **POSTGRESQL).stderr
    assert "pg_dump --format=custom --file='my file' DATABASE" in told
    assert "keys/kek-*.key" in told and "hunter2" not in told
    told = cli("restore", "keys/" + os.listdir("keys")[0], code=3, input=LINE, **POSTGRESQL).stderr
    for command in (
        "pg_restore",
        "db upgrade",
        "keys revoke KID",
        "keys rotate --emergency",
        "keys revoke --refresh-keys",
    ):
        assert command in told


def test_where_there_is_no_database_none_is_made(cli: Callable[..., Result], here: Path) -> None:
    url = f"sqlite:///{here}/none.db"
    refused = cli("backup", "b", "--passphrase-stdin", code=78, input=LINE, DATABASE_URL=url)
    assert "There is no database" in refused.stderr
    assert not (here / "none.db").exists()
    (here / "none.db").touch()
    assert "is empty" in cli("backup", "b", "--passphrase-stdin", code=1, input=LINE, DATABASE_URL=url).stderr
    assert not list(here.glob("b*"))


def test_without_the_key_encryption_key_nothing_is_written(cli: Callable[..., Result], here: Path) -> None:
    shutil.rmtree("keys")
    assert "No key-encryption key unwraps" in cli("backup", "b", "--passphrase-stdin", code=78, input=LINE).stderr
    assert not list(here.glob("b*"))


def test_a_folder_that_is_not_there_is_named(cli: Callable[..., Result], here: Path) -> None:
    told = cli("backup", "none/b", "--passphrase-stdin", code=1, input=LINE).stderr
    assert "cannot be written to none/b: No such file or directory" in told


def test_a_newer_database_is_left_alone(
    cli: Callable[..., Result], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "_known", lambda: ["0000"])
    assert "a newer authserver" in cli("backup", "b", "--passphrase-stdin", code=78, input=LINE).stderr
    assert not list(here.glob("b*"))


def test_a_damaged_database_gives_no_backup(cli: Callable[..., Result], here: Path) -> None:
    content = bytearray(Path("authserver.db").read_bytes())
    content[4096 : len(content) // 2] = os.urandom(len(content) // 2 - 4096)
    Path("authserver.db").write_bytes(content)
    assert "damaged" in cli("backup", "b", "--passphrase-stdin", code=1, input=LINE).stderr
    assert not list(here.glob("b*"))


def test_on_a_full_disk_nothing_of_it_stays(cli: Callable[..., Result], here: Path) -> None:
    """As if full: the process may write no file longer than half of the database."""
    user = "u_full"
    sql(
        "authserver.db",
        "INSERT INTO users (id, username, password_hash, credential_version, disabled, created_at) "
        "VALUES (?, 'full', ?, 0, 0, 1)",
        user,
        PASSWORD,
    )
    for id in range(500):
        add_login("authserver.db", id, user)
    most = (here / "authserver.db").stat().st_size // 2
    done = subprocess.run(
        [sys.executable, "-m", "authserver", "backup", "b", "--passphrase-stdin"],
        cwd=here,
        env=environment_with({}),
        input=LINE,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )
    assert done.returncode == 69, done.stderr
    assert "full" in done.stderr or "I/O" in done.stderr
    assert not list(here.glob("b*"))
