"""Key-encryption keys as files: safe when made, refused when they are not, with the line that mends it."""

import os
import shlex
import signal
import subprocess
import tempfile
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from authserver.domain.errors import Misconfigured
from authserver.keyring import files
from tests.harness.constants import SECOND

NOW = 1_800_000_000 * SECOND + 123_456
KEY = bytes(range(32))
TEXT = urlsafe_b64encode(KEY).rstrip(b"=").decode()
NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "the keys"  # a space, as people have them


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o777])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def key_file(folder: Path, content: str | bytes = TEXT, name: str = "kek-1.key", mode: int = 0o600) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


def refusal(folder: Path) -> str:
    with pytest.raises(Misconfigured) as refused:
        files.read(folder)
    assert str(refused.value).count("\n\n    ") == 1
    return str(refused.value)


def mend(message: str) -> None:
    """Do what the last line says, as people would: paste it."""
    subprocess.run(["sh", "-ec", message.rpartition("\n\n    ")[2]], check=True)


def test_a_new_file_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    path = files.create(tmp_path, KEY, NOW)
    assert path.stat().st_mode & 0o7777 == 0o600
    os.umask(0o022)
    assert files.read(tmp_path) == {str(path): KEY}


def test_it_is_named_after_the_time_so_that_the_newest_sorts_last(folder: Path) -> None:
    later = (0, 1, 999_999, 40 * 10**12)
    made = [files.create(folder, bytes([place]) * 32, NOW + after) for place, after in enumerate(later)]
    assert made == sorted(made)
    assert list(files.read(folder).values()) == [bytes([place]) * 32 for place in range(4)]


def test_a_file_that_is_there_is_never_written_over(folder: Path) -> None:
    path = files.create(folder, KEY, NOW)
    with pytest.raises(Misconfigured, match="File exists"):
        files.create(folder, b"x" * 32, NOW)
    assert files.read(folder) == {str(path): KEY}


@pytest.mark.parametrize("exists", [True, False])
def test_nothing_is_written_through_a_symlink(folder: Path, tmp_path: Path, exists: bool) -> None:
    target, name = tmp_path / "target", files.create(tmp_path / "other", KEY, NOW).name
    if exists:
        target.write_text("precious")
    folder.mkdir()
    (folder / name).symlink_to(target)
    with pytest.raises(Misconfigured):
        files.create(folder, KEY, NOW)
    assert target.exists() is exists and (not exists or target.read_text() == "precious")


def test_a_folder_that_cannot_be_written_to_is_said_with_the_line_that_names_another(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "keys"):
        with pytest.raises(Misconfigured) as refused:
            files.create(folder, KEY, NOW)
        assert str(folder) in str(refused.value)
        assert str(refused.value).splitlines()[-1] == "    AUTHSERVER_KEYS_DIR=/path/to/keys"
        assert TEXT not in str(refused.value)


def test_of_a_folder_only_key_files_are_read_and_none_is_no_error(folder: Path) -> None:
    assert files.read(folder) == {}
    key_file(folder, "notes", name="README.md", mode=0o644)
    key_file(folder, "old", name="kek-1.key.bak", mode=0o644)
    assert files.read(folder) == {}
    path = key_file(folder)
    assert files.read(folder) == {str(path): KEY}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o660, 0o666, 0o777])
def test_a_file_that_others_can_use_is_refused_with_the_fix(folder: Path, mode: int) -> None:
    path = key_file(folder, mode=mode)
    message = refusal(folder)
    assert str(path) in message and "others" in message and TEXT not in message
    mend(message)
    assert files.read(folder) == {str(path): KEY}


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_that_only_its_owner_can_use_is_read(folder: Path, mode: int) -> None:
    path = key_file(folder, mode=mode)
    assert files.read(folder) == {str(path): KEY}


@as_root
@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_another_users_file_is_refused_and_root_is_told_to_become_that_user(folder: Path, mode: int) -> None:
    path = key_file(folder, mode=mode)
    os.chown(path, NOBODY, -1)
    message = refusal(folder)
    assert message.startswith(f"{path} belongs to another user, nobody.") and TEXT not in message
    assert message.endswith("as the server's user:\n\n    sudo -u nobody authserver ...") and "chown" not in message


@as_root
def test_roots_file_is_refused_to_another_user_with_the_line_that_root_pastes() -> None:
    """Root's keys folder can be listed, but its keys belong to root."""
    with tempfile.TemporaryDirectory() as reachable:
        folder = Path(reachable)
        folder.chmod(0o755)
        path = key_file(folder, mode=0o644)
        os.seteuid(NOBODY)
        try:
            message = refusal(folder)
        finally:
            os.seteuid(0)
        mend(message)
        assert path.stat().st_uid == NOBODY


def test_a_symlink_is_refused_wherever_it_leads_with_the_fix(folder: Path, tmp_path: Path) -> None:
    target = key_file(tmp_path, name="elsewhere")
    folder.mkdir()
    path = folder / "kek-1.key"
    path.symlink_to(target)
    message = refusal(folder)
    assert str(path) in message and "symbolic link" in message and TEXT not in message
    mend(message)
    assert not path.is_symlink() and files.read(folder) == {str(path): KEY}


@pytest.mark.parametrize("target", ["/dev/null", "/nowhere/at/all", ".", "kek-1.key"])
def test_a_symlink_to_nothing_useful_is_refused_too(folder: Path, target: str) -> None:
    folder.mkdir()
    (folder / "kek-1.key").symlink_to(target)
    assert "kek-1.key" in refusal(folder)


@pytest.fixture
def five_seconds() -> Iterator[None]:
    """After which what hangs has failed."""

    def fail(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(5)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
@pytest.mark.usefixtures("five_seconds")
def test_what_is_no_plain_file_is_refused_at_once_with_the_fix(folder: Path, make: Callable[[Path, int], None]) -> None:
    """A pipe that nobody writes to must not hang the start."""
    folder.mkdir()
    path = folder / "kek-1.key"
    make(path, 0o600)
    message = refusal(folder)
    assert str(path) in message and "regular file" in message
    mend(message)
    assert files.read(folder) == {}


@pytest.mark.parametrize(
    "content",
    ["", "\n", TEXT[:-1], TEXT + "A", TEXT + "=", f"{TEXT}\n{TEXT}", TEXT[:-1] + "+", TEXT[:-1] + "é", "canary" * 100]
    + [KEY, b"\xff" * 43, b"\0" + TEXT.encode(), TEXT.encode("utf-16"), b"\xef\xbb\xbf" + TEXT.encode()],
)
def test_what_holds_no_key_is_refused_without_showing_it(folder: Path, content: str | bytes) -> None:
    path = key_file(folder, content)
    message = refusal(folder)
    assert str(path) in message and "32 bytes in base64url" in message
    assert shlex.split(message.splitlines()[-1])[-1] == str(path)
    assert "canary" not in message and TEXT[:10] not in message


@pytest.mark.parametrize("content", [TEXT, TEXT + "\n", f"  {TEXT}\r\n"])
def test_space_around_a_key_does_not_matter(folder: Path, content: str) -> None:
    assert list(files.read(key_file(folder, content).parent).values()) == [KEY]


def test_one_bad_file_stops_the_start_though_others_are_good(folder: Path) -> None:
    key_file(folder, name="kek-1.key")
    key_file(folder, "canary", name="kek-2.key")
    assert "kek-2.key" in refusal(folder)
