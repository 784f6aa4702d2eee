"""Files of ours are for their owner alone; what others can write is not trusted; and how a mounted secret gets in.

The modes themselves are looked at, for root can open everything; what another user can do is done as another user.
"""

import grp
import os
import pwd
import subprocess
import sys
import tempfile
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from authserver import file_modes, system
from authserver.domain.errors import Misconfigured
from authserver.keyring import files
from authserver.provisioning import check, initialise, open_database
from authserver.settings import load
from authserver.store.database import Database
from tests.cli.backups import PASSPHRASE
from tests.harness.process import environment_with, run

KEY = urlsafe_b64encode(bytes(32)).rstrip(b"=").decode()
NOBODY, GROUP = 65534, 54321
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture(params=[0o000, 0o022])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def modes(folder: Path, pattern: str = "*") -> dict[str, str]:
    return {path.name: oct(path.stat().st_mode & 0o777) for path in sorted(folder.glob(pattern)) if path.is_file()}


@pytest.mark.usefixtures("umask")
def test_a_new_database_and_its_journals_are_for_its_owner(tmp_path: Path) -> None:
    with closing(Database(f"sqlite:///{tmp_path}/as.db", system.now)) as database, database.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (x)")
        assert modes(tmp_path) == {"as.db": "0o600", "as.db-shm": "0o600", "as.db-wal": "0o600"}


