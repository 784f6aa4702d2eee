"""For every operation and status of openapi.yaml, a request that has it, or the reason why no test sends one."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2

from authserver.domain.attempts import FREE
from authserver.domain.client_kinds import of_kind
from authserver.domain.models import Client
from authserver.store import clients
from tests.harness.constants import PASSWORD, SECRET
from tests.web.serving import LocalServer, change_client, execute, wait_until_ready

WEB = {"client_id": "web", "client_secret": SECRET}
ADA = {"username": "ada", "password": PASSWORD}
FORMS = {
    "/token": WEB | {"grant_type": "password"} | ADA,
    "/revoke": WEB | {"token": "x"},
    "/introspect": WEB | {"token": "x"},
    "/device_authorization": {"client_id": "tv"},
}
DEVICE = "/device_authorization"
JSONS = {"/api/login": ADA, "/api/refresh-token": {"refresh_token": "rt_"}, "/api/logout": {"refresh_token": "rt_"}}
DOCUMENTS = (
    *("/.well-known/jwks.json", "/.well-known/oauth-authorization-server"),
    "/.well-known/openid-configuration",
)
REASONS = {
    (
        "get /api/protected",
        "503",
    ): "the key set is this process's own and always at hand; the guard's other users have it",
}

Produce = Callable[[LocalServer], Any]


def producers() -> dict[tuple[str, str], Produce]:
    found: dict[tuple[str, str], Produce] = {}
    for path in (*FORMS, *JSONS):
        found |= {(f"post {path}", status): produce for status, produce in _of_a_post(path).items()}
    for path in DOCUMENTS:
        found |= {(name, status): produce for (name, status), produce in _of_a_document(path).items()}
    for path in ("/token", "/revoke", "/userinfo"):
        found |= {(f"options {path}", status): produce for status, produce in _of_a_preflight(path).items()}
    found |= {(f"post {DEVICE}", "503"): _device_unavailable}
    return found | _of_userinfo() | _OF_OTHERS


def _post(server: LocalServer, path: str, **changes: Any) -> Any:
    if path == DEVICE:
        add_device_client(server)
    body = {"data": FORMS[path]} if path in FORMS else {"json": JSONS[path]}
    server.http.cookies.clear()
    return server.http.post(path, **body | changes)


def _of_a_post(path: str) -> dict[str, Produce]:
    def get(server: LocalServer) -> Any:
        return server.http.get(path)

    def slow(server: LocalServer) -> Any:
        return asyncio.run(half_a_body(server.app, path))

    def broken(server: LocalServer) -> Any:
        with without_users(server):
            return _post(server, path, **_that_needs_the_database(server, path))

    def too_many(server: LocalServer) -> Any:
        wrong = {"username": "guessed", "password": "wrong"}
        body = {"data": FORMS[path] | wrong} if path in FORMS else {"json": wrong}
        return [_post(server, path, **body) for _ in range(FREE + 1)][-1]

    def too_many_secrets(server: LocalServer) -> Any:
        wrong = {"data": FORMS[path] | {"client_secret": "wrong"}}
        answers = [_post(server, path, **wrong) for _ in range(server.settings.client_secret_attempts // 4)]
        server.clock.forward(3600)  # forgotten, for the other tests of this server
        return answers[-1]

    found: dict[str, Produce] = {
        "400": lambda server: _post(server, path, **({"data": WEB} if path in FORMS else {"json": []})),  # type: ignore[dict-item]
        "404": lambda server: server.http.post(path.replace("o", "%6F", 1), content=b""),
        "405": get,
        "408": slow,
        "413": lambda server: server.http.post(path, content=b" " * (64 * 1024 + 1)),
        "415": lambda server: _post(server, path, headers={"Content-Encoding": "gzip"}),
        "503": broken,
    }
    if path in ("/token", "/api/login"):
        found["429"] = too_many
    elif path in FORMS:
        found["429"] = too_many_secrets
    return found | (_of_a_form(path) if path in FORMS else _of_json(path))


def _of_a_form(path: str) -> dict[str, Produce]:
    return {
        "200": lambda server: _post(server, path),
        "401": lambda server: _post(server, path, data=FORMS[path] | {"client_secret": "wrong"}),
    }


def _of_json(path: str) -> dict[str, Produce]:
    evil = {"Origin": "https://evil.example", "Cookie": "__Host-refresh_token=rt_"}
    in_a_cookie = {"json": ADA | {"cookie": True}} if path == "/api/login" else {"json": None}
    wrong = {"json": ADA | {"password": "wrong"}} if path == "/api/login" else {}

    def good(server: LocalServer) -> Any:
        return _post(server, path) if path == "/api/login" else _post(server, path, json=_token(server))

    def unauthorized(server: LocalServer) -> Any:
        return (
            _post(server, path, json=_token(server, "app")) if path == "/api/logout" else _post(server, path, **wrong)
        )

    return {
        "204" if path == "/api/logout" else "200": good,
        "401": unauthorized,
        "403": lambda server: _post(server, path, headers=evil, **in_a_cookie),
    }


def _token(server: LocalServer, client_id: str = "first-party") -> dict[str, str]:
    form = {"grant_type": "password", "client_id": client_id} | ADA
    return {"refresh_token": server.http.post("/token", data=form).json()["refresh_token"]}


def add_device_client(server: LocalServer) -> None:
    with server.database.begin() as connection:
        clients.add(connection, of_kind(Client("tv", "TV", "none", frozenset(), ()), "device"))


def _device_unavailable(server: LocalServer) -> Any:
    add_device_client(server)
    execute(server.database, "ALTER TABLE device_codes RENAME TO elsewhere")
    answer = server.http.post(DEVICE, data=FORMS[DEVICE])
    execute(server.database, "ALTER TABLE elsewhere RENAME TO device_codes")
    return answer


def _that_needs_the_database(server: LocalServer, path: str) -> dict[str, Any]:
    unknown = "rt_AQ" + "A" * 70
    if path in ("/revoke", "/introspect"):
        return {"data": FORMS[path] | {"token": unknown}}
    return {} if path in ("/token", "/api/login") else {"json": {"refresh_token": unknown}}


@contextmanager
def without_users(server: LocalServer) -> Iterator[None]:
    execute(server.database, "ALTER TABLE users RENAME TO elsewhere")
    yield
    execute(server.database, "ALTER TABLE elsewhere RENAME TO users")


@contextmanager
def without_keys(server: LocalServer) -> Iterator[None]:
    execute(server.database, "ALTER TABLE signing_keys RENAME TO elsewhere")
    yield
    execute(server.database, "ALTER TABLE elsewhere RENAME TO signing_keys")


async def half_a_body(app: Any, path: str) -> httpx2.Response:
    """The answer to a body whose second half never comes."""
    received: list[str] = []
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if received:
            await asyncio.Event().wait()
        received.append(path)
        return {"type": "http.request", "body": b"{", "more_body": True}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    line = {"method": "POST", "path": path, "raw_path": path.encode(), "root_path": "", "query_string": b""}
    peer = {"type": "http", "http_version": "1.1", "scheme": "https", "server": None, "client": None}
    await app(line | peer | {"headers": [(b"host", b"as.example")]}, receive, send)
    return httpx2.Response(sent[0]["status"], headers=sent[0]["headers"], content=sent[1]["body"])


def _of_userinfo() -> dict[tuple[str, str], Produce]:
    path = "/userinfo"

    def of(method: str) -> dict[str, Produce]:
        def ask(server: LocalServer, scope: str = "openid", *more: tuple[str, str]) -> Any:
            return server.http.request(method, path, headers=[_bearer(server, scope), *more])

        def broken(server: LocalServer) -> Any:
            bearer = _bearer(server, "openid")
            with without_users(server):
                return server.http.request(method, path, headers=[bearer])

        return {
            "200": ask,
            "400": lambda server: ask(server, "openid", ("Authorization", "Bearer x")),
            "401": lambda server: server.http.request(method, path),
            "403": lambda server: ask(server, "read"),
            "503": broken,
        }

    found = {(f"get {path}", status): produce for status, produce in of("GET").items()}
    found |= {(f"post {path}", status): produce for status, produce in of("POST").items()}
    found |= {(f"post {path}", status): _of_a_post(path)[status] for status in ("408", "413")}
    return found | {
        (f"get {path}", "405"): lambda server: server.http.put(path),
        (f"post {path}", "415"): lambda server: server.http.post(path, headers={"Content-Encoding": "gzip"}),
    }


def _bearer(server: LocalServer, scope: str) -> tuple[str, str]:
    """The header with an access token of ada's."""
    change_client(server.database, "web", scope=("openid", "read"))
    server.clock.forward(5)
    wait_until_ready(server.http)
    tokens = server.http.post("/token", data=FORMS["/token"] | {"scope": scope}).json()
    return ("Authorization", f"Bearer {tokens['access_token']}")


