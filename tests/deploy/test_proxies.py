"""scripts/deploy/nginx.conf and Caddyfile in front of a real server: TLS, the path prefix /auth, and the rate limit."""

import base64
import json
import re
import shutil
import socket
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.contract.document import operations, resolve
from tests.deploy.conftest import HOST, ISSUER
from tests.harness import nginx
from tests.harness.browser import CALLBACK, VERIFIER, Browser, query
from tests.harness.certificate import make_certificate
from tests.harness.chromium import launched, needs_chromium
from tests.harness.constants import LONG, PASSWORD
from tests.harness.live import Live
from tests.harness.process import free_port


def take_a_password() -> list[str]:
    """The paths of all forms that check the password of an account."""
    paths = []
    for name, operation in operations().items():
        for media in operation.get("requestBody", {}).get("content", {}).values():
            fields = resolve(media["schema"]).get("properties", {}).keys()
            if "current_password" in fields or ({"username", "password"} <= fields and name != "post /sign-up"):
                paths.append(name.removeprefix("post ").replace("{interaction}", "0" * 32))
    return paths


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nginx")


@pytest.fixture(scope="module")
def proxy(server: Live, folder: Path, deploy: Path) -> Iterator[int]:
    """The HTTPS port of an nginx with our file."""
    port = free_port()
    make_certificate(folder, HOST)
    with nginx_of(folder, deploy, server.port, port):
        yield port


@contextmanager
def nginx_of(folder: Path, deploy: Path, server_port: int, port: int, **more: str) -> Iterator[None]:
    """Run an nginx with our file, whose addresses are changed as its first lines say, and what else is in `more`."""
    changed = {
        "127.0.0.1:8000": f"127.0.0.1:{server_port}",
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/ssl/login.example.com.crt": str(folder / "crt"),
        "/etc/ssl/login.example.com.key": str(folder / "key"),
    }
    text = (deploy / "nginx.conf").read_text()
    for old, new in {**changed, **more}.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    (folder / "authserver.conf").write_text(text)
    with nginx.running(folder, "include authserver.conf;", port):
        yield


@contextmanager
def connected(proxy: int, folder: Path) -> Iterator[ssl.SSLSocket]:
    """Over TLS, whose certificate is verified, to the host's name at the proxy's port."""
    context = ssl.create_default_context(cafile=str(folder / "crt"))
    with (
        socket.create_connection(("127.0.0.1", proxy), LONG) as raw,
        context.wrap_socket(raw, server_hostname=HOST) as connection,
    ):
        yield connection


def pipelined(proxy: int, folder: Path, *paths: str) -> list[int]:
    """The status of each GET, all of which are sent at once."""
    closing = ["keep-alive"] * (len(paths) - 1) + ["close"]
    requests = [
        f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: {header}\r\n\r\n"
        for path, header in zip(paths, closing, strict=True)
    ]
    with connected(proxy, folder) as connection:
        connection.sendall("".join(requests).encode())
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    return [int(status) for status in re.findall(rb"HTTP/1.1 (\d{3}) ", answer)]


def ask(proxy: int, folder: Path, path: str, form: dict[str, str] | None = None, **headers: str) -> tuple[int, bytes]:
    body = urllib.parse.urlencode(form) if form else ""
    lines = [f"{'POST' if form else 'GET'} {path} HTTP/1.1", f"Host: {HOST}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"] if form else []
    with connected(proxy, folder) as connection:
        connection.sendall("\r\n".join([*lines, "", body]).encode())
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    head, _, rest = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), rest if b"chunked" not in head else rest.partition(b"\r\n")[2].rpartition(b"0\r\n")[0]


def test_rfc8414_3_1_the_metadata_is_found_before_the_prefix(proxy: int, folder: Path) -> None:
    status, body = ask(proxy, folder, "/.well-known/oauth-authorization-server/auth")
    metadata = json.loads(body)
    assert (status, metadata["issuer"]) == (200, ISSUER)
    assert metadata["token_endpoint"] == f"{ISSUER}/token"
    assert ask(proxy, folder, metadata["jwks_uri"].removeprefix(f"https://{HOST}"))[0] == 200


def test_an_address_that_a_caller_claims_is_replaced_by_the_proxy(proxy: int, folder: Path, server: Live) -> None:
    form = {"grant_type": "password", "username": "ada", "password": PASSWORD, "client_id": server.app["client_id"]}
    status, body = ask(proxy, folder, "/auth/token", form, X_Forwarded_For="203.0.113.7")
    assert status == 200
    refresh = {"grant_type": "refresh_token", "refresh_token": json.loads(body)["refresh_token"]}
    assert ask(proxy, folder, "/auth/token", refresh | {"client_id": server.app["client_id"]})[0] == 200
    (authorization,) = server.command("authorization", "list", "--user", "ada")
    assert authorization["network"] == "127.0.0.0/24"  # the proxy's caller; what it claims is not passed on


def new_client(server: Live, callback: str) -> str:
    kind = ["--kind", "spa", "--scope", "openid", "--redirect-uri", callback]
    client_id: str = server.command("client", "create", "Notes", *kind)["client_id"]
    return client_id


with_and_without_scripts = pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])


