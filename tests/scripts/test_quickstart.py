"""scripts/quickstart.py: which Python it takes, where it listens, and what it knows of its demo."""

import ast
import contextlib
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from authserver.domain.mail import MailFolder, destination

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("version", [(3, 6, 15), (3, 10, 13)])
def test_an_older_python_is_told_which_one_is_needed(version: tuple[int, ...]) -> None:
    script = str(ROOT / "scripts" / "quickstart.py")
    code = f"import runpy, sys; sys.version_info = {version}; runpy.run_path({script!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: authserver needs Python 3.11 or newer")
    assert "Traceback" not in done.stderr


def test_older_pythons_can_parse_the_script_as_far_as_its_version_check() -> None:
    ast.parse((ROOT / "scripts" / "quickstart.py").read_text(), feature_version=(3, 7))


# Address and settings


def test_a_taken_port_is_passed_over(quickstart: ModuleType) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert quickstart.bind("127.0.0.1", port) is None
        with quickstart.bind_next("127.0.0.1", port) as mine, quickstart.bind_next("127.0.0.1", port) as another:
            assert port < mine.getsockname()[1] < another.getsockname()[1]


def test_a_port_whose_server_has_just_ended_is_free(quickstart: ModuleType) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        accepted.close()  # this end closes first: the port is left in TIME_WAIT
        client.close()
    with quickstart.bind_next("127.0.0.1", port) as listener:
        assert listener.getsockname()[1] == port


def test_every_error_of_a_script_begins_as_those_of_the_command_do() -> None:
    texts = [
        text
        for path in (ROOT / "scripts").glob("*.py")
        for text in re.findall(r"""sys\.exit\(\s*f?"([^"]*)""", path.read_text())
    ]
    assert len(texts) > 5 and [text for text in texts if not text.startswith("Error: ")] == []


def test_an_address_of_another_machine_is_refused_in_words(quickstart: ModuleType) -> None:
    with pytest.raises(SystemExit, match=r"^Error: Cannot listen on port 8000 of 192\.0\.2\.1: [A-Z][a-z ]+\.$"):
        quickstart.bind_next("192.0.2.1", 8000)


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        ("127.0.0.1", 8000, "http://127.0.0.1:8000"),
        ("127.0.0.1", 80, "http://127.0.0.1"),
        ("localhost", 8000, "http://localhost:8000"),
        ("0.0.0.0", 8000, "http://127.0.0.1:8000"),
        ("::", 8000, "http://[::1]:8000"),
        ("::1", 8000, "http://[::1]:8000"),
    ],
)
def test_the_url_is_one_that_curl_can_reach(quickstart: ModuleType, host: str, port: int, url: str) -> None:
    assert quickstart.base_url(host, port) == url


