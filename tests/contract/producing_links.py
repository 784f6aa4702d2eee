"""As `producing.py`, for the pages to ask for a link, and those that it opens."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from starlette.testclient import TestClient

from authserver import system
from authserver.app import create_app
from authserver.domain import links
from authserver.domain.models import LinkKind
from tests.contract.producing import Produce, half_a_body, without_users
from tests.harness.browser import FROM_OUR_PAGE, Browser, form_of
from tests.harness.constants import ISSUER, PASSWORD
from tests.harness.new_links import new_link, reset_link
from tests.web.serving import LocalServer, execute

_RESET, _SIGN_UP = links.PATHS[LinkKind.RESET], links.PATHS[LinkKind.SIGN_UP]
_ASKING = ("/reset", "/sign-up")


def producers() -> dict[tuple[str, str], Produce]:
    found: dict[tuple[str, str], Produce] = {}
    for path in (_RESET, _SIGN_UP):
        found |= {("get " + path, status): produce for status, produce in _of_a_page(path).items()}
        found |= {("post " + path, status): produce for status, produce in _of_a_form(path).items()}
    for path in _ASKING:
        found |= {("get " + path, status): produce for status, produce in _of_an_asking_page(path).items()}
        found |= {("post " + path, status): produce for status, produce in _of_an_asking_form(path).items()}
    del found["get " + _RESET, "404"], found["post " + _RESET, "404"]  # an operator's link needs no mail
    return found


def _open(server: LocalServer, path: str) -> Any:
    server.http.cookies.clear()
    url = urlsplit(_new_link(server, path))
    return server.http.get(f"{url.path}?{url.query}")


def _new_link(server: LocalServer, path: str) -> str:
    place = (server.database, server.settings, server.clock())
    if path == _RESET:
        return reset_link(*place)
    return new_link(*place, LinkKind.SIGN_UP, address=f"{system.new_id().hex()}@example.com")


def _post(server: LocalServer, path: str, page: Any = None, password: str = PASSWORD, **headers: str) -> Any:
    """With ada's own password, so that other tests of this server can sign in."""
    action, fields = form_of(page or _open(server, path))
    data = fields | {"password": password}
    return server.http.post(action, data=data, headers=FROM_OUR_PAGE | headers, follow_redirects=False)


def _unavailable(server: LocalServer, path: str, *, posted: bool) -> Any:
    page = _open(server, path)
    with without_users(server):
        return _post(server, path, page) if posted else server.http.get(str(page.url))


def _of_a_page(path: str) -> dict[str, Produce]:
    return {
        "200": lambda server: _open(server, path),
        "400": lambda server: server.http.get(f"{path}?link=lk_forged"),
        "404": lambda server: _not_offered(server, path, "/reset", posted=False),
        "405": lambda server: server.http.put(path),
        "414": lambda server: server.http.get(f"{path}?x={'x' * 33_000}"),
        "503": lambda server: _unavailable(server, path, posted=False),
    }


def _of_a_form(path: str) -> dict[str, Produce]:
    return {
        "303": lambda server: _post(server, path),
        "400": lambda server: server.http.post(path, json={}),
        "403": lambda server: _post(server, path, Origin="https://evil.example"),
        "404": lambda server: _not_offered(server, path, "/reset", posted=True),
        "405": lambda server: server.http.put(path),
        "408": lambda server: asyncio.run(half_a_body(server.app, path)),
        "413": lambda server: server.http.post(path, content=b" " * (64 * 1024 + 1)),
        "415": lambda server: server.http.post(path, headers={"Content-Encoding": "gzip"}),
        "422": lambda server: _post(server, path, password="12345678"),
        "503": lambda server: _unavailable(server, path, posted=True),
    }


def _ask(http: Any, path: str, address: str = "nobody@example.com", **headers: str) -> Any:
    http.cookies.clear()
    action, fields = form_of(http.get(path))
    return http.post(action, data=fields | {"email": address}, headers=FROM_OUR_PAGE | headers, follow_redirects=False)


@contextmanager
def other_server(server: LocalServer, **changes: Any) -> Iterator[TestClient]:
    """A server on the same database, with other settings."""
    app = create_app(server.settings.model_copy(update=changes), now=server.clock)
    with TestClient(app, ISSUER) as http:
        yield http


def _not_offered(server: LocalServer, path: str, page: str, *, posted: bool) -> Any:
    csrf = form_of(server.http.get(page))[1]
    cookies = dict(server.http.cookies)
    with other_server(server, smtp_url=None, sign_up="off") as http:
        http.cookies.update(cookies)
        return http.post(path, data=csrf, headers=FROM_OUR_PAGE) if posted else http.get(path)


def _too_many(server: LocalServer, path: str) -> Any:
    with other_server(server, network_attempts=1) as http:
        answer = [_ask(http, path) for _ in range(2)][-1]
    forget_attempts(server)
    return answer


def forget_attempts(server: LocalServer) -> None:
    """For the other tests of this server."""
    execute(server.database, "DELETE FROM attempts")


def _asking_unavailable(server: LocalServer, path: str, *, posted: bool) -> Any:
    server.http.cookies.clear()
    browser = Browser(server.http)
    browser.sign_in(browser.get("/account/sign-in"))
    _, fields = form_of(browser.get(path))
    with without_users(server):
        return server.http.post(path, data=fields, headers=FROM_OUR_PAGE) if posted else server.http.get(path)


def _of_an_asking_page(path: str) -> dict[str, Produce]:
    return {
        "200": lambda server: server.http.get(path),
        "400": lambda server: server.http.get(path, params={f"x{number}": "y" for number in range(65)}),
        "404": lambda server: _not_offered(server, path, path, posted=False),
        "405": lambda server: server.http.put(path),
        "414": lambda server: server.http.get(f"{path}?x={'x' * 33_000}"),
        "503": lambda server: _asking_unavailable(server, path, posted=False),
    }


def _of_an_asking_form(path: str) -> dict[str, Produce]:
    return {
        "303": lambda server: _ask(server.http, path),
        "400": lambda server: server.http.post(path, json={}),
        "403": lambda server: _ask(server.http, path, Origin="https://evil.example"),
        "404": lambda server: _not_offered(server, path, path, posted=True),
        "405": lambda server: server.http.put(path),
        "408": lambda server: asyncio.run(half_a_body(server.app, path)),
        "413": lambda server: server.http.post(path, content=b" " * (64 * 1024 + 1)),
        "415": lambda server: server.http.post(path, headers={"Content-Encoding": "gzip"}),
        "422": lambda server: _ask(server.http, path, "not an address"),
        "429": lambda server: _too_many(server, path),
        "503": lambda server: _asking_unavailable(server, path, posted=True),
    }
