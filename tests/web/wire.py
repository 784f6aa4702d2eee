"""HTTP as bytes over a socket, for what no HTTP client of good will sends."""

import json
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.harness.constants import LONG

HOST = b"Host: 127.0.0.1\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
CLOSE = b"Connection: close\r\n"


@dataclass(frozen=True)
class Answer:
    raw: bytes
    status_code: int
    headers: dict[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


def get(target: bytes, more: bytes = b"", method: bytes = b"GET") -> bytes:
    return method + b" " + target + b" HTTP/1.1\r\n" + HOST + more + CLOSE + b"\r\n"


def post(target: bytes, form: dict[str, str] | bytes, more: bytes = b"") -> bytes:
    body = form if isinstance(form, bytes) else urlencode(form).encode()
    length = b"Content-Length: %d\r\n" % len(body)
    return b"POST " + target + b" HTTP/1.1\r\n" + HOST + FORM + more + length + CLOSE + b"\r\n" + body


def exchange(port: int, request: bytes, seconds: float = LONG) -> Answer:
    """All that the server answers before it closes the connection, which it must do in that time."""
    with socket.create_connection(("127.0.0.1", port), seconds) as connection:
        connection.sendall(request)
        return parse(b"".join(iter(lambda: connection.recv(65536), b"")))


def send_and_go(port: int, request: bytes) -> None:
    """Send, and hang up without waiting for an answer."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(request)


def parse(raw: bytes) -> Answer:
    head, _, body = raw.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return Answer(raw, int(status.split()[1]), {name.lower(): value for name, value in headers.items()}, body.decode())