def test_a_url_with_brackets_is_quoted_for_the_shell(quickstart: ModuleType, demo: dict[str, str]) -> None:
    lines = quickstart.curl_lines("http://[::1]:8000", demo)
    assert "'http://[::1]:8000/revoke' " in lines["Log out"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("name", ["Log in", "Refresh", "Log out", "See the public keys"])
def test_a_line_that_is_pasted_when_the_server_is_stopped_shows_curls_error_and_nothing_else(
    quickstart: ModuleType, demo: dict[str, str], name: str
) -> None:
    with socket.socket() as bound:  # and does not listen, so a connection is refused
        bound.bind(("127.0.0.1", 0))
        line = quickstart.curl_lines(f"http://127.0.0.1:{bound.getsockname()[1]}", demo)[name]
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert re.fullmatch(r"curl: \(7\) [^\n]*\n", done.stderr) and done.stdout == "\n"


def test_mails_become_files_unless_a_mail_server_is_configured(
    project: Path, quickstart: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTHSERVER_SMTP_URL", "smtps://smtp.example.com")
    quickstart.keep_mails()
    assert os.environ["AUTHSERVER_SMTP_URL"] == "smtps://smtp.example.com"
    monkeypatch.delenv("AUTHSERVER_SMTP_URL")
    (project / ".env").write_text("AUTHSERVER_SMTP_URL=smtps://smtp.example.com\n")
    quickstart.keep_mails()
    assert "AUTHSERVER_SMTP_URL" not in os.environ
    (project / ".env").unlink()
    quickstart.keep_mails()
    assert destination(os.environ["AUTHSERVER_SMTP_URL"]) == MailFolder(str(quickstart.MAILS))
    monkeypatch.delenv("AUTHSERVER_SMTP_URL")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".env", "AUTHSERVER_LOG_LEVEL=info\nexport AUTHSERVER_ISSUER=https://id.example\n"),
        ("authserver.toml", 'issuer = "https://id.example"\n'),
    ],
)
def test_an_issuer_that_somebody_chose_is_found(
    project: Path, quickstart: ModuleType, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    monkeypatch.delenv("AUTHSERVER_ISSUER", raising=False)
    (project / name).write_text("# AUTHSERVER_ISSUER=commented\n")
    assert not quickstart.configured("ISSUER")
    (project / name).write_text(text)
    assert quickstart.configured("ISSUER")


def test_the_demo_signs_in_at_the_issuer_that_somebody_chose(
    project: Path, quickstart: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTHSERVER_ISSUER", "https://id.example/from-the-environment")
    assert quickstart.choose_issuer("http://127.0.0.1:8000") == "https://id.example/from-the-environment"
    monkeypatch.delenv("AUTHSERVER_ISSUER")
    (project / ".env").write_text("AUTHSERVER_ISSUER=https://id.example/from-a-file\n")
    monkeypatch.setattr(quickstart, "PYTHON", sys.executable)
    assert quickstart.choose_issuer("http://127.0.0.1:8000") == "https://id.example/from-a-file"
    (project / ".env").unlink()
    assert quickstart.choose_issuer("http://127.0.0.1:8000") == "http://127.0.0.1:8000"
    assert os.environ["AUTHSERVER_ISSUER"] == "http://127.0.0.1:8000"


@pytest.mark.parametrize("text", ["0", "65536", "-1", "http", "8000x"])
def test_a_word_that_is_no_port_is_refused(quickstart: ModuleType, text: str) -> None:
    with pytest.raises(SystemExit) as refused:
        quickstart.main(["--port", text])
    assert refused.value.code == 2


# The demo

REDIRECT_URI = "http://127.0.0.1:8001/callback"


@pytest.fixture
def demo(project: Path, quickstart: ModuleType, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A demo that is written down, and a database that knows it."""
    monkeypatch.delenv("AUTHSERVER_DATABASE_URL", raising=False)
    written = {"username": "demo", "password": "pw", "user_id": "u1", "client_id": "c1"}
    written |= {"web_client_id": "c2", "web_client_secret": "s", "redirect_uris": REDIRECT_URI}
    quickstart.write_demo(written | {"schema": quickstart.schema_digest()})
    with contextlib.closing(sqlite3.connect(project / "authserver.db")) as database:
        for table, rows in (("users", [["u1"]]), ("clients", [["c1"], ["c2"]])):
            database.execute(f"CREATE TABLE {table} (id TEXT PRIMARY KEY)")
            database.executemany(f"INSERT INTO {table} VALUES (?)", rows)
        database.commit()
    return written


def test_the_demo_is_written_for_the_owner_alone_even_over_an_open_file(project: Path, quickstart: ModuleType) -> None:
    (project / "keys" / "demo").write_text("{}")
    (project / "keys" / "demo").chmod(0o644)
    quickstart.write_demo({"password": "pw"})
    assert (project / "keys" / "demo").stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(project / "keys")) == ["demo"]


def test_when_nothing_changed_no_command_is_started(
    quickstart: ModuleType, demo: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a command was started"))
    assert quickstart.prepare_demo(REDIRECT_URI).items() >= demo.items()


class Commands:
    """Stands for the authserver command: what was asked of it, and its answers. Other commands fail."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.asked: list[tuple[str, str]] = []
        self._answers = answers

    def __call__(self, *arguments: str, give: str = "") -> subprocess.CompletedProcess[str]:
        name = " ".join(arguments[:2])
        self.asked.append((name, give))
        answer = self._answers.get(name)
        return subprocess.CompletedProcess(arguments, 1 if answer is None else 0, answer or "", "")


def test_a_deleted_database_gets_the_same_user_and_new_clients(
    project: Path, quickstart: ModuleType, demo: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "authserver.db").unlink()
    commands = Commands(
        {
            "init": "",
            "user create": '{"id": "u2", "username": "demo"}',
            "user set-claims": "",
            "client create": '{"client_id": "c3", "client_secret": "new"}',
        }
    )
    monkeypatch.setattr(quickstart, "authserver", commands)
    made = quickstart.prepare_demo(REDIRECT_URI)
    expected = {"username": "demo", "password": "pw", "user_id": "u2", "client_id": "c3", "web_client_secret": "new"}
    assert made.items() >= expected.items()
    assert [name for name, _ in commands.asked] == [
        *("init", "user show", "user create", "client create", "client create", "user set-claims")
    ]
    assert commands.asked[2] == ("user create", "pw")
    assert quickstart.read_json(quickstart.DEMO) == made


def test_a_demo_at_another_port_is_registered_beside_the_first(
    quickstart: ModuleType, demo: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first may be running: another start in the same folder takes the next free ports."""
    updated: list[tuple[str, ...]] = []
    monkeypatch.setattr(quickstart, "run_or_exit", lambda *arguments, give="": updated.append(arguments))
    other = "http://127.0.0.1:8003/callback"
    for _ in range(2):
        quickstart.prepare_demo(other)
    assert updated == [("client", "update", "c2", "--redirect-uri", REDIRECT_URI, "--redirect-uri", other)]


@pytest.mark.parametrize("damage", ["", "null", "[1]", '{"username": "demo"', '{"username": "demo"}'])
def test_a_damaged_demo_file_is_not_ready(quickstart: ModuleType, demo: dict[str, str], damage: str) -> None:
    quickstart.DEMO.write_text(damage)
    assert not quickstart.ready(quickstart.read_json(quickstart.DEMO))


def test_a_new_migration_means_another_init(project: Path, quickstart: ModuleType, demo: dict[str, str]) -> None:
    assert quickstart.ready(quickstart.read_json(quickstart.DEMO))
    versions = project / "authserver" / "store" / "migrations" / "versions"
    versions.mkdir(parents=True)
    (versions / "0099_new.py").touch()
    assert not quickstart.ready(quickstart.read_json(quickstart.DEMO))


# The tests


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_test_help_prints_help_and_starts_nothing(
    quickstart: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    monkeypatch.setattr(quickstart, "install", lambda kind: pytest.fail("something was installed"))
    with pytest.raises(SystemExit) as ended:
        quickstart.main(["test", option])
    assert ended.value.code == 0
    assert "test --fast" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "checks", "all_cores"), [([], 1, True), (["--fast"], 0, True), (["tests/domain"], 0, False)]
)
def test_what_test_runs(
    quickstart: ModuleType,
    venv: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    checks: int,
    all_cores: bool,
) -> None:
    checked: list[bool] = []
    monkeypatch.setattr(quickstart, "run_checks", lambda: checked.append(True))

    def execute(program: Path, command: list[str]) -> None:
        assert command[:1] + arguments == command[: 1 + len(arguments)] and ("-n" in command) is all_cores
        raise SystemExit(0)

    monkeypatch.setattr(os, "execv", execute)
    with pytest.raises(SystemExit):
        quickstart.main(["test", *arguments])
    assert len(checked) == checks


@pytest.mark.parametrize(("codes", "ends_with"), [((0, 0, 0), 0), ((0, 0, 2), 2), ((1, 0, 2), 1)])
def test_coverage_fails_below_the_floor_and_reports_beside_a_failed_test(
    quickstart: ModuleType, venv: Path, monkeypatch: pytest.MonkeyPatch, codes: tuple[int, ...], ends_with: int
) -> None:
    commands: list[list[str]] = []

    def run(command: list[Any], **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append([str(word) for word in command[1:]])
        return subprocess.CompletedProcess(command, codes[len(commands) - 1])

    monkeypatch.setattr(quickstart, "run_checks", lambda: None)
    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(SystemExit) as ended:
        quickstart.main(["test", "--coverage"])
    assert ended.value.code == ends_with and len(commands) == len(codes)
    assert commands[0][:3] == ["run", "-m", "pytest"] and "-n" in commands[0]
