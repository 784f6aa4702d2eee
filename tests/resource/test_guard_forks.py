"""A fork at any moment: children verify, whatever other threads were doing. Real forks, in a process of their own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from tests.harness.process import environment_with, free_port
from tests.resource.tools import LocalIssuer, header_of, public, serve, sign
from tests.resource.tools import claims as claims_like

ROOT = Path(__file__).parents[2]
PATIENCE = 120  # seconds


def tokens_of(key: RSAKey, count: int, **changes: object) -> list[str]:
    now = int(time.time())
    times = {"iat": now, "exp": now + 900}
    return [sign(key, header_of(key), claims_like(**{**times, "jti": str(n), **changes})) for n in range(count)]


def run(name: str, **given: Any) -> Any:
    command = [sys.executable, "-m", "tests.resource.forking", name]
    text = json.dumps(given)
    done = subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ["busy", "processes"])
def test_every_child_of_a_fork_under_busy_threads_verifies(name: str, key: RSAKey) -> None:
    *tokens, fresh = tokens_of(key, 4)
    codes = run(name, jwks=public(key), tokens=tokens, fresh=fresh)
    assert codes == [0] * len(codes) and len(codes) >= 30


def test_a_lock_that_another_thread_holds_does_not_hang_the_child(key: RSAKey) -> None:
    assert run("lock_held", jwks=public(key), tokens=[], fresh=tokens_of(key, 1)[0]) == [0]


def test_a_fork_during_the_first_fetch_leaves_nothing_behind_in_the_child(key: RSAKey) -> None:
    assert run("first_fetch", jwks=public(key), tokens=[], fresh=tokens_of(key, 1)[0]) == [0]


def test_a_fork_during_the_fetch_for_a_new_key_leaves_nothing_behind(key: RSAKey, other_key: RSAKey) -> None:
    fresh = tokens_of(other_key, 1)[0]
    assert run("unknown_kid", jwks=public(key, other_key), tokens=tokens_of(key, 1), fresh=fresh) == [0]


def test_verifying_imports_nothing_since_a_fork_during_an_import_hangs_the_child(key: RSAKey) -> None:
    program = (
        "import sys; from authserver.resource import Guard; guard = Guard(sys.argv[1], 'https://api.example');"
        "before = set(sys.modules); guard.verify(sys.argv[2]); print(sorted(set(sys.modules) - before))"
    )
    with serve(LocalIssuer()) as issuer:
        url = issuer.url.replace("127.0.0.1", "localhost")  # a name must be encoded and resolved
        issuer.publish(public(key), issuer=url)
        command = [sys.executable, "-c", program, url, tokens_of(key, 1, iss=url)[0]]
        assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout == "[]\n"


@contextmanager
def gunicorn(issuer: str, token: str, log: Path) -> Iterator[int]:
    port = free_port()
    options = ["--preload", "--workers", "4", "--threads", "2", "--bind", f"127.0.0.1:{port}"]
    command = [sys.executable, "-m", "gunicorn", *options, "tests.resource.preloaded:app"]
    environment = environment_with({}) | {"ISSUER": issuer, "TOKEN": token}
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield port
        server.terminate()
        assert server.wait(PATIENCE) == 0, log.read_text()
    finally:
        with suppress(ProcessLookupError):  # all of them have ended
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def worker_that_answers(port: int, token: str) -> int | None:
    """The id of the process that let the token in; None while nobody listens."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/", headers={"Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        body = response.read()
    except ConnectionError:
        return None
    finally:
        connection.close()
    assert response.status == 200, (response.status, body)
    return int(body)


def test_gunicorn_with_preload_forks_while_the_loaded_application_verifies(key: RSAKey, tmp_path: Path) -> None:
    with serve(LocalIssuer()) as issuer:
        issuer.publish(public(key))
        busy, token = tokens_of(key, 2, iss=issuer.url)
        with gunicorn(issuer.url, busy, tmp_path / "log") as port:
            seen: set[int] = set()
            end = time.monotonic() + PATIENCE
            while len(seen) < 4:
                assert time.monotonic() < end, (seen, (tmp_path / "log").read_text())
                if worker := worker_that_answers(port, token):
                    seen.add(worker)
    assert os.getpid() not in seen
