"""Stock clients sign a user in, with nothing said but what their documentation says: the issuer and the client."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from authlib.integrations.starlette_client import OAuth
from joserfc import jwt
from joserfc.jwk import KeySet
from jwt import PyJWKSet, decode, get_unverified_header
from requests_oauthlib import OAuth2Session
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from authserver.domain.client_kinds import KINDS
from authserver.testing import Issuer, running_issuer
from tests.harness import npm
from tests.harness.constants import LONG, PASSWORD
from tests.harness.npm import needs_npm
from tests.harness.plain_browser import PlainBrowser
from tests.harness.process import free_port, owned_group, wait_until_listening
from tests.harness.receiver import receiving

HERE = Path(__file__).parent
SECRET = "as_generated-43-characters-of-base64url-here"
BACK = "http://localhost:3000/callback"
SCOPE = "openid profile email"
VERSIONS = ("openid-client@6.9.0", "oauth4webapi@3.8.8")
ADA = {"name": "Ada Lovelace", "email": "ada@example.com", "email_verified": True}


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with running_issuer() as issuer:
        issuer.user("ada", PASSWORD, claims=ADA)
        yield issuer


@pytest.fixture(scope="module")
def web(issuer: Issuer) -> str:
    return issuer.client(SCOPE, redirect_uris=[BACK], secret=SECRET, pkce="optional")


@pytest.fixture(scope="module")
def spa(issuer: Issuer) -> str:
    return issuer.client(SCOPE, redirect_uris=[BACK])


def discovered(issuer: Issuer) -> dict[str, Any]:
    found: dict[str, Any] = requests.get(f"{issuer.url}/.well-known/openid-configuration", timeout=LONG).json()
    return found


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
def test_authlib_with_requests_signs_in_refreshes_and_revokes(issuer: Issuer, web: str, spa: str, method: str) -> None:
    metadata, client_id = discovered(issuer), spa if method == "none" else web
    verifier = "v" * 64
    with AuthlibSession(
        client_id,
        None if method == "none" else SECRET,
        scope=SCOPE,
        redirect_uri=BACK,
        token_endpoint_auth_method=method,
        code_challenge_method="S256",
    ) as session:
        url, state = session.create_authorization_url(
            metadata["authorization_endpoint"], code_verifier=verifier, nonce="n-0S6"
        )
        callback = issuer.authorize(url, "ada")
        token = session.fetch_token(
            metadata["token_endpoint"], authorization_response=callback, code_verifier=verifier, state=state
        )
        keys = KeySet.import_key_set(session.get(metadata["jwks_uri"]).json())
        claims = jwt.decode(token["id_token"], keys).claims
        assert (claims["aud"], claims["nonce"]) == (client_id, "n-0S6")
        assert session.get(metadata["userinfo_endpoint"]).json() == ADA | {
            "sub": claims["sub"],
            "preferred_username": "ada",
        }
        refreshed = session.refresh_token(metadata["token_endpoint"])
        assert jwt.decode(refreshed["id_token"], keys).claims["sub"] == claims["sub"]
        assert session.revoke_token(metadata["revocation_endpoint"], refreshed["refresh_token"]).status_code == 200


def app_with_authlib(issuer: Issuer, client_id: str, secret: str | None) -> Starlette:
    """A web app as Authlib's documentation writes it."""
    oauth = OAuth()
    oauth.register(
        name="issuer",
        client_id=client_id,
        client_secret=secret,
        server_metadata_url=f"{issuer.url}/.well-known/openid-configuration",
        client_kwargs={"scope": SCOPE, "code_challenge_method": "S256"},
    )

    async def login(request: Request) -> Response:
        response: Response = await oauth.issuer.authorize_redirect(request, BACK)
        return response

    async def callback(request: Request) -> Response:
        token = await oauth.issuer.authorize_access_token(request)
        request.session["id_token"] = token["id_token"]
        return JSONResponse({"id_token": token["userinfo"], "userinfo": await oauth.issuer.userinfo(token=token)})

    async def logout(request: Request) -> Response:
        bye, id_token = "http://localhost:3000/bye", request.session.pop("id_token")
        response: Response = await oauth.issuer.logout_redirect(request, bye, id_token_hint=id_token)
        return response

    async def bye(request: Request) -> Response:
        return JSONResponse(await oauth.issuer.validate_logout_response(request))

    routes = [Route("/login", login), Route("/callback", callback), Route("/logout", logout), Route("/bye", bye)]
    return Starlette(routes=routes, middleware=[Middleware(SessionMiddleware, secret_key="secret")])