def _of_a_document(path: str) -> dict[tuple[str, str], Produce]:
    def unchanged(method: str) -> Produce:
        return lambda server: server.http.request(
            method, path, headers={"If-None-Match": server.http.get(path).headers["etag"]}
        )

    return {
        (f"get {path}", "200"): lambda server: server.http.get(path),
        (f"get {path}", "304"): unchanged("GET"),
        (f"get {path}", "405"): lambda server: server.http.post(path),
        (f"head {path}", "200"): lambda server: server.http.head(path),
        (f"head {path}", "304"): unchanged("HEAD"),
        (f"options {path}", "204"): lambda server: server.http.options(path),
    }


def _of_a_preflight(path: str) -> dict[str, Produce]:
    def of_a_page(server: LocalServer) -> Any:
        origin = "https://app.example"
        change_client(server.database, "other", web_origins=(origin,))
        server.clock.forward(5)
        return server.http.options(path, headers={"Origin": origin})

    return {"204": of_a_page, "405": lambda server: server.http.options(path)}


def _protected(server: LocalServer, *more: tuple[str, str]) -> Any:
    access_token = _post(server, "/api/login").json()["access_token"]
    return server.http.get("/api/protected", headers=[("Authorization", f"Bearer {access_token}"), *more])


def _not_ready(server: LocalServer) -> Any:
    with without_keys(server):
        return server.http.get("/health/ready")


