"""As `producing.py`, for the pages below /account."""

import asyncio
from collections.abc import Mapping
from typing import Any

from authserver.domain.attempts import FREE
from tests.contract.producing import Produce, half_a_body, without_users
from tests.contract.producing_pages import Visit
from tests.harness.browser import FROM_OUR_PAGE, Browser, form_of
from tests.harness.constants import PASSWORD
from tests.web.serving import LocalServer, execute, rows

_SIGN_IN = "/account/sign-in"
_PAGES = (
    "",
    "sign-in",
    "sessions",
    "sessions/end?session=others",
    "applications",
    "applications/end?client_id=sso",
    "activity",
    "password",
    "profile",
    "email",
    "data/download",
    "delete",
    "deleted",
)
"""Below /account, with what they need to be shown."""
_CHANGE = {"current_password": PASSWORD, "new_password": "a much better password"}
_FORMS: Mapping[str, Mapping[str, str]] = {
    "sign-in": {"username": "ada", "password": PASSWORD},
    "sessions/end?session=others": {},
    "applications/end?client_id=sso": {},
    "password": _CHANGE,
    "profile": {"name": "Ada"},
    "email": {"email": "lovelace@example.com"},
    "delete": {"confirmation": "ada"},
}
"""What is filled in, beside what a form has."""
_PASSWORD = "/account/password"


def producers() -> dict[tuple[str, str], Produce]:
    found: dict[tuple[str, str], Produce] = {}
    for name in _PAGES:
        path = f"/account/{name}".rstrip("/")
        found |= {(f"get {bare(path)}", status): produce for status, produce in _of_a_page(path).items()}
    for name, fields in _FORMS.items():
        path = f"/account/{name}"
        found |= {(f"post {bare(path)}", status): produce for status, produce in _of_a_form(path, fields).items()}
    del found[f"get {_SIGN_IN}", "303"]  # anyone may see it
    return found | _OF_OTHERS


def bare(path: str) -> str:
    return path.partition("?")[0]


def _signed_in(server: LocalServer) -> Browser:
    """A browser in which ada is signed in, as she is elsewhere, and in which she has allowed an application."""
    Visit(server).signed_in()
    visit = Visit(server)
    visit.browser.code()
    return visit.browser


def _get(server: LocalServer, path: str) -> Any:
    return _signed_in(server).http.get(path, follow_redirects=False)


def _post(server: LocalServer, path: str, fields: Mapping[str, str], **headers: str) -> Any:
    browser = _signed_in(server)
    _, hidden = form_of(browser.get(path))
    filled_in = hidden | dict(fields)
    return browser.http.post(bare(path), data=filled_in, headers=FROM_OUR_PAGE | headers, follow_redirects=False)


def _unavailable(server: LocalServer, path: str, fields: Mapping[str, str] | None = None) -> Any:
    browser = _signed_in(server)
    hidden = {} if fields is None else form_of(browser.get(path))[1]
    with without_users(server):
        if fields is None:
            return browser.http.get(path)
        return browser.http.post(bare(path), data=hidden | dict(fields), headers=FROM_OUR_PAGE)


def _to_a_stranger(server: LocalServer, path: str) -> Any:
    server.http.cookies.clear()
    return server.http.get(path, follow_redirects=False)


def _of_a_page(path: str) -> dict[str, Produce]:
    return {
        "200": lambda server: _get(server, path),
        "303": lambda server: _to_a_stranger(server, path),
        "400": lambda server: server.http.get(bare(path), params={f"x{number}": "y" for number in range(65)}),
        "405": lambda server: server.http.put(bare(path)),
        "414": lambda server: server.http.get(f"{bare(path)}?x={'x' * 33_000}"),
        "503": lambda server: _unavailable(server, path),
    }


def _of_a_form(path: str, fields: Mapping[str, str]) -> dict[str, Produce]:
    return {
        "303": lambda server: _post(server, path, fields),
        "400": lambda server: server.http.post(bare(path), json={}),
        "403": lambda server: _post(server, path, fields, Origin="https://evil.example"),
        "405": lambda server: server.http.put(bare(path)),
        "408": lambda server: asyncio.run(half_a_body(server.app, bare(path))),
        "413": lambda server: server.http.post(bare(path), content=b" " * (64 * 1024 + 1)),
        "415": lambda server: server.http.post(bare(path), headers={"Content-Encoding": "gzip"}),
        "503": lambda server: _unavailable(server, path, fields),
    }


def _too_many_passwords(server: LocalServer) -> Any:
    browser = Browser(server.http)
    wrong = form_of(browser.get(_SIGN_IN))[1] | {"username": "nobody", "password": "wrong"}
    return [browser.http.post(_SIGN_IN, data=wrong, headers=FROM_OUR_PAGE) for _ in range(FREE + 1)][-1]


def _too_many_current_passwords(server: LocalServer) -> Any:
    browser = _signed_in(server)
    wrong = form_of(browser.get(_PASSWORD))[1] | _CHANGE | {"current_password": "wrong"}
    answers = [browser.http.post(_PASSWORD, data=wrong, headers=FROM_OUR_PAGE) for _ in range(FREE + 1)]
    server.clock.forward(86_400)  # forgotten, for the other tests of this server
    return answers[-1]


def _deleted(server: LocalServer) -> Any:
    answer = _post(server, "/account/delete", {"confirmation": "ada"})
    execute(server.database, "UPDATE users SET disabled = false, delete_at = NULL")  # for the other tests
    return answer


def _changed_password(server: LocalServer) -> Any:
    before = next(row["password_hash"] for row in rows(server.database, "users") if row["id"] == "u_ada")
    answer = _post(server, _PASSWORD, _CHANGE)
    execute(server.database, "UPDATE users SET password_hash = ? WHERE id = 'u_ada'", before)  # for the other tests
    return answer


def _has_deleted(server: LocalServer) -> Any:
    return server.http.get(_deleted(server).headers["location"], follow_redirects=False)


_OF_OTHERS: dict[tuple[str, str], Produce] = {
    (f"post {_SIGN_IN}", "422"): lambda server: _post(server, _SIGN_IN, {"username": "ada", "password": "wrong"}),
    (f"post {_SIGN_IN}", "429"): _too_many_passwords,
    ("post /account/delete", "303"): _deleted,
    (f"post {_PASSWORD}", "303"): _changed_password,
    ("get /account/deleted", "200"): _has_deleted,
    ("post /account/delete", "422"): lambda server: _post(server, "/account/delete", {"confirmation": "bob"}),
    ("post /account/profile", "422"): lambda server: _post(server, "/account/profile", {"birthdate": "yesterday"}),
    ("get /account/deleted", "303"): lambda server: _get(server, "/account/deleted"),
    (f"post {_PASSWORD}", "422"): lambda server: _post(server, _PASSWORD, _CHANGE | {"new_password": "short"}),
    (f"post {_PASSWORD}", "429"): _too_many_current_passwords,
}
