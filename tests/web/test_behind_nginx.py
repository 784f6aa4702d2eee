"""Offers to upgrade from real software: nginx with the usual lines for websockets, curl --http2, Java's HttpClient."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import nginx
from tests.harness.constants import PASSWORD
from tests.harness.live import Live
from tests.harness.process import free_port
from tests.web.wire import exchange

HTTP = """
map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
upstream authserver { server 127.0.0.1:BEHIND; keepalive 1; }
server {
    listen 127.0.0.1:PORT;
    location / {
        proxy_pass http://authserver;
        proxy_http_version 1.1;
        proxy_set_header Host $host;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_upgrade;
    }
}
"""
METADATA = b"/.well-known/oauth-authorization-server"
JWKS = b"/.well-known/jwks.json"
JAVA = """
import java.net.URI;
import java.net.http.*;

class Asks {
    public static void main(String[] arguments) throws Exception {
        var client = HttpClient.newHttpClient();  // which offers h2c with each request
        for (int number = 0; number < 3; number++) {
            var request = HttpRequest.newBuilder(URI.create(arguments[0]))
                .header("Content-Type", "application/x-www-form-urlencoded")
                .POST(HttpRequest.BodyPublishers.ofString(arguments[1])).build();
            var response = client.send(request, HttpResponse.BodyHandlers.ofString());
            System.out.println(response.statusCode() + " " + response.body());
        }
    }
}
"""


@pytest.fixture(scope="module")
def proxy(real: Live, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an nginx in front of the server, with one connection to it that is kept."""
    port = free_port()
    http = HTTP.replace("BEHIND", str(real.port)).replace("PORT", str(port))
    with nginx.running(tmp_path_factory.mktemp("nginx"), http, port):
        yield port


def get(port: Any, path: Any) -> Any:
    return exchange(port, b"GET " + path + b" HTTP/1.1\r\nHost: as.example\r\nConnection: close\r\n\r\n", 60)


def attack(smuggled: Any) -> Any:
    head = b"POST /token HTTP/1.1\r\nHost: as.example\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    offer = b"Connection: Upgrade, close\r\nUpgrade: websocket\r\n"
    return head + offer + b"Content-Length: %d\r\n\r\n" % len(smuggled) + smuggled


@nginx.needs_nginx
def test_behind_nginx_everyone_gets_the_response_to_their_own_request(proxy: int) -> None:
    padding = b"X: " + b"a" * 20_000  # so much that nginx writes it after the head
    smuggled = b"GET " + METADATA + b" HTTP/1.1\r\nHost: as.example\r\n" + padding + b"\r\n\r\n"
    for _ in range(12):
        attacker = exchange(proxy, attack(smuggled), 60)
        assert attacker.json().keys() == {"error", "error_description"}
        victim = get(proxy, JWKS)
        assert (victim.status_code, list(victim.json())) == (200, ["keys"])


def login(real: Any) -> Any:
    members = {"client_id": real.app["client_id"], "grant_type": "password", "username": "ada", "password": PASSWORD}
    return "&".join(f"{name}={value.replace(' ', '+')}" for name, value in members.items())


def assert_granted(lines: Any, many: Any) -> None:
    answers = [line.split(" ", 1) for line in lines]
    assert [status for status, _ in answers] == ["200"] * many
    assert all(json.loads(body)["token_type"] == "Bearer" for _, body in answers)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_gets_tokens_although_it_offers_http2(real: Live) -> None:
    url, line = f"{real.url}/token", "%{http_code} %{num_connects}\\n"
    command = ["curl", "-sS", "--http2", "-d", login(real), "-w", line, url, "-o", "/dev/null"]
    command += ["--next", "-sS", "--http2", "-d", login(real), "-w", line, url, "-o", "/dev/null"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split("\n")[:2] == ["200 1", "200 0"]  # the second on the same connection


@pytest.mark.skipif(shutil.which("java") is None, reason="java is not installed")
def test_javas_http_client_gets_tokens_although_it_offers_h2c(real: Live, tmp_path: Path) -> None:
    (tmp_path / "Asks.java").write_text(JAVA)
    command = ["java", "-XX:TieredStopAtLevel=1", "Asks.java", f"{real.url}/token", login(real)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert_granted(done.stdout.splitlines(), 3)
