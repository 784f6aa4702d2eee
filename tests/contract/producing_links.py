"""As `producing.py`, for the pages that a link opens."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

from tests.contract.producing import Produce, half_a_body, without_users
from tests.harness.browser import FROM_OUR_PAGE, form_of
from tests.harness.constants import PASSWORD
from tests.harness.reset_links import reset_link
from tests.web.serving import LocalServer

_RESET = "/reset/password"


def producers() -> dict[tuple[str, str], Produce]:
    pages = {("get " + _RESET, status): produce for status, produce in _OF_PAGE.items()}
    return pages | {("post " + _RESET, status): produce for status, produce in _OF_FORM.items()}


def _open(server: LocalServer) -> Any:
    server.http.cookies.clear()
    parts = urlsplit(reset_link(server.database, server.settings, server.clock()))
    return server.http.get(f"{parts.path}?{parts.query}")


def _post(server: LocalServer, page: Any = None, password: str = "", **headers: str) -> Any:
    """With ada's own password, so that other tests of this server can sign in."""
    action, fields = form_of(page or _open(server))
    data = fields | {"password": password or PASSWORD}
    return server.http.post(action, data=data, headers=FROM_OUR_PAGE | headers, follow_redirects=False)


def _unavailable(server: LocalServer, *, posted: bool) -> Any:
    page = _open(server)
    with without_users(server):
        return _post(server, page) if posted else server.http.get(str(page.url))


_OF_PAGE: dict[str, Produce] = {
    "200": _open,
    "400": lambda server: server.http.get(f"{_RESET}?link=lk_forged"),
    "405": lambda server: server.http.put(_RESET),
    "414": lambda server: server.http.get(f"{_RESET}?x={'x' * 33_000}"),
    "503": lambda server: _unavailable(server, posted=False),
}
_OF_FORM: dict[str, Produce] = {
    "303": _post,
    "400": lambda server: server.http.post(_RESET, json={}),
    "403": lambda server: _post(server, Origin="https://evil.example"),
    "405": lambda server: server.http.put(_RESET),
    "408": lambda server: asyncio.run(half_a_body(server.app, _RESET)),
    "413": lambda server: server.http.post(_RESET, content=b" " * (64 * 1024 + 1)),
    "415": lambda server: server.http.post(_RESET, headers={"Content-Encoding": "gzip"}),
    "422": lambda server: _post(server, password="12345678"),
    "503": lambda server: _unavailable(server, posted=True),
}
