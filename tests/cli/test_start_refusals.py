"""A server that cannot start safely says why, with the right exit code, and ends with the line that mends it.

Each last line is carried out as it stands, and then the server would start.
"""

import os
import pwd
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from click.testing import Result

from authserver.store import migrations
from tests.harness.constants import LONG
from tests.harness.process import run


@pytest.fixture(autouse=True)
def never_served(monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(server: Any, sockets: Any = None) -> None:
        raise AssertionError("it was not refused")

    monkeypatch.setattr(uvicorn.Server, "run", serve)


@pytest.fixture
def refused(cli: Callable[..., Result], here: Path) -> Callable[..., Any]:
    """`refused(78, ISSUER=...)`: the message and its last line."""

    def refused(code: Any, *arguments: Any, **variables: Any) -> Any:
        result = cli("serve", *(arguments or ("--port", "0")), code=code, **variables)
        assert result.stdout == ""
        assert "Traceback" not in result.stderr
        return result.stderr, result.stderr.rstrip("\n").splitlines()[-1].strip()

    return refused


@pytest.fixture
def key(here: Path) -> Path:
    """The key-encryption key, as the messages name it."""
    (file,) = Path("keys").iterdir()
    return file


def carry_out(line: Any) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(line, shell=True, check=True, capture_output=True, env=os.environ | {"PATH": path}, timeout=LONG)


def test_a_key_file_that_others_can_read(cli: Callable[..., Result], refused: Any, key: Path) -> None:
    for mode in (0o640, 0o604, 0o644, 0o620):
        key.chmod(mode)
        message, line = refused(78)
        assert message.startswith(f"Error: {key} can be read by others.")
        carry_out(line)
        cli("config", "check")


def test_a_key_file_that_is_a_symbolic_link(cli: Callable[..., Result], refused: Any, key: Path, here: Path) -> None:
    key.rename(here / "elsewhere")
    key.symlink_to(here / "elsewhere")
    message, line = refused(78)
    assert message.startswith(f"Error: {key} is a symbolic link")
    carry_out(line)
    assert not key.is_symlink()
    cli("config", "check")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_file_of_another_user_is_refused(refused: Any, key: Path) -> None:
    """Root would lock the server's user out by taking the file."""
    os.chown(key, pwd.getpwnam("nobody").pw_uid, -1)
    message, line = refused(78)
    assert message.startswith(f"Error: {key} belongs to another user, nobody.") and "chown" not in message
    assert line == "sudo -u nobody authserver ..."


def test_a_key_file_that_cannot_be_read(refused: Any, key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root can read everything, so that the system's refusal is played to it."""
    message, line = refused_by_the_system(refused, key, monkeypatch)
    assert message.startswith(f"Error: {key} cannot be read: Permission denied.")
    assert line == f"chown {os.geteuid()} {key}"


def refused_by_the_system(refused: Any, key: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    open_file = os.open

    def deny(path: Any, *arguments: Any, **options: Any) -> Any:
        if Path(path).name == key.name:
            raise PermissionError(13, "Permission denied", str(path))
        return open_file(path, *arguments, **options)

    if os.geteuid() == 0:
        monkeypatch.setattr(os, "open", deny)
    else:
        key.chmod(0)
    return refused(78)


@pytest.mark.parametrize("content", ["", "not a key", "A" * 42, "A" * 44, "A" * 42 + "\n", "=" * 43, "\x00" * 43])
def test_a_key_file_that_holds_no_key(
    cli: Callable[..., Result], refused: Any, key: Path, content: str, here: Path
) -> None:
    shutil.copytree("keys", "backup")
    key.write_text(content)
    message, line = refused(78)
    assert message.startswith(f"Error: {key} does not contain a key-encryption key")
    assert not content.strip() or content.strip() not in message
    carry_out(line.replace("/path/to/backup", str(here / "backup")))
    cli("config", "check")


def test_a_key_encryption_key_that_is_missing(cli: Callable[..., Result], refused: Any, key: Path, here: Path) -> None:
    Path("keys").rename("moved")
    message, line = refused(78)
    assert "No key-encryption key unwraps the key" in message and "there is no key-encryption key" in message
    name, value = line.replace("/path/to/keys", str(here / "moved")).split("=")
    cli("config", "check", **{name.removeprefix("AUTHSERVER_"): value})


def test_a_key_encryption_key_that_opens_nothing(cli: Callable[..., Result], refused: Any, key: Path) -> None:
    content = key.read_text()
    key.write_text(("B" if content[0] == "A" else "A") + content[1:])
    message, line = refused(78)
    assert f"(tried: {key})" in message
    assert content.strip()[1:] not in message
    assert line == "AUTHSERVER_KEYS_DIR=/path/to/keys"


def test_a_key_encryption_key_handed_in_that_opens_nothing(refused: Any, key: Path) -> None:
    message, _ = refused(78, KEY_ENCRYPTION_KEY="A" * 43)
    assert "tried: AUTHSERVER_KEY_ENCRYPTION_KEY 0" in message
    assert "A" * 43 not in message


@pytest.mark.parametrize(
    ("misspelt", "right", "given", "repeated"),
    [
        ("ISUER", "ISSUER", "https://login.example", "https://login.example"),
        ("DATABASE_URI", "DATABASE_URL", "sqlite:///authserver.db", "..."),
        ("ACCES_TOKEN_TTL", "ACCESS_TOKEN_TTL", "60", "60"),
    ],
)
def test_a_misspelt_setting_is_refused_with_the_right_name(
    cli: Callable[..., Result], refused: Any, misspelt: str, right: str, given: str, repeated: str
) -> None:
    message, line = refused(78, **{misspelt: given})
    assert f"AUTHSERVER_{misspelt}" in message and f"did you mean AUTHSERVER_{right}?" in message
    assert line == f"AUTHSERVER_{right}={repeated}"
    cli("config", "check", **{right: line.partition("=")[2].replace("...", given)})


@pytest.mark.parametrize("issuer", ["http://as.example", "http://192.0.2.1:8000", "http://0.0.0.0:8000", "as.example"])
def test_an_issuer_that_is_http_and_not_loopback(cli: Callable[..., Result], refused: Any, issuer: str) -> None:
    message, line = refused(78, ISSUER=issuer)
    assert "AUTHSERVER_ISSUER" in message
    name, value = line.split("=", 1)
    assert name == "AUTHSERVER_ISSUER"
    assert value.startswith("https://") or "//127.0.0.1" in value
    cli("config", "check", ISSUER=value)


def test_a_database_that_is_not_there(cli: Callable[..., Result], refused: Any, here: Path) -> None:
    for file in here.glob("authserver.db*"):
        file.unlink()
    message, line = refused(78)
    assert f"There is no database {here}/authserver.db." in message
    carry_out(line)
    cli("config", "check")


def test_a_database_without_tables_is_refused_with_the_command_to_run(
    cli: Callable[..., Result], refused: Any, here: Path
) -> None:
    for file in here.glob("authserver.db*"):
        file.unlink()
    (here / "authserver.db").touch()
    message, line = refused(78)
    assert "The database is empty." in message
    carry_out(line)
    cli("config", "check")


def test_a_database_that_is_older_than_the_code(refused: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "head", lambda: "9999")
    message, line = refused(78)
    assert "this version needs 9999" in message
    assert line == "authserver db upgrade"


def test_a_database_that_is_newer_than_the_code(cli: Callable[..., Result], refused: Any, here: Path) -> None:
    connection = sqlite3.connect(here / "authserver.db")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    message, line = refused(78)
    assert "The database is at revision 9999, which this version" in message
    assert line == 'pip install --upgrade "authserver[server]"'
    for other in (["init"], ["db", "upgrade"], ["user", "list"], ["config", "check"]):
        assert "revision 9999" in cli(*other, code=78).stderr


def test_a_database_that_is_no_database(refused: Any, here: Path) -> None:
    (here / "authserver.db").write_bytes(b"no database at all, but long enough to look at" * 100)
    message, line = refused(69)
    assert "not a database" in message
    assert line == "authserver config show"


@pytest.fixture
def taken() -> Iterator[Any]:
    """A port on which somebody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_port_that_is_in_use_is_refused(refused: Any, taken: Any) -> None:
    message, line = refused(1, "--port", str(taken))
    assert f"Port {taken} is already in use." in message
    assert line == f"authserver serve --host 127.0.0.1 --port {taken + 1}"


def test_a_port_that_is_taken_in_the_last_moment(refused: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two servers have bound it, and the other one listens first."""
    rival = socket.socket()
    rival.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    rival.bind(("127.0.0.1", 0))
    port = rival.getsockname()[1]

    class Slower(socket.socket):
        def bind(self, address: Any) -> None:
            super().bind(address)
            rival.listen()

    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", Slower)
        message, _ = refused(1, "--port", str(port))
    rival.close()
    assert f"Port {port} is already in use." in message


def test_a_host_that_is_not_ours(refused: Any) -> None:
    message, _ = refused(1, "--host", "192.0.2.1", "--port", "0")
    assert "Cannot listen on 192.0.2.1, port 0: " in message


def test_everything_that_is_wrong_is_told_at_once(refused: Any) -> None:
    message, _ = refused(78, ISSUER="ftp://as.example", LOG_LEVEL="loud", RETRY_WINDOW="1")
    assert all(word in message for word in ("AUTHSERVER_ISSUER", "AUTHSERVER_LOG_LEVEL", "AUTHSERVER_RETRY_WINDOW"))


@pytest.mark.parametrize(("code", "settings"), [(78, {"ISUER": "x"}), (69, {"DATABASE_URL": "sqlite:////no/x.db"})])
def test_the_process_ends_with_that_code_too(here: Path, code: int, settings: Any) -> None:
    done = run("serve", "--port", "0", folder=here, check=False, settings=settings)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("Error: ")
