"""In Chromium: no script reads the cookie, our own page uses it, a page of another origin cannot; and by CORS a page of
an origin that a client registered signs in, refreshes and revokes."""

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from authserver.provisioning import open_database
from authserver.settings import load
from tests.harness.chromium import launched, needs_chromium
from tests.harness.constants import PASSWORD
from tests.harness.prepared import running
from tests.web.serving import change_client

CALL = """async ([path, members]) => {
    const json = members && {body: JSON.stringify(members), headers: {"Content-Type": "application/json"}};
    const answer = await fetch(path, {method: "POST", ...json});
    return [answer.status, answer.status === 204 ? null : await answer.json(), document.cookie];
}"""
FROM_ELSEWHERE = """async ([address, options]) => {
    try {
        const answer = await fetch(address, {method: "POST", credentials: "include", ...options});
        return answer.type + " " + await answer.text();
    } catch (error) {
        return error.name;
    }
}"""
ASK = """async ([address, form, headers]) => {
    try {
        const answer = await fetch(address, {method: "POST", body: new URLSearchParams(form), headers: headers,
            signal: AbortSignal.timeout(60000)});
        return [answer.status, await answer.json()];
    } catch (error) {
        return [error.name, null];
    }
}"""
GET = """async ([address, headers]) => {
    try {
        return (await fetch(address, {headers: headers})).status;
    } catch (error) {
        return error.name;
    }
}"""
FORM = """([address, type, name]) => {
    const form = document.createElement("form");
    Object.assign(form, {method: "post", action: address, enctype: type});
    const field = document.createElement("input");
    if (name) form.append(Object.assign(field, {name: name, value: '"}'}));
    document.body.append(form);
    form.submit();
}"""

pytestmark = needs_chromium


class Blank(BaseHTTPRequestHandler):
    """Somebody else's page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><body></body>")

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, password_hash: str) -> Iterator[Any]:
    with running(tmp_path_factory.mktemp("browser"), password_hash) as server:
        yield server


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Any]:
    """The port of another server on this machine: as 127.0.0.1 another origin of the same site, as localhost another
    site."""
    other = ThreadingHTTPServer(("127.0.0.1", 0), Blank)
    thread = threading.Thread(target=other.serve_forever)
    thread.start()
    yield other.server_port
    other.shutdown()
    thread.join()
    other.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as browser:
        yield browser


@pytest.fixture
def page(browser: Any, server: Any) -> Iterator[Any]:
    """One of the issuer's own; the landing page's policy forbids fetch, which an app's own page would allow."""
    with browser.new_context(bypass_csp=True) as context:
        page = context.new_page()
        page.goto(f"{server.url}/")
        yield page


@pytest.fixture
def logged_in(page: Any) -> Any:
    status, body, visible = page.evaluate(
        CALL, ["/api/login", {"username": "ada", "password": PASSWORD, "cookie": True}]
    )
    assert (status, visible) == (200, "") and "refresh_token" not in body
    return page


def cookies(page: Any) -> Any:
    return [cookie for cookie in page.context.cookies() if cookie["name"] == "refresh_token"]


def test_a_page_of_ours_refreshes_by_a_cookie_that_its_script_cannot_see(logged_in: Any) -> None:
    (before,) = cookies(logged_in)
    flags = {"httpOnly": True, "secure": False, "sameSite": "Strict", "path": "/", "domain": "127.0.0.1"}
    assert flags.items() <= before.items()
    assert abs(before["expires"] - time.time() - 7 * 86400) < 60

    status, body, visible = logged_in.evaluate(CALL, ["/api/refresh-token", None])
    assert (status, visible) == (200, "") and "refresh_token" not in body
    (after,) = cookies(logged_in)
    assert after["value"] != before["value"]

    assert logged_in.evaluate(CALL, ["/api/logout", None]) == [204, None, ""]
    assert cookies(logged_in) == []
    assert logged_in.evaluate(CALL, ["/api/refresh-token", None])[0] == 401