def sign_in_with_chromium(issuer: str, client_id: str, *, scripts: bool, rules: str) -> None:
    """Sign in and allow, and check that the cookies are such as only this host over TLS can have set."""
    callback = "https://app.example/callback"
    with launched(f"--host-resolver-rules={rules}") as browser:
        page = browser.new_context(ignore_https_errors=True, java_script_enabled=scripts).new_page()
        page.set_default_timeout(LONG * 1000)
        page.context.route("https://app.example/**", lambda route: route.fulfill(body="signed in"))
        messages: list[str] = []
        page.on("console", lambda message: messages.append(message.text))
        page.goto(f"{issuer}/authorize?{query(client_id=client_id, redirect_uri=callback, scope='openid')}")
        page.fill("#username", "ada")
        page.fill("#password", PASSWORD)
        page.click("#sign-in")
        page.click("#allow")
        page.wait_for_url(f"{callback}?code=*&iss={urllib.parse.quote(issuer, safe='')}")
        cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
    assert messages == []
    assert cookies.keys() == {"__Host-browser", "__Host-session"}
    for cookie in cookies.values():
        assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, True, "Lax", "/")


@needs_chromium
@with_and_without_scripts
def test_people_sign_in_below_the_prefix(proxy: int, server: Live, scripts: bool) -> None:
    """As docs/how-to/reverse-proxy.md says."""
    client_id = new_client(server, "https://app.example/callback")
    sign_in_with_chromium(ISSUER, client_id, scripts=scripts, rules=f"MAP {HOST}:443 127.0.0.1:{proxy}")


@pytest.fixture(scope="module")
def at_a_port(tmp_path_factory: pytest.TempPathFactory, deploy: Path) -> Iterator[Live]:
    """A server whose issuer is `https://localhost:PORT`, behind an nginx there."""
    folder, port = tmp_path_factory.mktemp("port"), free_port()
    no_prefix = {f"server_name {HOST}": "server_name localhost", "^/auth/(": "^/(", "location /auth/ {": "location / {"}
    make_certificate(folder, "localhost")
    server = Live(folder, ISSUER=f"https://localhost:{port}", TRUSTED_PROXIES="127.0.0.1")
    server.set_up()
    server.start()
    try:
        with nginx_of(folder, deploy, server.port, port, **no_prefix):
            yield server
    finally:
        server.kill()


@needs_chromium
@with_and_without_scripts
def test_people_sign_in_at_an_issuer_with_a_port_and_no_prefix(at_a_port: Live, scripts: bool) -> None:
    client_id = new_client(at_a_port, "https://app.example/callback")
    sign_in_with_chromium(at_a_port.settings["ISSUER"], client_id, scripts=scripts, rules="MAP app.example 127.0.0.1")


def test_tokens_and_metadata_name_an_issuer_with_a_port(at_a_port: Live) -> None:
    issuer, client_id = at_a_port.settings["ISSUER"], new_client(at_a_port, CALLBACK)
    trusted = ssl.create_default_context(cafile=str(at_a_port.folder / "crt"))
    with httpx2.Client(base_url=issuer, verify=trusted, trust_env=False, timeout=LONG) as http:
        code = Browser(http, issuer).code(client_id=client_id, scope="openid")
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
        tokens = http.post("/token", data=form | {"client_id": client_id, "code_verifier": VERIFIER}).json()
        configuration = http.get("/.well-known/openid-configuration").json()
        cookies = set(http.cookies)
    assert cookies == {"__Host-browser", "__Host-session"}
    assert configuration["issuer"] == unverified(tokens["id_token"])["iss"] == issuer
    assert configuration["authorization_endpoint"] == f"{issuer}/authorize"


def unverified(token: str) -> dict[str, Any]:
    """The claims of a token that came over TLS from its issuer."""
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(f"{payload}=="))
    return claims


def test_what_is_outside_the_prefix_does_not_reach_the_server(proxy: int, folder: Path) -> None:
    assert ask(proxy, folder, "/token")[0] == 404
    assert ask(proxy, folder, "/auth/health/ready")[0] == 200


def test_a_body_over_64_kib_is_refused_by_the_proxy(proxy: int, folder: Path) -> None:
    assert ask(proxy, folder, "/auth/token", {"grant_type": "a" * 70_000})[0] == 413


def test_after_a_burst_from_one_address_the_paths_that_take_a_password_give_429(proxy: int, folder: Path) -> None:
    paths = [f"/auth{path}" for path in take_a_password()]
    assert len(paths) > 5
    statuses = pipelined(proxy, folder, *["/auth/token"] * 60, *paths, "/auth/health/ready")
    first, *_, health = statuses
    assert (first, dict(zip(paths, statuses[60:-1], strict=True)), health) == (405, dict.fromkeys(paths, 429), 200)
    assert statuses.count(405) > 15, "the burst is let through"


@pytest.mark.skipif(shutil.which("caddy") is None, reason="caddy is not installed")
def test_caddy_finds_nothing_wrong_with_the_caddyfile(deploy: Path) -> None:
    command = ["caddy", "validate", "--adapter", "caddyfile", "--config", str(deploy / "Caddyfile")]
    subprocess.run(command, check=True, timeout=LONG)
