"""The app of the guide on devices, when the server tells it to wait."""

import json
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from tests.readme.blocks import ROOT, blocks

Response = tuple[int, dict[str, str], dict[str, Any]]
"""Status, headers and members."""
BEGUN = {
    "device_code": "dc_0",
    "user_code": "BCDF-GHJK",
    "verification_uri": "https://as.example/device",
    "interval": 5,
}
PENDING: Response = 400, {}, {"error": "authorization_pending"}
SLOW_DOWN: Response = 400, {}, {"error": "slow_down"}
BUSY: Response = 503, {"Retry-After": "30"}, {"error": "temporarily_unavailable"}
DENIED: Response = 400, {}, {"error": "access_denied"}
TOKENS: Response = 200, {}, {"access_token": "at_0"}


class Server:
    """Responds to polls in this order, and to everything else."""

    def __init__(self) -> None:
        self.polls: list[Response] = []
        self.http = HTTPServer(("127.0.0.1", 0), self.handler())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}"

    def response(self, path: str) -> Response:
        if path == "/token":
            return self.polls.pop(0)
        names = ("device_authorization", "token", "userinfo")
        endpoints = {f"{name}_endpoint": f"{self.url}/{name}" for name in names}
        return 200, {}, endpoints | BEGUN | {"preferred_username": "ada"}

    def handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, headers, members = server.response(self.path)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(json.dumps(members).encode())

            do_POST = do_GET

            def log_message(self, *_arguments: object) -> None: ...

        return Handler


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()

    thread = Thread(target=server.http.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.http.shutdown()
    thread.join()
    server.http.server_close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the app waited, which take no time."""
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    return waits


def run(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    [app] = [block for block in blocks((ROOT / "docs/how-to/sign-in-device.md").read_text()) if block.file]
    monkeypatch.setattr(sys, "argv", ["notes_tv.py", "c_0"])
    exec(compile(app.text.replace("http://127.0.0.1:8000", server.url), "notes_tv.py", "exec"), {})


def test_rfc8628_3_5_it_waits_as_long_as_it_is_told(
    server: Server, waits: list[float], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.polls = [PENDING, BUSY, SLOW_DOWN, PENDING, SLOW_DOWN, BUSY, TOKENS]
    run(server, monkeypatch)
    assert waits == [5, 5, 30, 10, 10, 15, 30]
    assert capsys.readouterr().out.endswith("Signed in as ada.\n")


def test_rfc8628_3_5_it_stops_at_any_other_error(
    server: Server, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.polls = [PENDING, DENIED, TOKENS]
    with pytest.raises(SystemExit, match="access_denied"):
        run(server, monkeypatch)
    assert waits == [5, 5] and server.polls == [TOKENS]
