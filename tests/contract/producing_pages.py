"""As `producing.py`, for what a browser meets."""

import asyncio
import re
from typing import Any

from authserver.domain.attempts import FREE
from authserver.domain.models import Client
from authserver.store import clients
from tests.contract.producing import Produce, half_a_body, without_users
from tests.harness.browser import CALLBACK, FROM_OUR_PAGE, VERIFIER, Browser, answer_of, query
from tests.harness.constants import PASSWORD
from tests.web.serving import LocalServer

_NOBODYS = "/interaction/" + "0" * 32
_CONTROL_CHARACTER = "/interaction/%C2%84"
_FIELDS = {
    "sign-in": {"username": "ada", "password": PASSWORD},
    "account": {"account": "same"},
    "consent": {"answer": "allow"},
}


def producers() -> dict[tuple[str, str], Produce]:
    found = dict(_OF_OTHERS)
    for action in _FIELDS:
        name = f"post /interaction/{{interaction}}/{action}"
        found |= {(name, status): produce for status, produce in _of_a_form(action).items()}
        found |= {(name.replace("post", "get", 1), status): make for status, make in _of_a_reload(action).items()}
    for path in ("/authorize", *(f"{_NOBODYS}/{action}" for action in _FIELDS)):
        name = f"post {path.replace(_NOBODYS, '/interaction/{interaction}')}"
        found |= {(name, status): produce for status, produce in of_a_body(path).items()}
    return found


class Visit:
    """A new browser at the sign-in page, or signed in."""

    def __init__(self, server: LocalServer, **request: Any) -> None:
        with server.database.begin() as connection:
            grants = frozenset({"authorization_code"})
            sso = Client("sso", "SSO", "none", grants, ("openid", "read"), redirect_uris=(CALLBACK,))
            clients.add(connection, sso)
        server.clock.forward(2)  # so that the network may begin another sign-in
        server.http.cookies.clear()
        self.browser, self.server = Browser(server.http), server
        self.page = self.browser.authorize(**request)
        self.interaction = self.page.url.path if self.page.url.path != "/authorize" else _NOBODYS

    def signed_in(self) -> "Visit":
        self.page = self.browser.sign_in(self.page)
        return self

    def post(self, action: str, **changes: str) -> Any:
        csrf = "".join(re.findall(r'name="csrf" value="([^"]+)"', self.page.text))
        fields = {"csrf": csrf} | _FIELDS[action] | changes
        url = f"{self.interaction}/{action}"
        return self.server.http.post(url, data=fields, headers=FROM_OUR_PAGE, follow_redirects=False)

    def redeemed(self) -> "Visit":
        answer = answer_of(self.browser.allow(self.page))
        form = {"grant_type": "authorization_code", "client_id": "sso", "redirect_uri": CALLBACK}
        response = self.server.http.post("/token", data=form | {"code": answer["code"], "code_verifier": VERIFIER})
        assert response.status_code == 200
        return self


def _denied(server: LocalServer) -> Visit:
    visit = Visit(server, prompt="consent").signed_in()
    assert visit.post("consent", answer="deny").status_code == 200
    return visit


def _of_a_form(action: str) -> dict[str, Produce]:
    def broken(server: LocalServer) -> Any:
        visit = Visit(server).signed_in()
        with without_users(server):
            return visit.post(action)

    return {
        "200": lambda server: _denied(server).post(action),
        "303": lambda server: Visit(server).post(action),
        "403": lambda server: Visit(server).post(action, csrf="forged"),
        "404": lambda server: server.http.post(f"{_CONTROL_CHARACTER}/{action}"),
        "405": lambda server: server.http.put(f"{_NOBODYS}/{action}"),
        "409": lambda server: Visit(server, prompt="consent").signed_in().redeemed().post(action),
        "503": broken,
    }


def _of_a_reload(action: str) -> dict[str, Produce]:
    return {
        "303": lambda server: server.http.get(f"{_NOBODYS}/{action}", follow_redirects=False),
        "400": lambda server: server.http.get(f"/interaction/nobodys/{action}"),
        "404": lambda server: server.http.get(f"{_CONTROL_CHARACTER}/{action}"),
        "405": lambda server: server.http.put(f"{_NOBODYS}/{action}"),
    }


def of_a_body(path: str) -> dict[str, Produce]:
    return {
        "400": lambda server: server.http.post(path, json={}),
        "408": lambda server: asyncio.run(half_a_body(server.app, path)),
        "413": lambda server: server.http.post(path, content=b" " * (64 * 1024 + 1)),
        "415": lambda server: server.http.post(path, headers={"Content-Encoding": "gzip"}),
    }


def _by_form_post(server: LocalServer) -> Any:
    browser = Visit(server).browser
    browser.code()
    return browser.authorize(response_mode="form_post")


def _unavailable(path: str) -> Produce:
    def unavailable(server: LocalServer) -> Any:
        Visit(server).signed_in()
        with without_users(server):
            return server.http.get(path)

    return unavailable


def _too_many_sign_ins(server: LocalServer) -> Any:
    browser, limit = Visit(server).browser, server.settings.interaction_limit
    answers = [browser.http.get(f"/authorize?{query()}", follow_redirects=False) for _ in range(limit + 1)]
    server.clock.forward(60)  # forgotten, for the other tests of this server
    return answers[-1]


def _too_many_passwords(server: LocalServer) -> Any:
    visit = Visit(server)
    return [visit.post("sign-in", username="guessed", password="wrong") for _ in range(FREE + 1)][-1]


def _completed(server: LocalServer) -> Any:
    visit = Visit(server, prompt="consent").signed_in().redeemed()
    return server.http.get(visit.interaction)


_INTERACTION = "get /interaction/{interaction}"
_OF_OTHERS: dict[tuple[str, str], Produce] = {
    ("get /authorize", "200"): _by_form_post,
    ("get /authorize", "303"): lambda server: Visit(server, prompt="none").page,
    ("get /authorize", "400"): lambda server: Visit(server, client_id="nobody").page,
    ("get /authorize", "405"): lambda server: server.http.put("/authorize"),
    ("get /authorize", "414"): lambda server: server.http.get(f"/authorize?x={'x' * 33_000}"),
    ("get /authorize", "429"): _too_many_sign_ins,
    ("get /authorize", "503"): _unavailable(f"/authorize?{query()}"),
    ("post /authorize", "303"): lambda server: server.http.post("/authorize", data={"x": "y"}, follow_redirects=False),
    (_INTERACTION, "200"): lambda server: Visit(server).page,
    (_INTERACTION, "400"): lambda server: server.http.get(_NOBODYS),
    (_INTERACTION, "404"): lambda server: server.http.get(_CONTROL_CHARACTER),
    (_INTERACTION, "405"): lambda server: server.http.post(_NOBODYS),
    (_INTERACTION, "409"): _completed,
    (_INTERACTION, "503"): _unavailable(_NOBODYS),
    ("post /interaction/{interaction}/sign-in", "422"): lambda server: Visit(server).post("sign-in", password="wrong"),
    ("post /interaction/{interaction}/sign-in", "429"): _too_many_passwords,
}
