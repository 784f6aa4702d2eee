"""As `producing.py`, for the pages of a device."""

import asyncio
from typing import Any

from authserver.domain.attempts import FREE
from tests.contract.producing import Produce, add_device_client, half_a_body, without_users
from tests.contract.producing_pages import of_a_body
from tests.harness.browser import FROM_OUR_PAGE, Browser, form_of
from tests.harness.constants import PASSWORD
from tests.harness.device import Device
from tests.web.serving import LocalServer

_PAGE = "/device"
_INTERACTION, _SIGN_IN = "/device/{interaction}", "/device/{interaction}/sign-in"
_NOBODYS, _CONTROL_CHARACTER = "/device/" + "0" * 32, "/device/%C2%84"
_ADA = {"username": "ada", "password": PASSWORD}


def producers() -> dict[tuple[str, str], Produce]:
    found: dict[tuple[str, str], Produce] = {}
    for path in (_PAGE, _INTERACTION, _SIGN_IN):
        bodies = of_a_body(path.replace("/device/{interaction}", _NOBODYS))
        found |= {(f"post {path}", status): produce for status, produce in bodies.items()}
    for path in (_INTERACTION, _SIGN_IN):
        found |= {(f"{method} {path}", "404"): _not_found(path, method) for method in ("get", "post")}
        found |= {(f"{method} {path}", "405"): _not_allowed(path) for method in ("get", "post")}
    return found | _OF_OTHERS


class Waiting:
    """A new browser at the page that asks to sign in for a device, or, once signed in, whether to let it in."""

    def __init__(self, server: LocalServer) -> None:
        add_device_client(server)
        server.clock.forward(2)  # so that the network may begin another sign-in
        server.http.cookies.clear()
        self.server, self.browser, self.device = server, Browser(server.http), Device(server.http)
        self.page = self.device.page(self.browser)

    def signed_in(self) -> "Waiting":
        self.page = self.browser.sign_in(self.page)
        return self

    def answered_elsewhere(self) -> "Waiting":
        cookies = dict(self.server.http.cookies)
        self.server.http.cookies.clear()
        other = Browser(self.server.http)
        other.deny(self.device.asked(other))
        self.server.http.cookies.clear()
        self.server.http.cookies.update(cookies)
        return self

    def post(self, /, **fields: str) -> Any:
        action, filled = form_of(self.page)
        return self.server.http.post(action, data=filled | fields, headers=FROM_OUR_PAGE, follow_redirects=False)

    def unavailable(self, **fields: str) -> Any:
        with without_users(self.server):
            return self.post(**fields)


def _typed(server: LocalServer, code: str = "", **headers: str) -> Any:
    waiting = Waiting(server)
    action, fields = form_of(waiting.browser.get(_PAGE))
    data = fields | {"user_code": code or waiting.device.told["user_code"]}
    return server.http.post(action, data=data, headers=FROM_OUR_PAGE | headers, follow_redirects=False)


def _guessed(server: LocalServer) -> Any:
    browser = Waiting(server).browser
    guess = form_of(browser.get(_PAGE))[1] | {"user_code": "BCDF-GHJK"}
    return [server.http.post(_PAGE, data=guess, headers=FROM_OUR_PAGE) for _ in range(FREE + 1)][-1]


def _unavailable(server: LocalServer, *, posted: bool) -> Any:
    """To somebody who is signed in."""
    browser = Waiting(server).signed_in().browser
    action, fields = form_of(browser.get(_PAGE))
    with without_users(server):
        if not posted:
            return server.http.get(_PAGE)
        return server.http.post(action, data=fields | {"user_code": "BCDF-GHJK"}, headers=FROM_OUR_PAGE)


def _get_unavailable(server: LocalServer) -> Any:
    page = Waiting(server).signed_in().page
    with without_users(server):
        return server.http.get(page.url.path)


def _not_found(path: str, method: str) -> Produce:
    return lambda server: server.http.request(method, path.replace("/device/{interaction}", _CONTROL_CHARACTER))


def _not_allowed(path: str) -> Produce:
    return lambda server: server.http.put(path.replace("/device/{interaction}", _NOBODYS))


def _too_many_passwords(server: LocalServer) -> Any:
    waiting = Waiting(server)
    return [waiting.post(username="guessed at a device", password="wrong") for _ in range(FREE + 1)][-1]


_OF_OTHERS: dict[tuple[str, str], Produce] = {
    (f"get {_PAGE}", "200"): lambda server: server.http.get(_PAGE),
    (f"get {_PAGE}", "400"): lambda server: server.http.get(_PAGE, params={f"x{number}": "y" for number in range(65)}),
    (f"get {_PAGE}", "405"): lambda server: server.http.put(_PAGE),
    (f"get {_PAGE}", "414"): lambda server: server.http.get(f"{_PAGE}?x={'x' * 33_000}"),
    (f"get {_PAGE}", "503"): lambda server: _unavailable(server, posted=False),
    (f"post {_PAGE}", "303"): _typed,
    (f"post {_PAGE}", "403"): lambda server: _typed(server, Origin="https://evil.example"),
    (f"post {_PAGE}", "405"): lambda server: server.http.put(_PAGE),
    (f"post {_PAGE}", "408"): lambda server: asyncio.run(half_a_body(server.app, _PAGE)),
    (f"post {_PAGE}", "422"): lambda server: _typed(server, "BCDF"),
    (f"post {_PAGE}", "429"): _guessed,
    (f"post {_PAGE}", "503"): lambda server: _unavailable(server, posted=True),
    (f"get {_INTERACTION}", "200"): lambda server: Waiting(server).page,
    (f"get {_INTERACTION}", "400"): lambda server: server.http.get(_NOBODYS),
    (f"get {_INTERACTION}", "409"): lambda server: server.http.get(
        Waiting(server).signed_in().answered_elsewhere().page.url.path
    ),
    (f"get {_INTERACTION}", "503"): _get_unavailable,
    (f"post {_INTERACTION}", "303"): lambda server: Waiting(server).signed_in().post(answer="allow"),
    (f"post {_INTERACTION}", "403"): lambda server: Waiting(server).signed_in().post(csrf="forged"),
    (f"post {_INTERACTION}", "409"): lambda server: (
        Waiting(server).signed_in().answered_elsewhere().post(answer="allow")
    ),
    (f"post {_INTERACTION}", "503"): lambda server: Waiting(server).signed_in().unavailable(answer="allow"),
    (f"get {_SIGN_IN}", "303"): lambda server: server.http.get(f"{_NOBODYS}/sign-in", follow_redirects=False),
    (f"get {_SIGN_IN}", "400"): lambda server: server.http.get("/device/nobodys/sign-in"),
    (f"post {_SIGN_IN}", "303"): lambda server: Waiting(server).post(**_ADA),
    (f"post {_SIGN_IN}", "422"): lambda server: Waiting(server).post(username="ada", password="wrong"),
    (f"post {_SIGN_IN}", "403"): lambda server: Waiting(server).post(csrf="forged"),
    (f"post {_SIGN_IN}", "409"): lambda server: Waiting(server).answered_elsewhere().post(**_ADA),
    (f"post {_SIGN_IN}", "429"): _too_many_passwords,
    (f"post {_SIGN_IN}", "503"): lambda server: Waiting(server).unavailable(**_ADA),
}
