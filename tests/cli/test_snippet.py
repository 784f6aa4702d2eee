"""authserver snippet: what it prints is saved, run as its own first lines say, and called with tokens of all kinds."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from authserver.cli.snippet import NAMES
from authserver.testing import Issuer, running_issuer
from tests.harness.constants import LONG
from tests.harness.existing import existing
from tests.harness.nginx import TEMPORARY_FOLDERS, needs_nginx
from tests.harness.process import environment_with, free_port, owned_group, run, wait_until_listening
from tests.resource.tools import DROP, LocalIssuer, header_of, make_key, public, reply, serve, sign
from tests.resource.tools import claims as claims_like

ROOT = Path(__file__).parents[2]
PYTHON = ("fastapi", "starlette", "flask", "django")
FILES = {"express": "notes.mjs", "go": "main.go"} | dict.fromkeys(PYTHON, "notes.py")
TOOLS = {"express": "npm", "go": "go", "spring": "mvn"}
HEAVY = pytest.mark.skipif("HEAVY" not in os.environ, reason="compiles half a framework; to do so: HEAVY=1")
SCOPES = "read write"
AUDIENCE = "https://api.example"
CACHES = {
    "express": (", 50_000)", ", 500)"),
    "spring": (".cache(60_000, 15_000)", ".cache(2_000, 500).refreshAheadCache(false).rateLimited(false)"),
    "go": ("time.Minute", "time.Second"),
}
"""For how long a key set is kept, and what the tests put there."""
ANSWER_503 = ("express", "go")
"""When the key set cannot be fetched; Spring Security decides that for itself."""


@pytest.fixture
def keys_taken_back() -> None:
    """No key is used again: all tests here rotate the keys of one issuer."""


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with running_issuer() as issuer:
        yield issuer


def printed(name: str, folder: Path, url: str) -> tuple[str, int]:
    """The snippet with free ports in place of its own, and the port on which it is to be called."""
    text = run("snippet", name, "--scope", SCOPES, folder=folder, settings={"ISSUER": url}).stdout
    ports = {number: str(free_port()) for number in ("9000", "9001", "8080")}
    return re.sub(r"\b(9000|9001|8080)\b", lambda found: ports[found[1]], text), int(ports["9000"])


def told(text: str) -> list[str]:
    """The command lines in the comment at the top."""
    return re.findall(r"^(?:#|//) {5}(\S.*)$", text, re.MULTILINE)


@contextmanager
def running(command: str, folder: Path, port: int) -> Iterator[None]:
    environment = environment_with({"PYTHONPATH": ""})
    environment |= {"PATH": f"{Path(sys.executable).parent}:{environment['PATH']}", "PYTHONPATH": str(ROOT)}
    with (folder / "output.log").open("ab") as log:
        process = subprocess.Popen(
            ["sh", "-c", command], cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    with owned_group(process):  # `go run` starts what it has built as a process of its own
        wait_until_listening(port, process, folder / "output.log")
        yield
    wait(lambda: not listens(port), folder / "output.log", 30)  # the shell may end before what it started


def wait(is_so: Callable[[], bool], log: Path, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.02)


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def get(port: int, authorization: str | None = None) -> tuple[int, str, bytes]:
    """Status, challenge and body."""
    connection = HTTPConnection("127.0.0.1", port, timeout=LONG)
    try:
        connection.request("GET", "/notes", headers={"Authorization": authorization} if authorization else {})
        answer = connection.getresponse()
        return answer.status, answer.getheader("WWW-Authenticate", ""), answer.read()
    finally:
        connection.close()


def token(issuer: Issuer, scope: str = SCOPES, **members: Any) -> str:
    return issuer.token("ada", scope, **{"audience": AUDIENCE, **members})


def check(issuer: Issuer, port: int) -> None:
    """Every kind of token, what is answered, and a rotation in between."""
    good = token(issuer)
    status, challenge, body = get(port, f"Bearer {good}")
    assert (status, challenge) == (200, "") and b"ada" in body, body
    status, challenge, _ = get(port)
    assert status == 401 and challenge.startswith("Bearer") and "error" not in challenge
    status, challenge, _ = get(port, f"Bearer {token(issuer, 'read')}")
    assert status == 403 and 'error="insufficient_scope"' in challenge
    others = (
        token(issuer, audience="https://other.example"),
        token(issuer, ttl=-2),  # no leeway, but for the fraction of a second that the clocks of languages cut off
        token(issuer, iss="https://other.example"),
        token(issuer, cnf={"jkt": "x"}),
        good[:-8] + "AAAAAAAA",
    )
    for other in others:
        status, challenge, _ = get(port, f"Bearer {other}")
        assert status == 401 and 'error="invalid_token"' in challenge, other
    issuer.rotate()
    assert [get(port, f"Bearer {other}")[0] for other in (good, token(issuer))] == [200, 200]


def check_curl(line: str, folder: Path, issuer: Issuer) -> None:
    if shutil.which("curl"):
        environment = environment_with({}) | {"TOKEN": token(issuer)}
        done = subprocess.run(["sh", "-c", line], cwd=folder, env=environment, capture_output=True, text=True)
        assert done.stdout.startswith("HTTP/1.1 200 "), done


@pytest.mark.parametrize("name", PYTHON)
def test_the_printed_python_protects_an_api_as_it_stands(name: str, tmp_path: Path, issuer: Issuer) -> None:
    text, port = printed(name, tmp_path, issuer.url)
    save(name, text, tmp_path)
    installing, serving, call = told(text)
    assert installing.startswith("pip install ./authserver ")
    with running(serving, tmp_path, port):
        check(issuer, port)
        check_curl(call, tmp_path, issuer)


@pytest.mark.parametrize("name", PYTHON)
def test_python_is_formatted_as_this_project_is(name: str, tmp_path: Path) -> None:
    text = run("snippet", name, folder=tmp_path).stdout
    (tmp_path / "notes.py").write_text(text)
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["line-length"]
    for words in (["check", "--select", "E,F,I,UP,B"], ["format", "--diff"]):
        command = [sys.executable, "-m", "ruff", *words, "--isolated", "--line-length", str(options), "notes.py"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def save(name: str, text: str, folder: Path) -> None:
    if name in FILES:
        (folder / FILES[name]).write_text(text)
    else:
        subprocess.run(["sh"], input=text, text=True, cwd=folder, check=True)


def install(lines: list[str], folder: Path) -> None:
    try:
        subprocess.run(["sh", "-ec", "\n".join(lines)], cwd=folder, check=True, capture_output=True, timeout=120)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"{lines} failed: {str(error.stderr)[-300:]}")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["express", pytest.param("go", marks=HEAVY), pytest.param("spring", marks=HEAVY)])
def test_the_printed_code_of_other_languages_protects_an_api_as_it_stands(
    name: str, tmp_path: Path, issuer: Issuer
) -> None:
    if shutil.which(TOOLS[name]) is None:
        pytest.skip(f"{TOOLS[name]} is not installed")
    text, port = printed(name, tmp_path, issuer.url)
    *installing, serving, call = told(text)
    save(name, text, tmp_path)
    install(installing, tmp_path)
    with running(serving, tmp_path, port):
        check(issuer, port)
        check_curl(call, tmp_path, issuer)
    key = make_key("key")
    with serve(LocalIssuer()) as other:
        other.answers["/.well-known/jwks.json"] = reply(public(key))
        text, port = printed(name, tmp_path, other.url)
        save(name, text, tmp_path)
        before, after = CACHES[name]
        assert before in text
        save(name, text.replace(before, after), tmp_path)
        with running(serving, tmp_path, port):
            check_type(port, key, other.url)
            check_revoked(port, key, other, tmp_path / "output.log")
        other.answers.clear()
        if name in ANSWER_503:
            with running(serving, tmp_path, port):
                check_outage(port, key, other.url)


def check_type(port: int, key: Any, issuer: str) -> None:
    """An ID token is no access token, though the same key signed it for the same audience."""
    now = int(time.time())
    claims = claims_like(iss=issuer, aud=AUDIENCE, iat=now, exp=now + 60)
    answers = [get(port, f"Bearer {sign(key, header_of(key, typ=typ), claims)}")[0] for typ in ("at+jwt", "JWT", DROP)]
    assert answers == [200, 401, 401]


def check_revoked(port: int, key: Any, issuer: LocalIssuer, log: Path) -> None:
    """A revoked key is refused when the key set is fetched again, though no other key is asked for; an issuer that is
    down changes nothing until then."""
    now = int(time.time())
    header = f"Bearer {sign(key, header_of(key), claims_like(iss=issuer.url, aud=AUDIENCE, iat=now, exp=now + 300))}"
    document = issuer.answers.pop("/.well-known/jwks.json")
    asked = len(issuer.requests)

    def serves_without_it() -> bool:
        assert get(port, header)[0] == 200
        return len(issuer.requests) > asked + 3

    wait(serves_without_it, log, 60)
    issuer.answers["/.well-known/jwks.json"] = reply(public(make_key("another")))
    wait(lambda: get(port, header)[0] == 401, log, 60)
    issuer.answers["/.well-known/jwks.json"] = document


def check_outage(port: int, key: Any, issuer: str) -> None:
    """The key set cannot be fetched: that says nothing of the token, also when the next attempt has to wait."""
    now = int(time.time())
    claims = claims_like(iss=issuer, aud=AUDIENCE, iat=now, exp=now + 60)
    answers = [get(port, f"Bearer {token}") for token in [sign(key, header_of(key), claims)] * 2 + ["not.a.token"]]
    assert [(status, challenge == "") for status, challenge, _ in answers] == [(503, True), (503, True), (401, False)]


class Behind(BaseHTTPRequestHandler):
    """The API behind nginx: answers with the user that it was told of."""

    def do_GET(self) -> None:
        body = str(self.headers["X-Subject"]).encode()
        assert self.headers["Authorization"] is None
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def behind(port: int) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", port), Behind) as api:
        thread = Thread(target=api.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            api.shutdown()
            thread.join()


NGINX = f"pid nginx.pid; events {{}} http {{ access_log off; {TEMPORARY_FOLDERS} include notes.conf; }}"


@needs_nginx
def test_the_printed_nginx_configuration_protects_an_api_as_it_stands(tmp_path: Path, issuer: Issuer) -> None:
    text, port = printed("nginx", tmp_path, issuer.url)
    save("nginx", text, tmp_path)
    (tmp_path / "nginx.conf").write_text(NGINX)
    serving = told(text)[1]
    api = int(existing(re.search(r"proxy_pass http://127.0.0.1:(\d+);\n    }\n\n    location = /_token", text))[1])
    nginx = "nginx -p . -c nginx.conf -e error.log -g 'daemon off;'"
    with behind(api), running(nginx, tmp_path, port):
        assert get(port, "Bearer x")[0] == 503  # nobody verifies yet
        with running(serving, tmp_path, int(serving.rpartition(" ")[2])):
            check(issuer, port)
            check_curl(told(text)[-1], tmp_path, issuer)
            status, challenge, _ = get(port, "Bearer two words")
            assert status == 400 and 'error="invalid_request"' in challenge


def test_spring_writes_three_files_for_this_issuer(tmp_path: Path) -> None:
    url = "https://login.example/tenant"
    text, port = printed("spring", tmp_path, url)
    save("spring", text, tmp_path)
    assert ElementTree.parse(tmp_path / "pom.xml").getroot().tag.endswith("project")
    settings = yaml.safe_load((tmp_path / "src/main/resources/application.yml").read_text())
    assert settings["server"]["port"] == port
    token = settings["spring"]["security"]["oauth2"]["resourceserver"]["jwt"]
    assert token["issuer-uri"] == url and token["jwk-set-uri"] == f"{url}/.well-known/jwks.json"
    assert token["audiences"] == AUDIENCE
    source = (tmp_path / "src/main/java/notes/Notes.java").read_text()
    assert 'hasAllAuthorities("SCOPE_read", "SCOPE_write")' in source


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_left_to_be_filled_in(cli: Any, name: str) -> None:
    result = cli("snippet", name, "--audience", "https://api.example", ISSUER="https://login.example")
    assert "https://login.example" in result.stdout and "https://api.example" in result.stdout
    assert not re.search(r"@(issuer|audience|scopes|authorities)@", result.stdout)
    assert "docs/tutorial/first-token.md" in result.stderr


@pytest.mark.parametrize("options", [["--audience", 'x" + evil("'], ["--audience", "${x}"], ["--scope", "it's"]])
def test_what_would_not_stay_within_quotes_is_refused(cli: Any, options: list[str]) -> None:
    result = cli("snippet", "go", *options, code=2)
    assert result.stdout == "" and "quotes" in result.stderr


def test_quickstart_the_readme_and_snippets_have_one_audience(cli: Any) -> None:
    assert f'"{AUDIENCE}"' in cli("snippet", "fastapi", "--scope", "read").stdout
    for name in ("README.md", "scripts/quickstart.py"):
        text = (ROOT / name).read_text()
        assert set(re.findall(r"""audience"?[=,] ?"([^"]*)""", text)) == {AUDIENCE}, name


def test_no_snippet_keeps_a_key_set_for_more_than_a_minute_or_takes_a_port_of_quickstart(cli: Any) -> None:
    """Quickstart serves on 8000, or on one of the next if that is taken."""
    texts = {name: cli("snippet", name, ISSUER="https://login.example").stdout for name in NAMES}
    assert {name for name, (kept, _) in CACHES.items() if kept in texts[name]} == set(CACHES)
    assert not [name for name, text in texts.items() if re.search(r"\b80[0-7]\d\b", text)]


@pytest.mark.parametrize("options", [["--scope", ""], ["--scope", 'a"b']])
def test_a_scope_is_needed(cli: Any, options: list[str]) -> None:
    assert cli("snippet", "go", *options, code=2).stdout == ""


def test_an_unknown_framework_is_answered_with_those_that_there_are(cli: Any) -> None:
    result = cli("snippet", "rails", code=2)
    assert all(name in result.stderr for name in NAMES)