def test_what_is_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "as.db").touch(0o640)
    with closing(Database(f"sqlite:///{tmp_path}/as.db", system.now)) as database, database.begin():
        assert modes(tmp_path, "as.db") == {"as.db": "0o640"}


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("umask", [0], indirect=True)
def test_init_backup_and_restore_make_files_for_their_owner(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    run("init", folder=old)
    run("backup", "copy", "--passphrase-stdin", folder=old, input=PASSPHRASE)
    run("restore", "../old/copy", "--passphrase-stdin", folder=new, input=PASSPHRASE)
    run("restore", "copy", "--yes", "--passphrase-stdin", folder=old, input=PASSPHRASE)
    made = {
        path.name: mode for folder in (old, new) for path in (folder, folder / "keys") for mode in modes(path).values()
    }
    assert set(made.values()) == {"0o600"}
    assert len(modes(old, "authserver.db.before-restore-*")) == 1


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    """The working folder, in which `init` has run."""
    settings = load()
    with closing(open_database(settings)) as database:
        initialise(settings, database, system.now)
    return tmp_path


@pytest.mark.parametrize("mode", [0o777, 0o757, 0o773, 0o1777, 0o2775])
def test_a_keys_folder_that_others_can_write_stops_the_start(ready: Path, mode: int) -> None:
    os.chown(ready / "keys", -1, GROUP) if os.geteuid() == 0 else None
    (ready / "keys").chmod(mode)
    with pytest.raises(Misconfigured, match="^keys can be written by others") as refused:
        check(load())
    fix(str(refused.value))
    check(load())


@pytest.mark.parametrize(
    ("name", "text"), [(".env", "AUTHSERVER_LOG_LEVEL=info"), ("authserver.toml", "jwks_max_age = 300")]
)
def test_a_file_of_settings_that_others_can_write_stops_the_start(ready: Path, name: str, text: str) -> None:
    (ready / name).write_text(text)
    (ready / name).chmod(0o666)
    with pytest.raises(Misconfigured, match=f"^{ready}/{name} can be written by others") as refused:
        load()
    fix(str(refused.value))
    check(load())


def test_the_command_stops_with_78_and_the_line_to_paste(ready: Path) -> None:
    (ready / "keys").chmod(0o777)
    done = run("serve", folder=ready, check=False)
    assert done.returncode == 78 and done.stderr.endswith("\n    chmod go-w keys\n")


def test_a_database_that_others_can_read_is_a_warning(ready: Path) -> None:
    (ready / "authserver.db").chmod(0o644)
    (warning,) = (warning for warning in check(load()) if "other users may read" in warning)
    fix(warning)
    assert "chmod" not in str(check(load()))


def fix(message: str) -> None:
    """Paste the command."""
    subprocess.run(message[message.rindex("chmod") :], shell=True, check=True)


@as_root
def test_the_group_of_one_user_alone_is_nobody_else(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys").chmod(0o775)  # root's, whose group is root's alone
    assert file_modes.writable_by_others(tmp_path / "keys") is None
    os.chown(tmp_path / "keys", -1, GROUP)
    assert file_modes.writable_by_others(tmp_path / "keys") == f"chmod go-w {tmp_path}/keys"


OWNER = pwd.getpwuid(os.geteuid()).pw_name


@pytest.mark.parametrize(
    ("name", "members", "is_of_owner_alone"),
    [(OWNER, [], True), (OWNER, [OWNER], True), (OWNER, [OWNER, "ada"], False), ("staff", [], False)],
)
def test_a_group_with_another_member_or_name_than_the_owner_s_is_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, members: list[str], is_of_owner_alone: bool
) -> None:
    monkeypatch.setattr(grp, "getgrgid", lambda _: grp.struct_group((name, "x", 1234, members)))
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys").chmod(0o770)
    assert (file_modes.writable_by_others(tmp_path / "keys") is None) == is_of_owner_alone


def test_what_is_not_there_is_written_by_nobody(tmp_path: Path) -> None:
    assert file_modes.writable_by_others(tmp_path / "nothing") is None


_AS_ANOTHER_USER = """
import os, sys
from authserver.provisioning import open_key_encryption_keys
from authserver.settings import load
import authserver.keyring.files
os.setgroups([{group}]); os.setgid({nobody}); os.setuid({nobody})
open_key_encryption_keys(load())
print(os.geteuid())
"""


def as_nobody(folder: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Reads the key-encryption keys as a container does, whose user is in the volume's group."""
    return subprocess.run(
        [sys.executable, "-c", _AS_ANOTHER_USER.format(nobody=NOBODY, group=GROUP)],
        cwd=folder,
        env={name: value for name, value in environment_with(settings).items() if not name.startswith("COVERAGE_")},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def volume() -> Iterator[Path]:
    """A folder that every user can reach, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def secret(volume: Path) -> Path:
    """As Kubernetes mounts one with fsGroup: a link to a link to a file of root and of that group."""
    data = volume / "secret" / "..2026_11_28"
    data.mkdir(parents=True)
    (data / "kek-1.key").write_text(KEY)
    (data / "kek-1.key").chmod(0o440)
    os.chown(data / "kek-1.key", 0, GROUP)
    (volume / "secret" / "..data").symlink_to(data.name)
    (volume / "secret" / "kek-1.key").symlink_to("..data/kek-1.key")
    return volume / "secret" / "kek-1.key"


@as_root
def test_a_mounted_secret_gets_in_as_the_file_that_a_setting_names(volume: Path, secret: Path) -> None:
    done = as_nobody(volume, KEY_ENCRYPTION_KEY_FILE=str(secret))
    assert (done.stdout, done.stderr) == (f"{NOBODY}\n", "")
    secret.resolve().chmod(0o400)  # the user really is another one
    assert "KEY_FILE" in as_nobody(volume, KEY_ENCRYPTION_KEY_FILE=str(secret)).stderr


@as_root
@pytest.mark.parametrize("linked", [True, False])
def test_mounted_over_the_keys_folder_it_is_refused_with_that_way_in(volume: Path, secret: Path, linked: bool) -> None:
    folder = secret.parent if linked else secret.resolve().parent
    done = as_nobody(volume, KEYS_DIR=str(folder))
    assert done.returncode and "AUTHSERVER_KEY_ENCRYPTION_KEY_FILE (docs/reference/files.md)" in done.stderr


@as_root
def test_a_keys_folder_that_the_user_cannot_list_is_named(volume: Path) -> None:
    (volume / "keys").mkdir(0o700)
    done = as_nobody(volume)
    assert (
        "Misconfigured: keys cannot be read: Permission denied" in done.stderr and f"chown {NOBODY} keys" in done.stderr
    )


def test_a_key_that_fsgroup_opened_is_refused_with_that_way_in(tmp_path: Path) -> None:
    path = files.create(tmp_path / "keys", bytes(32), system.now())
    path.chmod(0o660)
    with pytest.raises(Misconfigured, match="KEY_ENCRYPTION_KEY_FILE"):
        files.read(tmp_path / "keys")
    os.environ["AUTHSERVER_KEY_ENCRYPTION_KEY_FILE"] = str(path)
    try:
        assert load().key_encryption_keys() == (bytes(32),)
    finally:
        del os.environ["AUTHSERVER_KEY_ENCRYPTION_KEY_FILE"]


_COMMAND_AS_NOBODY = """
import os, sys
from authserver.cli import main
from authserver.cli import init, serve, user
import authserver.provisioning, authserver.serving.configuration, authserver.serving.processes  # while they can be read
import authserver.store.clock, sqlalchemy.dialects.sqlite
os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
main()
"""


def command_as_nobody(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", _COMMAND_AS_NOBODY.format(nobody=NOBODY), *arguments],
        cwd=folder,
        env=environment_with({"DATABASE_URL": f"sqlite:///{folder}/data/as.db"}),
        capture_output=True,
        text=True,
    )


@as_root
@pytest.mark.parametrize("arguments", [["init"], ["user", "list"], ["serve", "--port", "0"]], ids=" ".join)
@pytest.mark.parametrize(
    ("mode", "said"),
    [
        (None, "There is no database {path}, and no folder {folder}."),
        (0o700, "The user nobody cannot open the folder {folder}, to look for the database {path}."),
    ],
    ids=["missing", "closed"],
)
def test_a_database_folder_that_cannot_be_used_is_named(
    volume: Path, arguments: list[str], mode: int | None, said: str
) -> None:
    folder = volume / "data"
    if mode is not None:
        folder.mkdir(mode)
    done = command_as_nobody(volume, *arguments)
    assert done.returncode == 69
    assert done.stderr.startswith(f"Error: {said.format(path=folder / 'as.db', folder=folder)}"), done.stderr


@as_root
def test_a_database_that_cannot_be_written_is_named(volume: Path) -> None:
    folder = volume / "data"
    folder.mkdir(0o755)
    said = command_as_nobody(volume, "init").stderr
    assert said.startswith(f"Error: The user nobody cannot write to the folder {folder}, as SQLite must for")
    (folder / "as.db").touch(0o600)
    folder.chmod(0o777)
    for arguments in (["init"], ["user", "list"]):
        said = command_as_nobody(volume, *arguments).stderr
        assert said.startswith(f"Error: The user nobody cannot read and write the database {folder}/as.db.")
