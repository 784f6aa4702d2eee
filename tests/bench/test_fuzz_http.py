"""No request gives a 5xx, and every answer is what openapi.yaml says: scripts/bench/fuzz/fuzz_http.py, small."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from scripts.bench.fuzz.fuzz_http import Findings, Sender, complaints, exercise, known_to, operations, undescribed
from scripts.bench.fuzz.http_strategies import Known
from tests.contract.document import PATH
from tests.harness.prepared import Prepared, running

OPERATIONS = operations()
NOBODY = Known("https://as.example", ("rt_", "a.b.c"))
by_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, password_hash: str) -> Iterator[Prepared]:
    with running(tmp_path_factory.mktemp("fuzzed"), password_hash, LOG_LEVEL="warning") as server:
        yield server


@pytest.fixture(scope="module")
def known(server: Prepared) -> Known:
    return known_to(server)


@by_operation
def test_requests_made_from_openapi(server: Prepared, known: Known, operation: Any) -> None:
    found = Findings()
    exercise(operation, 12, 1, Sender(server.url, known, found))
    assert found.faults + complaints(server) == []


def test_requests_nearly_right_or_not_at_all(server: Prepared, known: Known) -> None:
    found = Findings()
    undescribed(server.port, known, 400, 1, found)
    assert found.faults + complaints(server) == []
    assert {200, 400, 401, 404, 405} <= found.statuses.keys()  # they do get further in


def test_schemathesis_finds_nothing_with_its_own_examples_and_boundaries(server: Prepared, tmp_path: Path) -> None:
    """Other methods, missing and repeated parameters, what lies beside every bound: the same ones each time."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", str(PATH), "--url", server.url, "--no-color"]
    only = ["--phases", "examples,coverage", "--exclude-checks", "positive_data_acceptance", "--continue-on-failure"]
    done = subprocess.run([*command, *only], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Tested: {len(OPERATIONS)}" in done.stdout
    assert complaints(server) == []


@contextmanager
def answering(status: int, body: Any) -> Iterator[int]:
    """The port of a server with one answer."""
    content = json.dumps(body).encode()

    class One(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.send_response(status)
            for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(content)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_HEAD = do_OPTIONS = answer

        def log_message(self, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), One) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["/token", "/api/protected"])
@pytest.mark.parametrize(("status", "body"), [(500, {"error": "x"}), (200, {"x": 1}), (418, {}), (401, {"error": "x"})])
def test_it_sees_an_answer_that_is_not_described(path: str, status: int, body: Any) -> None:
    """401 lacks its challenge."""
    operation = next(each for each in OPERATIONS if each.path == path)
    found = Findings()
    with answering(status, body) as port:
        exercise(operation, 1, 1, Sender(f"http://127.0.0.1:{port}", NOBODY, found))
    assert found.faults


def test_it_sees_a_5xx_on_the_wire() -> None:
    found = Findings()
    with answering(500, {}) as port:
        undescribed(port, NOBODY, 5, 1, found)
    assert found.faults