@pytest.mark.parametrize("secret", [SECRET, None], ids=["confidential", "public"])
def test_authlib_in_a_starlette_app_signs_in(issuer: Issuer, web: str, spa: str, secret: str | None) -> None:
    client_id = web if secret else spa
    with TestClient(app_with_authlib(issuer, client_id, secret), "http://localhost:3000") as app:
        url = app.get("/login", follow_redirects=False).headers["location"]
        shown = app.get(issuer.authorize(url, "ada")).json()
    assert shown["id_token"]["iss"] == issuer.url and shown["id_token"]["aud"] == client_id
    assert shown["userinfo"]["sub"] == shown["id_token"]["sub"] and shown["userinfo"]["email"] == "ada@example.com"


@pytest.mark.parametrize("pkce", ["S256", None])
def test_requests_oauthlib_signs_in(
    issuer: Issuer, web: str, monkeypatch: pytest.MonkeyPatch, pkce: str | None
) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    metadata = discovered(issuer)
    with OAuth2Session(web, redirect_uri=BACK, scope=SCOPE.split(), pkce=pkce) as session:
        url, _ = session.authorization_url(metadata["authorization_endpoint"])
        callback = issuer.authorize(url, "ada")
        token = session.fetch_token(
            metadata["token_endpoint"], authorization_response=callback, client_secret=SECRET, include_client_id=True
        )
        assert token["id_token"] and set(token.scopes) == set(SCOPE.split())
        assert session.get(metadata["userinfo_endpoint"]).json()["name"] == "Ada Lovelace"


def run_client(command: list[str], folder: Path, issuer: Issuer, told: dict[str, str]) -> Iterator[str]:
    """Run a client that writes authorization URLs, and reads where the browser was sent back to. Yields what else it
    writes, as lines."""
    environment = os.environ | {"STOCK": json.dumps(told)}
    with subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin and process.stdout
        for line in process.stdout:
            if line.startswith(issuer.url):
                process.stdin.write(issuer.authorize(line.strip(), "ada") + "\n")
                process.stdin.flush()
            else:
                yield line
    assert process.returncode == 0


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the clients for Node are installed, with our scripts."""
    folder = tmp_path_factory.mktemp("node")
    npm.install(folder, *VERSIONS)
    for script in ("sign_in.mjs", "logout_token.mjs", "device.mjs"):
        shutil.copy(HERE / script, folder)
    return folder


@pytest.fixture(scope="module")
def node(issuer: Issuer, web: str, spa: str, packages: Path) -> dict[str, Any]:
    """What each client under Node got."""
    folder = packages
    told = {"url": issuer.url, "redirect_uri": BACK, "scope": SCOPE, "web": web, "spa": spa, "secret": SECRET}
    (line,) = run_client(["node", "sign_in.mjs"], folder, issuer, told)
    results: dict[str, Any] = json.loads(line)
    return results


@needs_npm
@pytest.mark.parametrize(
    "name",
    ["openid-client, public", "openid-client, with a secret"] + ["oauth4webapi, public", "oauth4webapi, with a secret"],
)
def test_libraries_for_node_sign_in_and_refresh(node: dict[str, Any], name: str) -> None:
    assert node[name] == {"email": "ada@example.com", "refreshed": True, "same": True}


@needs_npm
def test_openid_client_signs_in_on_a_device(issuer: Issuer, packages: Path) -> None:
    """With `initiateDeviceAuthorization` and `pollDeviceAuthorizationGrant`."""
    scope = f"{SCOPE} offline_access"
    told = {"url": issuer.url, "scope": scope, "client": issuer.client(scope, grants=KINDS["device"].grant_types)}
    environment = os.environ | {"STOCK": json.dumps(told)}
    with subprocess.Popen(["node", "device.mjs"], cwd=packages, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout
        with PlainBrowser() as browser:
            browser.open(process.stdout.readline().decode().strip())
            browser.press("continue")
            browser.press("sign-in", username="ada", password=PASSWORD)
            browser.press("allow")
        result = json.loads(process.stdout.read())
    assert result == {"email": "ada@example.com", "same": True}


@pytest.fixture(scope="module")
def logout(issuer: Issuer) -> dict[str, Any]:
    """A logout token that a client received, the claims of its ID token, and the client's id."""
    with receiving() as receiver:
        url = f"http://127.0.0.1:{receiver.port}/backchannel-logout"
        client_id = issuer.client(SCOPE, redirect_uris=[BACK], backchannel_logout_uri=url)
        id_token = issuer.sign_in(client_id, "ada")["id_token"]
        issuer.sign_out("ada")
        [received] = receiver.received
        assert received.path == "/backchannel-logout"
        [(name, token)] = parse_qsl(received.body.decode(), strict_parsing=True)
    assert name == "logout_token"
    jwks: Any = issuer.jwks()
    keys = KeySet.import_key_set(jwks)
    return {"token": token, "audience": client_id, "expected": jwt.decode(id_token, keys).claims}


