"""The network in the database and the log is the caller's, as trusted proxies say; forged headers change nothing."""

import asyncio
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.testclient import TestClient

from authserver.app import create_app
from authserver.domain.forwarded import trusted_proxies
from authserver.store.database import Database
from authserver.web.network import CallerAddress, network_of
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER, PASSWORD
from tests.harness.sample_database import settings_in
from tests.web.serving import the_login

LOGIN = {"grant_type": "password", "client_id": "app", "username": "ada", "password": PASSWORD}


@pytest.fixture
def network(database: Database, clock: Clock, tmp_path: Path) -> Callable[..., Any]:
    """`network("10.0.0.1", "10.0.0.0/8", ("Forwarded", ...))`: of a login, as it is in its row."""

    def network(peer: Any, trusted: Any, *headers: Any) -> Any:
        app = create_app(settings_in(tmp_path, trusted_proxies=trusted), now=clock)
        with TestClient(app, ISSUER, client=(peer, 50_000)) as http:
            assert http.post("/token", data=LOGIN, headers=list(headers)).status_code == 200
        return the_login(database)["rotated_from"]

    return network


SPOOFED = [("X-Forwarded-For", "203.0.113.9"), ("Forwarded", "for=203.0.113.9"), ("X-Real-IP", "203.0.113.9")]


@pytest.mark.parametrize("peer", ["127.0.0.1", "198.51.100.1", "::1"])
@pytest.mark.parametrize("trusted", [None, "10.0.0.0/8,unix"])
def test_headers_from_anyone_but_a_configured_proxy_are_ignored(network: Any, peer: str, trusted: str | None) -> None:
    expected = {"::1": "::/64"}.get(peer, peer.rpartition(".")[0] + ".0/24")
    assert network(peer, trusted, *SPOOFED) == expected


@pytest.mark.parametrize("peer", ["10.0.0.1", "::ffff:10.0.0.1"])
@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
def test_the_caller_is_the_right_most_untrusted_hop_of_all_header_lines(network: Any, peer: str, header: str) -> None:
    mark = "for=" if header == "Forwarded" else ""
    lines = [(header, f"{mark}1.1.1.1"), (header, f"{mark}203.0.113.9,{mark}10.0.0.7"), (header, f"{mark}10.0.0.8")]
    assert network(peer, "10.0.0.0/8", *lines) == "203.0.113.0/24"


def test_an_ipv6_caller_is_counted_by_its_64_bit_network(network: Any) -> None:
    assert network("::1", "::1", ("X-Forwarded-For", "[2001:db8:1:2:3::9]:443")) == "2001:db8:1:2::/64"


async def _echo(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        return
    body = network_of(scope).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.mark.parametrize(("trusted", "expected"), [("unix", b"203.0.113.0/24"), ("127.0.0.1", b"")])
def test_a_peer_on_a_unix_domain_socket_is_trusted_only_by_the_word_unix(
    tmp_path: Path, trusted: str, expected: bytes
) -> None:
    """As uvicorn shows it."""
    path = str(tmp_path / "s")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    app = CallerAddress(_echo, trusted_proxies(trusted))
    config = uvicorn.Config(app, interface="asgi3", lifespan="off", log_config=None, proxy_headers=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    try:
        with socket.socket(socket.AF_UNIX) as caller:
            caller.settimeout(60)
            caller.connect(path)
            caller.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\nConnection: close\r\n\r\n")
            answer = caller.makefile("rb").read()
    finally:
        server.should_exit = True
        thread.join(60)
        listener.close()
    assert answer.startswith(b"HTTP/1.1 200") and answer.partition(b"\r\n\r\n")[2] == expected
