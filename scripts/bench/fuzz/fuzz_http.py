#!/usr/bin/env python3
"""Checks that nothing a caller sends causes a 5xx.

    python scripts/bench/fuzz/fuzz_http.py [N] [--seed X]

Starts a server and sends it N requests (10,000 by default). One half is made by schemathesis from openapi.yaml, and
every response to it must be as openapi.yaml describes it. The other half is made by hypothesis as bytes for a socket,
nearly right or entirely wrong. Some requests have valid credentials and tokens. Faults are printed and make the exit
code 1: a 5xx, no response, a response that is not described, an exception in the server's log.
"""

import argparse
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))
from scripts.dotvenv import continue_in_venv  # noqa: E402

if __name__ == "__main__":
    continue_in_venv("schemathesis")

import requests  # noqa: E402
import schemathesis  # noqa: E402
import yaml  # noqa: E402
from hypothesis import HealthCheck, Phase, given, seed, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from hypothesis.errors import Unsatisfiable  # noqa: E402
from schemathesis import GenerationMode  # noqa: E402
from schemathesis.specs.openapi import checks  # noqa: E402

from authserver.passwords import PasswordHasher  # noqa: E402
from scripts.bench.fuzz import http_strategies  # noqa: E402
from scripts.bench.fuzz.http_strategies import Known  # noqa: E402
from tests.harness.constants import PASSWORD, SECRET  # noqa: E402
from tests.harness.prepared import Prepared, running  # noqa: E402

TIMEOUT = 20  # seconds for a response; the server gives up a slow body after 10
EXCLUDED = [checks.positive_data_acceptance]
"""A request that fits the schema may still have a wrong password, for which RFC 6749 prescribes status 400."""


@dataclass
class Findings:
    """How often each status occurred, and the faults."""

    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def note(self, status: int, request: Callable[[], str]) -> None:
        self.statuses[status] += 1
        if status >= 500 or status < 100:
            self.faults.append(f"{status}: {request()}")


def known_to(server: Prepared) -> Known:
    """Return valid tokens of all kinds, of public clients and of a confidential one."""
    tokens: list[str] = []
    for client in ({"client_id": "app"}, {"client_id": "first-party"}, {"client_id": "web", "client_secret": SECRET}):
        form = {"grant_type": "password", "username": "ada", "password": PASSWORD} | client
        body = requests.post(f"{server.url}/token", form, timeout=TIMEOUT).json()
        tokens += [body["access_token"], body["refresh_token"]]
    return Known(server.url, tuple(tokens))


def described(server: Prepared, known: Known, many: int, first: int, findings: Findings) -> None:
    """Send about `many` requests that schemathesis makes, the same number for each operation whose requests can
    differ."""
    every = operations()
    plain = [each for each in every if not (each.body or each.headers or each.path_parameters or each.security)]
    share = max(1, (many - len(plain)) // (2 * (len(every) - len(plain))))
    for operation in every:
        exercise(operation, share, first, Sender(server.url, known, findings))


def operations() -> list[Any]:
    schema: Any = schemathesis.openapi.from_dict(yaml.load((ROOT / "openapi.yaml").read_text(), yaml.CSafeLoader))
    return [each.ok() for each in schema.get_all_operations()]


@dataclass
class Sender:
    """Sends what schemathesis made, and checks the response."""

    url: str
    known: Known
    found: Findings

    def send(self, case: Any, changes: dict[str, Any]) -> None:
        _change(case, changes)
        response = case.call(base_url=self.url, timeout=TIMEOUT)
        self.found.note(response.status_code, case.as_curl_command)
        try:
            case.validate_response(response, excluded_checks=EXCLUDED)
        except BaseExceptionGroup as failures:
            self.found.faults.append("\n".join(map(str, failures.exceptions)))


def exercise(operation: Any, many: int, first: int, sender: Sender) -> None:
    """Send `many` requests as openapi.yaml describes them, and as many that differ from it."""
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

        @seed(first)
        @quiet(many)  # type: ignore[untyped-decorator]
        @given(operation.as_strategy(mode), changes(sender.known))
        def send(case: Any, changed: dict[str, Any]) -> None:
            sender.send(case, changed)

        try:
            send()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE, (
                operation.label
            )  # an operation without parameters cannot be called wrongly


def quiet(many: int) -> Any:
    """Return settings for exactly this many examples, without shrinking or a database."""
    return settings(
        max_examples=many,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def changes(known: Known) -> st.SearchStrategy[dict[str, Any]]:
    """Return changes to a body that take a request further. Half of them change nothing."""
    clients = [{}, {"client_id": "app"}, {"client_id": "web", "client_secret": SECRET}, {"client_id": "first-party"}]
    tokens = [{name: token} for token in known.tokens for name in ("token", "refresh_token")]
    users = [{}, {"username": "ada"}, {"username": "ada", "password": PASSWORD}]
    some = st.builds(
        lambda *parts: {**parts[0], **parts[1], **parts[2]}, *map(st.sampled_from, (clients, tokens, users))
    )
    return st.just({}) | some


def _change(case: Any, changed: dict[str, Any]) -> None:
    if isinstance(case.body, dict) and changed:
        case.body = {**case.body, **changed}


def undescribed(port: int, known: Known, many: int, first: int, findings: Findings) -> None:
    """Send `many` requests that hypothesis makes, as bytes."""

    @seed(first)
    @quiet(many)  # type: ignore[untyped-decorator]
    @given(http_strategies.requests(known))
    def send(request: bytes) -> None:
        findings.note(ask(port, request), lambda: repr(request[:2000]))

    send()


def ask(port: int, request: bytes) -> int:
    """Return the status of the response; 0 if the connection ends without one."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as connection:
        answer = b""
        with suppress(ConnectionError):  # the server may respond before it has read everything
            connection.sendall(request)
        with suppress(ConnectionError):
            while piece := connection.recv(65536):
                answer += piece
    line = answer.partition(b"\r\n")[0]
    return int(line[9:12]) if line.startswith(b"HTTP/1.1 ") else 0


def fuzz(server: Prepared, many: int, first: int) -> Findings:
    findings, known = Findings(), known_to(server)
    described(server, known, many // 2, first, findings)
    undescribed(server.port, known, max(1, many - findings.statuses.total()), first, findings)
    findings.faults += complaints(server)
    return findings


def complaints(server: Prepared) -> list[str]:
    """Return the exceptions in the server's log."""
    assert server.process is not None and server.process.poll() is None, "the server is gone"
    return [line for line in server.log.read_text().splitlines() if "Traceback" in line or "failed" in line]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("count", nargs="?", type=int, default=10_000, metavar="N", help="requests (default 10,000)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same requests (default 1)")
    asked = parser.parse_args(arguments)
    start, passwords = monotonic(), PasswordHasher()
    with (
        tempfile.TemporaryDirectory(prefix="authserver-bench-") as folder,
        running(Path(folder), passwords.hash(PASSWORD), LOG_LEVEL="warning") as server,
    ):
        findings = fuzz(server, asked.count, asked.seed)
    passwords.close()
    for fault in findings.faults:
        print(fault, file=sys.stderr)
    for status, number in sorted(findings.statuses.items()):
        print(f"{number:>9,}  {status}")
    print(f"{findings.statuses.total():,} requests in {monotonic() - start:.0f} s: {len(findings.faults)} faults")
    return 1 if findings.faults else 0


if __name__ == "__main__":
    sys.exit(main())
