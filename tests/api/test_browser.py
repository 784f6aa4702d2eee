"""The cookie in Chromium: no script reads it, our own page uses it, a page of another origin cannot."""

import shutil
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import sync_playwright

from tests.api.running import running
from tests.support import PASSWORD

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
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
FORM = """([address, type, name]) => {
    const form = document.createElement("form");
    Object.assign(form, {method: "post", action: address, enctype: type});
    const field = document.createElement("input");
    if (name) form.append(Object.assign(field, {name: name, value: '"}'}));
    document.body.append(form);
    form.submit();
}"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


class Blank(BaseHTTPRequestHandler):
    """Somebody else's page."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><body></body>")

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def server(tmp_path_factory, password_hash):
    with running(tmp_path_factory.mktemp("browser"), password_hash) as server:
        yield server


@pytest.fixture(scope="module")
def elsewhere():
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
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, server):
    """One of the issuer's own; the greeting's policy forbids fetch, which an app's own page would allow."""
    with browser.new_context(bypass_csp=True) as context:
        page = context.new_page()
        page.goto(f"{server.url}/")
        yield page


@pytest.fixture
def logged_in(page):
    status, body, visible = page.evaluate(
        CALL, ["/api/login", {"username": "ada", "password": PASSWORD, "cookie": True}]
    )
    assert (status, visible) == (200, "") and "refresh_token" not in body
    return page


def cookies(page):
    return [cookie for cookie in page.context.cookies() if cookie["name"] == "refresh_token"]


def test_our_own_page(logged_in):
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
def test_another_origin_of_the_same_site_sends_the_cookie_in_vain(logged_in, server, elsewhere, path):
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
def test_another_origin_reads_no_answer(logged_in, server, elsewhere, host, headers):
    before = cookies(logged_in)
    evil = logged_in.context.new_page()
    evil.goto(f"http://{host}:{elsewhere}/")
    for path in ("/api/refresh-token", "/api/logout", "/api/login"):
        assert evil.evaluate(FROM_ELSEWHERE, [server.url + path, {"headers": headers}]) == "TypeError"
    assert cookies(logged_in) == before


@pytest.mark.parametrize("path", ["/api/refresh-token", "/api/logout"])
def test_another_site_does_not_even_send_it(logged_in, server, elsewhere, path):
    before = cookies(logged_in)
    evil = logged_in.context.new_page()
    evil.goto(f"http://localhost:{elsewhere}/")
    with evil.expect_response(server.url + path) as response:
        evil.evaluate(FROM_ELSEWHERE, [server.url + path, {"mode": "no-cors"}])
    assert response.value.status in (400, 401)  # with the cookie it would be 403
    assert cookies(logged_in) == before


def test_a_form_elsewhere_cannot_log_the_user_out(logged_in, server, elsewhere):
    """A form takes the browser to the answer, and then SameSite keeps no Set-Cookie out."""
    before = cookies(logged_in)
    evil = logged_in.context.new_page()
    evil.goto(f"http://localhost:{elsewhere}/")
    with evil.expect_response(f"{server.url}/api/logout") as response:
        evil.evaluate(FORM, [f"{server.url}/api/logout", "application/x-www-form-urlencoded", None])
    assert response.value.status == 400
    assert cookies(logged_in) == before


def test_a_form_elsewhere_cannot_log_somebody_in(page, server, elsewhere):
    """text/plain makes JSON of a field: {"username": ..., "cookie": true, "x": "="}"""
    json = f'{{"username": "ada", "password": "{PASSWORD}", "cookie": true, "x": "'
    evil = page.context.new_page()
    evil.goto(f"http://localhost:{elsewhere}/")
    with evil.expect_response(f"{server.url}/api/login") as response:
        evil.evaluate(FORM, [f"{server.url}/api/login", "text/plain", json])
    assert response.value.status == 400
    assert cookies(page) == []