@pytest.mark.parametrize("path", ["/api/refresh-token", "/api/logout"])
def test_another_origin_of_the_same_site_sends_the_cookie_in_vain(
    logged_in: Any, server: Any, elsewhere: Any, path: str
) -> None:
    before = cookies(logged_in)
    evil = logged_in.context.new_page()
    evil.goto(f"http://127.0.0.1:{elsewhere}/")
    with evil.expect_response(server.url + path) as response:
        assert evil.evaluate(FROM_ELSEWHERE, [server.url + path, {"mode": "no-cors"}]) == "opaque "
    assert response.value.status == 403  # without the cookie it would be 401 or 400
    assert cookies(logged_in) == before
    assert logged_in.evaluate(CALL, ["/api/refresh-token", None])[0] == 200


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "application/json"}], ids=["simple", "with a preflight"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_another_origin_reads_no_answer(logged_in: Any, server: Any, elsewhere: Any, host: str, headers: Any) -> None:
    before = cookies(logged_in)
    evil = logged_in.context.new_page()
    evil.goto(f"http://{host}:{elsewhere}/")
    for path in ("/api/refresh-token", "/api/logout", "/api/login"):
        assert evil.evaluate(FROM_ELSEWHERE, [server.url + path, {"headers": headers}]) == "TypeError"
    assert cookies(logged_in) == before


@pytest.mark.parametrize("path", ["/api/refresh-token", "/api/logout"])
def test_another_site_does_not_even_send_it(logged_in: Any, server: Any, elsewhere: Any, path: str) -> None:
    before = cookies(logged_in)
    evil = logged_in.context.new_page()
    evil.goto(f"http://localhost:{elsewhere}/")
    with evil.expect_response(server.url + path) as response:
        evil.evaluate(FROM_ELSEWHERE, [server.url + path, {"mode": "no-cors"}])
    assert response.value.status in (400, 401)  # with the cookie it would be 403
    assert cookies(logged_in) == before


def test_a_form_elsewhere_cannot_log_the_user_out(logged_in: Any, server: Any, elsewhere: Any) -> None:
    """A form takes the browser to the answer, and then SameSite keeps no Set-Cookie out."""
    before = cookies(logged_in)
    evil = logged_in.context.new_page()
    evil.goto(f"http://localhost:{elsewhere}/")
    with evil.expect_response(f"{server.url}/api/logout") as response:
        evil.evaluate(FORM, [f"{server.url}/api/logout", "application/x-www-form-urlencoded", None])
    assert response.value.status == 400
    assert cookies(logged_in) == before


def test_a_form_elsewhere_cannot_log_somebody_in(page: Any, server: Any, elsewhere: Any) -> None:
    """text/plain makes JSON of a field: {"username": ..., "cookie": true, "x": "="}"""
    json = f'{{"username": "ada", "password": "{PASSWORD}", "cookie": true, "x": "'
    evil = page.context.new_page()
    evil.goto(f"http://localhost:{elsewhere}/")
    with evil.expect_response(f"{server.url}/api/login") as response:
        evil.evaluate(FORM, [f"{server.url}/api/login", "text/plain", json])
    assert response.value.status == 400
    assert cookies(page) == []


@pytest.fixture
def app_page(browser: Any, server: Any, elsewhere: Any) -> Iterator[Any]:
    """A page of the origin that the client `app` registered."""
    origin = f"http://127.0.0.1:{elsewhere}"
    database = open_database(load(database_url=f"sqlite:///{server.folder}/as.db"))
    change_client(database, "app", web_origins=(origin,))
    database.close()
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{origin}/")
        yield page


def asking(page: Any, server: Any) -> Callable[..., Any]:
    def ask(path: Any, headers: Any = {}, **form: Any) -> Any:  # noqa: B006
        return page.evaluate(ASK, [server.url + path, {"client_id": "app"} | form, headers])

    return ask


LOGIN = {"grant_type": "password", "username": "ada", "password": PASSWORD}


def test_a_page_of_a_registered_origin_signs_in_refreshes_and_revokes(app_page: Any, server: Any) -> None:
    ask = asking(app_page, server)
    status, login = ask("/token", **LOGIN)
    assert status == 200, login
    # With these headers the browser asks by a preflight; axios leaves an Authorization on a refresh.
    headers = {"Authorization": f"Bearer {login['access_token']}", "X-Requested-With": "fetch"}
    status, refreshed = ask("/token", headers, grant_type="refresh_token", refresh_token=login["refresh_token"])
    assert status == 200, refreshed
    assert ask("/revoke", headers, token=refreshed["refresh_token"]) == [200, {}]
    status, refused = ask("/token", grant_type="refresh_token", refresh_token=refreshed["refresh_token"])
    assert (status, refused["error"]) == (400, "invalid_grant")
    for document in ("/.well-known/jwks.json", "/.well-known/oauth-authorization-server"):
        assert app_page.evaluate(GET, [server.url + document, headers]) == 200


def test_a_client_that_is_refused_is_told_so_and_the_browser_asks_nobody_for_a_password(
    app_page: Any, server: Any
) -> None:
    """A challenge would open a dialog, and fetch would wait for it."""
    for page in (app_page, own_page(app_page, server)):
        status, refused = asking(page, server)("/token", client_secret="of whom?", **LOGIN)
        assert (status, refused["error"]) == (401, "invalid_client")


def own_page(page: Any, server: Any) -> Any:
    """Of the issuer's own origin, where fetch may open a dialog; its policy would keep it from asking anything."""
    page.context.route(f"{server.url}/blank", lambda route: route.fulfill(body="<body>", content_type="text/html"))
    page.goto(f"{server.url}/blank")
    return page


def test_a_page_of_another_origin_reads_nothing(app_page: Any, server: Any, elsewhere: Any) -> None:
    app_page.goto(f"http://localhost:{elsewhere}/")
    ask = asking(app_page, server)
    for headers in ({}, {"X-Requested-With": "fetch"}):
        assert ask("/token", headers, **LOGIN) == ["TypeError", None]
        assert ask("/revoke", headers, token="x") == ["TypeError", None]
