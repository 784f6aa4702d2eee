"""As `producing.py`, for changing an address: what these pages have beside those of `producing_account.py`."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

from authserver.domain import links
from authserver.domain.models import LinkKind
from authserver.store import users
from tests.contract.producing import Produce, half_a_body, without_users
from tests.contract.producing_links import forget_attempts, other_server
from tests.harness.browser import FROM_OUR_PAGE, Browser, form_of
from tests.harness.existing import existing
from tests.harness.new_links import new_link
from tests.web.serving import LocalServer, rows, wait_until

_EMAIL, _CONFIRM = "/account/email", links.PATHS[LinkKind.EMAIL]


def producers() -> dict[tuple[str, str], Produce]:
    return {
        ("get " + _EMAIL, "404"): lambda server: _without_mail(server, posted=False),
        ("post " + _EMAIL, "404"): lambda server: _without_mail(server, posted=True),
        ("post " + _EMAIL, "422"): lambda server: _ask(_signed_in(server), "not an address"),
        ("post " + _EMAIL, "429"): _too_many,
        ("get " + _CONFIRM, "200"): _open,
        ("get " + _CONFIRM, "400"): lambda server: server.http.get(f"{_CONFIRM}?link=lk_forged"),
        ("get " + _CONFIRM, "403"): lambda server: _open(server, signed_in=False),
        ("get " + _CONFIRM, "405"): lambda server: server.http.put(_CONFIRM),
        ("get " + _CONFIRM, "414"): lambda server: server.http.get(f"{_CONFIRM}?x={'x' * 33_000}"),
        ("get " + _CONFIRM, "503"): lambda server: _unavailable(server, posted=False),
        ("post " + _CONFIRM, "303"): lambda server: _post(server, _open(server)),
        ("post " + _CONFIRM, "400"): lambda server: server.http.post(_CONFIRM, json={}),
        ("post " + _CONFIRM, "403"): lambda server: _post(server, _open(server), Origin="https://evil.example"),
        ("post " + _CONFIRM, "405"): lambda server: server.http.put(_CONFIRM),
        ("post " + _CONFIRM, "408"): lambda server: asyncio.run(half_a_body(server.app, _CONFIRM)),
        ("post " + _CONFIRM, "413"): lambda server: server.http.post(_CONFIRM, content=b" " * (64 * 1024 + 1)),
        ("post " + _CONFIRM, "415"): lambda server: server.http.post(_CONFIRM, headers={"Content-Encoding": "gzip"}),
        ("post " + _CONFIRM, "503"): lambda server: _unavailable(server, posted=True),
    }


def _signed_in(server: LocalServer, http: Any = None) -> Browser:
    client = http or server.http
    client.cookies.clear()
    browser = Browser(client)
    browser.sign_in(browser.get("/account/sign-in"))
    return browser


def _ask(browser: Browser, address: str) -> Any:
    _, fields = form_of(browser.get(_EMAIL))
    data = fields | {"email": address}
    return browser.http.post(_EMAIL, data=data, headers=FROM_OUR_PAGE, follow_redirects=False)


def _without_mail(server: LocalServer, *, posted: bool) -> Any:
    _, fields = form_of(_signed_in(server).get(_EMAIL))
    cookies = dict(server.http.cookies)
    with other_server(server, smtp_url=None) as http:
        http.cookies.update(cookies)
        return http.post(_EMAIL, data=fields, headers=FROM_OUR_PAGE) if posted else http.get(_EMAIL)


def _too_many(server: LocalServer) -> Any:
    with other_server(server, network_attempts=1) as http:
        browser = _signed_in(server, http)
        answer = [_ask(browser, "nobody@example.com") for _ in range(2)][-1]
    forget_attempts(server)
    return answer


def _open(server: LocalServer, *, signed_in: bool = True) -> Any:
    _signed_in(server)
    # The link in a mail that is sent now would replace this one.
    wait_until(lambda: not any(_is_due(row) for row in rows(server.database, "outbox")))
    if not signed_in:
        server.http.cookies.clear()
    with server.database.begin() as connection:
        ada = existing(users.load(connection, "ada"))
    place = (server.database, server.settings, server.clock())
    url = urlsplit(new_link(*place, LinkKind.EMAIL, ada, "ada@example.com"))
    return server.http.get(f"{url.path}?{url.query}")


def _is_due(row: Any) -> bool:
    """Whether it is a mail that was not tried yet."""
    return row["queue"].startswith("mail ") and row["finished_at"] is None and not row["failures"]


def _post(server: LocalServer, page: Any, **headers: str) -> Any:
    action, fields = form_of(page)
    return server.http.post(action, data=fields, headers=FROM_OUR_PAGE | headers, follow_redirects=False)


def _unavailable(server: LocalServer, *, posted: bool) -> Any:
    page = _open(server)
    with without_users(server):
        return _post(server, page) if posted else server.http.get(str(page.url))