def _static(server: LocalServer, file: str = "style.css", **headers: str) -> Any:
    return server.http.get(
        f"/static/{file}", headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


_OF_OTHERS: dict[tuple[str, str], Produce] = {
    ("get /api/protected", "200"): _protected,
    ("get /api/protected", "400"): lambda server: _protected(server, ("Authorization", "Basic x")),
    ("get /api/protected", "401"): lambda server: server.http.get("/api/protected"),
    ("get /api/protected", "405"): lambda server: server.http.post("/api/protected"),
    ("get /health/live", "200"): lambda server: server.http.get("/health/live"),
    ("get /health/live", "405"): lambda server: server.http.post("/health/live"),
    ("get /health/ready", "200"): lambda server: server.http.get("/health/ready"),
    ("get /health/ready", "405"): lambda server: server.http.post("/health/ready"),
    ("get /health/ready", "503"): _not_ready,
    ("get /", "200"): lambda server: server.http.get("/"),
    ("get /", "405"): lambda server: server.http.post("/"),
    ("get /static/{file}", "200"): _static,
    ("get /static/{file}", "304"): lambda server: _static(server, If_None_Match=_static(server).headers["etag"]),
    ("get /static/{file}", "400"): lambda server: _static(server, "x%00"),
    ("get /static/{file}", "404"): lambda server: _static(server, "x"),
    ("get /static/{file}", "405"): lambda server: server.http.post("/static/style.css"),
    ("get /static/{file}", "416"): lambda server: _static(server, Range="bytes=999999-"),
}
