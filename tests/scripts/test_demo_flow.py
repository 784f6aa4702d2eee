"""scripts/demo with a real issuer: what a person sees who signs in, refuses, refreshes and signs out."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import Any

import pytest
import uvicorn

from authserver.testing import Issuer, running_issuer
from authserver.testing.browser import sign_in as sign_in_with
from scripts.demo.app import SCOPE, Demo
from tests.harness.chromium import launched, needs_chromium
from tests.harness.constants import LONG, PASSWORD
from tests.harness.plain_browser import PlainBrowser, sign_in

SECRET = "as_generated-43-characters-of-base64url-here"
CLAIMS = {"name": "Ada <Lovelace>", "email": "ada@example.com"}


@dataclass(frozen=True)
class Running:
    issuer: Issuer
    url: str
    """Of the demo."""


@contextmanager
def running() -> Iterator[Running]:
    with running_issuer() as issuer, socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        issuer.user("ada", PASSWORD, claims=CLAIMS)
        client_id = issuer.client(SCOPE, secret=SECRET, redirect_uris=[f"{url}/callback"])
        app = Demo(url, issuer.url, client_id, SECRET).app()
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield Running(issuer, url)
        finally:
            server.should_exit = True
            thread.join(LONG)


@pytest.fixture(scope="module")
def demo() -> Iterator[Running]:
    with running() as demo:
        yield demo


@pytest.fixture
def browser(demo: Running) -> Iterator[PlainBrowser]:
    with PlainBrowser() as browser:
        browser.open(demo.url)
        yield browser


def test_someone_signs_in_looks_refreshes_and_signs_out(demo: Running, browser: PlainBrowser) -> None:
    browser.follow("start")
    page = sign_in(browser, "ada", PASSWORD)
    assert page.url == f"{demo.url}/" and page.texts["name"] == CLAIMS["name"]
    assert "nonce" in page.text and "grant_id" in page.text and " (in 1" in page.text
    before = page.texts["refresh-token"]
    page = browser.press("refresh")
    assert page.texts["refreshes"] == "1" and page.texts["refresh-token"] != before
    page = browser.press("sign-out")
    assert "start" in page.links and "signed out" in page.texts["notice"]
    assert "notice" not in browser.open(demo.url).texts


def test_sign_out_ends_the_authorization(browser: PlainBrowser, events: list[Any]) -> None:
    browser.follow("start")
    sign_in(browser, "ada", PASSWORD)
    browser.press("sign-out")
    assert "revoked" in [entry["event"] for entry in events]


def test_someone_signs_out_at_the_server_too(demo: Running, browser: PlainBrowser) -> None:
    browser.follow("start")
    sign_in(browser, "ada", PASSWORD)
    browser.press("sign-out")
    assert "You are signed out" in browser.follow("leave").text
    browser.open(demo.url)
    assert "password" in browser.follow("start").text


def test_someone_who_does_not_allow_it_is_told_so_and_can_try_again(demo: Running, browser: PlainBrowser) -> None:
    demo.issuer.user("grace", PASSWORD)
    browser.follow("start")
    browser.press("sign-in", username="grace", password=PASSWORD)
    page = browser.press("deny")
    assert page.status == 400 and "You did not allow" in page.text
    browser.open(demo.url)
    browser.follow("start")
    assert browser.press("allow").texts["name"] == "grace"  # who has told no other name


def test_someone_else_can_sign_in_although_the_browser_is_known(demo: Running, browser: PlainBrowser) -> None:
    browser.follow("start")
    sign_in(browser, "ada", PASSWORD)
    browser.press("sign-out")
    assert "password" in browser.follow("again").text
    browser.open(demo.url)
    assert browser.follow("start").texts["name"] == CLAIMS["name"]


@pytest.mark.parametrize(
    "query", ["", "code=c&state=s", "error=server_error", "code=c&state=s&iss=https://other.example"]
)
def test_an_answer_that_the_demo_did_not_ask_for_is_refused(demo: Running, browser: PlainBrowser, query: str) -> None:
    page = browser.open(f"{demo.url}/callback?{query}")
    assert page.status == 400 and page.texts["error"]


def test_a_sign_in_that_the_server_has_ended_is_told() -> None:
    with running() as demo, PlainBrowser() as browser:
        browser.open(demo.url)
        browser.follow("start")
        sign_in(browser, "ada", PASSWORD)
        demo.issuer.clock.forward(31 * 86400)
        page = browser.press("refresh")
        assert page.status == 400 and "ended this sign-in" in page.text
        assert "start" in browser.open(demo.url).links


def test_a_server_that_is_down_is_told(demo: Running, browser: PlainBrowser) -> None:
    browser.follow("start")
    sign_in(browser, "ada", PASSWORD)
    with demo.issuer.down():
        assert browser.press("refresh").status == 502
    assert browser.open(demo.url).texts["name"] == CLAIMS["name"]


@needs_chromium
def test_the_demo_signs_in_refreshes_and_signs_out_in_chromium(demo: Running) -> None:
    complaints: list[str] = []
    with launched() as browser, browser.new_context() as context:
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(demo.url)
        page.click("#start")
        page.wait_for_selector("#password")
        sign_in_with(page, "ada", PASSWORD)
        page.wait_for_selector("#name")
        assert page.inner_text("#name") == CLAIMS["name"]
        page.click("#refresh")
        page.wait_for_selector("#refreshes")
        page.click("#sign-out")
        page.wait_for_selector("#start")
    assert complaints == []