def is_expected(claims: dict[str, Any], logout: dict[str, Any]) -> bool:
    is_same = all(claims[name] == logout["expected"][name] for name in ("iss", "sub", "aud", "sid"))
    return is_same and claims["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}


def test_pyjwt_verifies_a_logout_token(issuer: Issuer, logout: dict[str, Any]) -> None:
    keys = {key.key_id: key.key for key in PyJWKSet.from_dict(issuer.jwks()).keys}
    kid = get_unverified_header(logout["token"])["kid"]
    options: Any = {"require": ["iat", "exp", "jti", "sid", "events"]}
    claims = decode(logout["token"], keys[kid], ["RS256"], options, audience=logout["audience"], issuer=issuer.url)
    assert is_expected(claims, logout)


@needs_npm
def test_jose_verifies_a_logout_token(issuer: Issuer, logout: dict[str, Any], packages: Path) -> None:
    told = {"token": logout["token"], "jwks": issuer.jwks(), "issuer": issuer.url, "audience": logout["audience"]}
    environment = os.environ | {"STOCK": json.dumps(told)}
    done = subprocess.run(["node", "logout_token.mjs"], cwd=packages, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert is_expected(json.loads(done.stdout), logout)


def test_authlib_signs_out_and_knows_the_browser_that_comes_back(issuer: Issuer) -> None:
    bye = "http://localhost:3000/bye"
    client_id = issuer.client(SCOPE, redirect_uris=[BACK], post_logout_redirect_uris=[bye])
    with TestClient(app_with_authlib(issuer, client_id, None), "http://localhost:3000") as app:
        app.get(issuer.authorize(app.get("/login", follow_redirects=False).headers["location"], "ada"))
        leaving = app.get("/logout", follow_redirects=False).headers["location"]
        assert leaving.startswith(discovered(issuer)["end_session_endpoint"])
        back = requests.get(leaving, timeout=LONG, allow_redirects=False).headers["location"]
        assert app.get(back).json() == {"post_logout_redirect_uri": bye}


GO_MODULE = """\
module stock

go 1.24

require (
	github.com/coreos/go-oidc/v3 v3.21.0
	golang.org/x/oauth2 v0.38.0
)

require github.com/go-jose/go-jose/v4 v4.1.4 // indirect
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed")
def test_go_oidc(issuer: Issuer, web: str, tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text(GO_MODULE)
    shutil.copy(HERE / "sign_in.go", tmp_path / "main.go")
    for command in (["go", "mod", "tidy"], ["go", "build", "-o", "stock", "."]):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        if done.returncode and "dial tcp" in done.stderr:
            pytest.skip(f"the modules cannot be downloaded: {done.stderr.splitlines()[-1]}")
        assert done.returncode == 0, done.stderr
    told = {"url": issuer.url, "redirectURI": BACK, "web": web, "secret": SECRET}
    (line,) = run_client(["./stock"], tmp_path, issuer, told)
    assert json.loads(line) == {"nonce": "nonce", "same": True, "email": "ada@example.com"}


HEAVY = pytest.mark.skipif("HEAVY" not in os.environ, reason="builds with Maven; to do so: HEAVY=1")
REGISTRATION = "spring.security.oauth2.client.registration.authserver"


@HEAVY
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("mvn") is None, reason="Maven is not installed")
@pytest.mark.parametrize("secret", [SECRET, None], ids=["confidential", "public"])
def test_spring_security_signs_in(issuer: Issuer, tmp_path: Path, secret: str | None) -> None:
    """With `issuer-uri` and the client alone."""
    shutil.copytree(HERE / "spring", tmp_path, dirs_exist_ok=True)
    subprocess.run(["mvn", "-q", "-B", "-DskipTests", "package"], cwd=tmp_path, check=True, timeout=600)
    port = free_port()
    app = f"http://127.0.0.1:{port}"
    client_id = issuer.client(SCOPE, redirect_uris=[f"{app}/login/oauth2/code/authserver"], secret=secret)
    authentication = f"client-secret={secret}" if secret else "client-authentication-method=none"
    options = [f"--server.port={port}", f"--{REGISTRATION}.client-id={client_id}", f"--{REGISTRATION}.{authentication}"]
    with (tmp_path / "output.log").open("ab") as log:
        command = ["java", "-jar", "target/web-1.jar", *options]
        environment = os.environ | {"ISSUER": issuer.url}
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    with owned_group(process), requests.Session() as browser:
        wait_until_listening(port, process, tmp_path / "output.log")
        there = browser.get(f"{app}/oauth2/authorization/authserver", allow_redirects=False, timeout=LONG)
        shown = browser.get(issuer.authorize(there.headers["Location"], "ada"), timeout=LONG)
        assert shown.url.startswith(f"{app}/"), shown.text
        assert (
            browser.get(f"{app}/", timeout=LONG).json().items() >= {"name": ADA["name"], "email": ADA["email"]}.items()
        )
