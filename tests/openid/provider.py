"""One server for the tests of a module, with clients of each kind, and as many browsers as a test wants."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx2
from joserfc import jwt
from joserfc.jwk import KeySet

from authserver.domain.models import Client, Secret, User
from authserver.domain.standard_claims import CLAIMS_OF
from authserver.store import clients, user_claims, users
from tests.domain.test_standard_claims import ADA
from tests.harness.browser import CALLBACK, VERIFIER, Browser, answer_of
from tests.harness.clock import Clock
from tests.harness.constants import AUDIENCE, SECRET
from tests.web.serving import LocalServer, serving, wait_until_ready

OTHER_AUDIENCE = "https://other.example"
BYE = "https://client.example/bye?registered=a%20b"
LOOPBACK = "http://127.0.0.1/cb"
NO_PKCE: Mapping[str, Any] = {"code_challenge": None, "code_challenge_method": None}
PUBLIC = Client(
    id="sso",
    name="An <b>app",
    auth_method="none",
    grant_types=frozenset({"authorization_code", "refresh_token"}),
    scope=("openid", *CLAIMS_OF, "offline_access", "read"),
    audiences=(AUDIENCE, OTHER_AUDIENCE),
    redirect_uris=(CALLBACK,),
    post_logout_redirect_uris=(BYE, "com.example.app:/bye"),
)
CONFIDENTIAL = replace(
    PUBLIC,
    id="rp",
    auth_method="client_secret_post",
    secrets=(Secret(sha256(SECRET.encode()).digest()),),
    pkce="optional",
)
NATIVE = replace(
    PUBLIC,
    id="native",
    application_type="native",
    redirect_uris=(
        LOOPBACK,
        "http://[::1]:7000/cb?a=b",
        "http://localhost:7000/cb",
        "com.example.app:/cb",
        "https://app.example/cb",
    ),
)
OTHER = replace(PUBLIC, id="another", name="Another", redirect_uris=(CALLBACK, "http://127.0.0.1:5000/cb"))
CLIENTS = (PUBLIC, CONFIDENTIAL, NATIVE, OTHER)


class _OwnCookies:
    """The server's test client, with the cookies of one browser."""

    def __init__(self, http: Any) -> None:
        self._http, self.cookies = http, httpx2.Cookies()

    def request(self, method: str, url: str, **more: Any) -> Any:
        self._http.cookies = self.cookies
        try:
            return self._http.request(method, url, **more)
        finally:
            self.cookies = self._http.cookies
            self._http.cookies = httpx2.Cookies()

    def get(self, url: str, **more: Any) -> Any:
        return self.request("GET", url, **more)

    def post(self, url: str, **more: Any) -> Any:
        return self.request("POST", url, **more)


class Provider:
    def __init__(self, server: LocalServer, http: Any = None) -> None:
        """`http` goes to another node of the server."""
        self.server, self.http = server, http or server.http
        self.database, self.clock = server.database, server.clock

    def browser(self) -> Browser:
        return Browser(_OwnCookies(self.http))

    def signed_in(self, username: str = "ada", **request: Any) -> Browser:
        """A new browser whose user has signed in, and agreed to this request."""
        browser = self.browser()
        page = browser.sign_in(browser.authorize(**request), username=username)
        if 'id="allow"' in page.text:
            page = browser.allow(page)
        assert "code" in answer_of(page, request.get("redirect_uri") or CALLBACK)
        return browser

    def redeem(self, code: str, /, **changes: Any) -> Any:
        """Send the code to /token as the client `sso`; None leaves a parameter out."""
        form = {"grant_type": "authorization_code", "client_id": "sso", "code": code, "redirect_uri": CALLBACK}
        return self._post("/token", form | {"code_verifier": VERIFIER} | changes)

    def refresh(self, token: str, /, **changes: Any) -> Any:
        return self._post(
            "/token", {"grant_type": "refresh_token", "client_id": "sso", "refresh_token": token} | changes
        )

    def tokens(self, **request: Any) -> dict[str, Any]:
        """What a client gets by the whole flow, in a new browser."""
        browser = self.signed_in(**request)
        secret = {"client_secret": SECRET} if request.get("client_id") == "rp" else {}
        uri = {"redirect_uri": request["redirect_uri"]} if "redirect_uri" in request else {}
        uri |= {"code_verifier": None} if request.get("code_challenge", "") is None else {}
        code = browser.code(**request)
        return granted(self.redeem(code, client_id=request.get("client_id", "sso"), **secret, **uri))

    def claims(self, token: str, algorithms: list[str] | None = None) -> dict[str, Any]:
        """The claims of a token that a published key signed."""
        keys = KeySet.import_key_set(self.http.get("/.well-known/jwks.json").json())
        return dict(jwt.decode(token, keys, algorithms=algorithms or ["RS256"]).claims)

    def userinfo(self, token: str) -> Any:
        return self.http.get("/userinfo", headers={"Authorization": f"Bearer {token}"})

    def later(self, seconds: float) -> None:
        self.clock.forward(seconds)
        wait_until_ready(self.http)

    def _post(self, path: str, form: Mapping[str, Any]) -> Any:
        return self.http.post(path, data={name: value for name, value in form.items() if value is not None})


def granted(response: Any) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def refused(response: Any, error: str, status: int = 400) -> bool:
    return bool(response.status_code == status and response.json()["error"] == error)


def is_page(response: Any, status: int = 400) -> bool:
    """Whether it is a page for the person, and nothing goes on to a client."""
    html = response.headers["content-type"] == "text/html; charset=utf-8" and 'id="error"' in response.text
    stays = "location" not in response.headers and "http-equiv" not in response.text
    return bool(response.status_code == status and html and stays)


@contextmanager
def provider(template: Path, folder: Path, password_hash: str, **settings: Any) -> Iterator[Provider]:
    """ada has every standard claim, bob none."""
    with serving(template, folder, Clock(), interaction_limit=0, **settings) as server:
        with server.database.begin() as connection:
            user_claims.replace(connection, "u_ada", ADA)
            users.add(connection, User("u_bob", "bob", password_hash, created_at=server.clock()))
            for client in CLIENTS:
                clients.add(connection, client)
        yield Provider(server)
