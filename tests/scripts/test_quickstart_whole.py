"""scripts/quickstart.py from the first start to the third, as a newcomer runs it: its lines are pasted into a shell,
and its demo is opened."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness.constants import LONG
from tests.harness.existing import existing
from tests.harness.plain_browser import PlainBrowser, sign_in
from tests.harness.process import free_port, owned

ROOT = Path(__file__).resolve().parents[2]


class Running:
    """A quickstart that was started, what it has printed, and the lines that it asks to paste."""

    def __init__(self, project: Path, port: int) -> None:
        self.log = project / "quickstart.log"
        self.began = time.monotonic()
        with self.log.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "scripts/quickstart.py", "--port", str(port)],
                cwd=project,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={name: value for name, value in os.environ.items() if not name.startswith("AUTHSERVER_")},
            )

    def printed(self) -> str:
        return self.log.read_text()

    def lines(self) -> list[str]:
        """The lines to paste, once the server answers."""
        self._wait(lambda: "Ctrl-C stops" in self.printed())
        self.told_after = time.monotonic() - self.began
        self.url = existing(re.search(r"serves (http://\S+)\.", self.printed()))[1]
        host, port = self.url.removeprefix("http://").split(":")
        self._wait(lambda: is_listening(host, int(port)))
        self.demo_url, *lines = re.findall(r"^    (\S.*)$", self.printed(), re.MULTILINE)
        found = existing(re.search(r"sign in as (\S+) with the password (\S+)$", self.printed(), re.MULTILINE))
        self.user = (found[1], found[2])
        return lines

    def _wait(self, until: Callable[[], bool], seconds: float = 5 * LONG) -> None:
        end = time.monotonic() + seconds
        while not until():
            assert self.process.poll() is None, self.printed()
            assert time.monotonic() < end, self.printed()
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGINT) -> int:
        """The exit code. The demo ends with the server, however that ends."""
        self.process.send_signal(number)
        code = self.process.wait(LONG)
        host, port = self.demo_url.removeprefix("http://").split(":")
        end = time.monotonic() + LONG
        while is_listening(host, int(port)):
            assert time.monotonic() < end, "the demo still runs"
            time.sleep(0.05)
        return code


@pytest.mark.slow
def test_two_that_start_at_once_serve_each_where_its_greeting_says(
    clone: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """In two folders, so that nothing but the port decides who is first."""
    other = tmp_path_factory.mktemp("other") / "clone"
    shutil.copytree(clone, other, symlinks=True)
    mark = other / ".venv" / "quickstart.json"
    mark.write_text(mark.read_text().replace(str(clone), str(other)))
    port = free_port()
    with started(clone, port) as first, started(other, port) as second:
        first.lines(), second.lines()
        assert len({first.url, second.url, first.demo_url, second.demo_url}) == 4
        for running in (first, second):
            answer = paste([f"curl -sS {running.url}/.well-known/oauth-authorization-server"])[0]
            assert json.loads(answer)["issuer"] == running.url


def is_listening(host: str, port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((host, port)) == 0


@contextlib.contextmanager
def started(project: Path, port: int) -> Iterator[Running]:
    running = Running(project, port)
    with owned(running.process):
        yield running


def paste(lines: list[str]) -> list[str]:
    """What one shell shows for each line; all of them, one after the other, as somebody would paste them."""
    script = "".join(f"{line}\nprintf '\\n=====\\n' >&2\n" for line in lines)
    done = subprocess.run(["bash"], input=script, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout.split("\n=====\n")[: len(lines)]


def check_answers(answers: list[str]) -> None:
    login, refresh, revoked, jwks = answers
    first, second = json.loads(login), json.loads(refresh)
    assert first["refresh_token"].startswith("rt_")
    assert second["refresh_token"] not in ("", first["refresh_token"])
    assert revoked.startswith("HTTP/1.1 200")
    assert [key["kty"] for key in json.loads(jwks)["keys"]][:1] == ["RSA"]


def check_demo(running: Running) -> None:
    """As somebody does who opens the URL that is printed, in a browser without scripts."""
    with PlainBrowser() as browser:
        browser.open(running.demo_url)
        browser.follow("start")
        page = sign_in(browser, *running.user)
        assert page.texts["name"] == "Demo User", page.text
        token = page.texts["refresh-token"]
        page = browser.press("refresh")
        assert page.texts["refreshes"] == "1" and page.texts["refresh-token"] != token
        assert "start" in browser.press("sign-out").links


@pytest.fixture
def clone(project: Path, venv: Path) -> Path:
    shutil.copytree(ROOT / "authserver", project / "authserver", ignore=shutil.ignore_patterns("__pycache__"))
    return project


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_printed_lines_work_when_pasted_at_the_first_the_second_and_a_repaired_start(clone: Path) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        with started(clone, port) as first:
            lines = first.lines()
            check_answers(paste(lines))
            check_demo(first)
            assert not first.url.endswith(f":{port}")
            assert first.stop() in (0, 130, -signal.SIGINT)
            assert "Traceback" not in first.printed()
            assert "Aborted" not in first.printed()
    port = int(first.url.rpartition(":")[2])
    with started(clone, port) as second:
        assert second.lines() == lines
        assert "Preparing" not in second.printed()
        assert second.told_after < first.told_after
        check_answers(paste(lines))
        check_demo(second)
        second.stop(signal.SIGKILL)
    for name in ("authserver.db", "authserver.db-wal", "authserver.db-shm"):
        (clone / name).unlink(missing_ok=True)
    with started(clone, port) as fixed:
        check_answers(paste(fixed.lines()))
        check_demo(fixed)
        metadata = f"curl -sS {fixed.url}/.well-known/oauth-authorization-server"
        assert json.loads(paste([metadata])[0])["issuer"] == fixed.url
        fixed.stop(signal.SIGTERM)
