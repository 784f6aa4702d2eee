"""authserver serve --uds: the socket's mode, what it replaces and what never, workers and SIGHUP, behind nginx."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from authserver.serving import listening, sighup
from tests.harness import nginx
from tests.harness.process import environment_with, free_port, owned, run

SECONDS = 120  # until anything must have happened, however busy the machine is


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path is short enough for a socket's."""
    with tempfile.TemporaryDirectory(prefix="as-") as folder:
        yield Path(folder)


class Caller(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=SECONDS)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(SECONDS)
        self.sock.connect(str(self.path))


def status(path: Path) -> int:
    caller = Caller(path)
    caller.request("GET", "/health/live")
    answer = caller.getresponse()
    answer.read()
    caller.close()
    return answer.status


def wait_until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.05)


@contextmanager
def serving(folder: Path, path: Path, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "authserver", "serve", "--uds", str(path), *options]
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment_with({}), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    with owned(process):
        wait_until(lambda: process.poll() is not None or path.exists())
        assert process.poll() is None, log.read_text()
        yield process


# By itself


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_the_socket_has_the_mode_that_was_asked_for_and_goes_at_the_end(short: Path, mode: int, umask: int) -> None:
    before = os.umask(umask)
    try:
        with listening.unix_socket(short / "s", mode):
            assert (short / "s").stat().st_mode & 0o777 == mode
    finally:
        os.umask(before)
    assert list(short.iterdir()) == []


def test_the_socket_of_a_server_that_was_killed_is_replaced(short: Path) -> None:
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(short / "s"))
    with listening.unix_socket(short / "s", 0o660):
        connect(short / "s")


def test_the_socket_of_a_running_server_is_not(short: Path) -> None:
    with listening.unix_socket(short / "s", 0o660) as listener:
        with pytest.raises(listening.CannotListen, match="another server is already listening there"):
            enter(short / "s")
        listener.settimeout(SECONDS)
        listener.accept()[0].close()  # from who looked
        connect(short / "s")


@pytest.mark.parametrize("what", ["file", "folder", "link", "pipe"])
def test_nothing_else_is_ever_removed(short: Path, what: str) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(short / "other"))
    make: dict[str, Callable[[Path], None]] = {
        "file": Path.touch,
        "folder": Path.mkdir,
        "pipe": os.mkfifo,
        "link": lambda path: path.symlink_to("other"),
    }
    make[what](short / "s")
    before = os.lstat(short / "s")
    with pytest.raises(listening.CannotListen, match="is not a socket"):
        enter(short / "s")
    assert os.lstat(short / "s").st_ino == before.st_ino and (short / "other").exists()


def test_a_socket_that_another_server_has_made_meanwhile_stays(short: Path) -> None:
    with listening.unix_socket(short / "s", 0o660):
        (short / "s").unlink()
        time.sleep(0.02)  # the clock of the file system has ticked
        with socket.socket(socket.AF_UNIX) as newer:
            newer.bind(str(short / "s"))
    assert (short / "s").exists()


def test_of_two_that_start_at_once_one_is_refused(short: Path) -> None:
    outcomes: list[AbstractContextManager[Any] | None] = []

    def start(_: int) -> None:
        try:
            listener = listening.unix_socket(short / "s", 0o660)
            listener.__enter__()
            outcomes.append(listener)
        except listening.CannotListen:
            outcomes.append(None)

    with patch("signal.signal"):  # only the main thread may
        for _ in range(20):
            with socket.socket(socket.AF_UNIX) as killed:
                killed.bind(str(short / "s"))
            threads = [threading.Thread(target=start, args=(number,)) for number in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert [outcome is None for outcome in outcomes].count(False) == 1
            next(outcome for outcome in outcomes if outcome).__exit__(None, None, None)
            outcomes.clear()


def test_a_path_that_is_too_long_is_refused_in_words(short: Path) -> None:
    with pytest.raises(listening.CannotListen, match="Cannot listen on .*too long"):
        enter(short / ("x" * 120))


def enter(path: Path) -> None:
    with listening.unix_socket(path, 0o660):
        pass


def connect(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(path))


# As a server


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_serves_before_and_after_sighup_and_removes_its_socket(tmp_path: Path, short: Path, workers: str) -> None:
    run("init", folder=tmp_path)
    path, log = short / "s", tmp_path / "server.log"
    with serving(tmp_path, path, "--workers", workers, "--uds-mode", "600") as process:
        assert status(path) == 200 and path.stat().st_mode & 0o777 == 0o600
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: '"event": "reloaded"' in log.read_text())
        assert status(path) == 200
        refused = run("serve", "--uds", str(path), folder=tmp_path, check=False)
        assert refused.returncode == 1 and "another server is already listening there" in refused.stderr
        assert status(path) == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) in (0, -signal.SIGTERM)
    assert not path.exists()


@nginx.needs_nginx
def test_nginx_reaches_the_server_by_its_unix_socket(tmp_path: Path, short: Path) -> None:
    run("init", folder=tmp_path)
    port, path = free_port(), short / "s"
    location = f"location / {{ proxy_pass http://unix:{path}; proxy_set_header Host $host; }}"
    http = f"server {{ listen 127.0.0.1:{port}; {location} }}"
    with serving(tmp_path, path), nginx.running(short, http, port):
        caller = HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        caller.request("GET", "/.well-known/jwks.json")
        answer = caller.getresponse()
        assert answer.status == 200 and answer.read().startswith(b'{"keys"')
        caller.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--uds", "s", "--port", "1"), "Choose one place to listen on"),
        (("--uds", "s", "--fd", "0"), "Choose one place to listen on"),
        (("--uds", "s", "--uds-mode", "rw"), "is not a mode"),
        (("--uds", "s", "--uds-mode", "9"), "is not a mode"),
        (("--fd", "999"), "--fd 999 is not an open socket"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(
    tmp_path: Path, options: tuple[str, ...], words: str, invoke: Callable[..., str]
) -> None:
    assert words in invoke(*options)


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """`authserver serve` in this process, which must fail with 2: its words."""
    from click.testing import CliRunner

    from authserver.cli import main
    from authserver.cli.init import command as init

    assert CliRunner().invoke(init).exit_code == 0
    monkeypatch.setattr(sighup, "hold", lambda: None)  # it would block SIGHUP in this process for good

    def invoke(*options: str) -> str:
        done = CliRunner().invoke(main, ["serve", *options])
        assert done.exit_code == 2, done.output
        return " ".join(done.output.split())

    return invoke
