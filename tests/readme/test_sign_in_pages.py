"""The how-to pages on sign-in: their blocks run, and then somebody signs in to the app that they build."""

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.harness import npm
from tests.harness.chromium import launched, needs_chromium
from tests.harness.npm import needs_npm
from tests.harness.plain_browser import PlainBrowser, sign_in
from tests.readme.blocks import ROOT, Block, blocks
from tests.readme.pages import Session, session
from tests.web.serving import wait_until

FASTAPI, BROWSER, NATIVE, DEVICE = (
    f"docs/how-to/sign-in-{app}.md" for app in ("fastapi", "browser-app", "native-app", "device")
)
USER = ("ada", "correct horse battery staple")
OAUTH4WEBAPI = "oauth4webapi@3.8.8"
DRIVER = f"""#!{sys.executable}
import sys

sys.path.insert(0, {str(ROOT)!r})
from tests.harness.plain_browser import PlainBrowser, sign_in

with PlainBrowser() as browser:
    browser.open(sys.argv[1])
    print(sign_in(browser, *{USER!r}).text)
"""

pytestmark = pytest.mark.slow


def of(page: str) -> list[Block]:
    return blocks((ROOT / page).read_text())


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[str], Session]]:
    """`opened(page)`: a terminal in which every block of the page has run."""
    with ExitStack() as stack:

        def opened(page: str) -> Session:
            terminal = stack.enter_context(session(tmp_path.resolve(), page))
            terminal.run(of(page))
            return terminal

        yield opened


def test_the_fastapi_app_signs_a_user_in_and_out(opened: Callable[[str], Session]) -> None:
    app = f"http://127.0.0.1:{opened(FASTAPI).ports['9000']}/"
    with PlainBrowser() as browser:
        browser.open(app)
        browser.follow("start")
        assert "Hello Ada Lovelace!" in sign_in(browser, *USER).text
        assert "start" in browser.press("out").links
        assert "Hello Ada Lovelace!" in browser.follow("start").text  # the server still knows the browser
        browser.open(f"{app}callback?error=access_denied")
        assert browser.page.status == 400


def test_the_native_app_signs_a_user_in(opened: Callable[[str], Session]) -> None:
    terminal = opened(NATIVE)
    driver = terminal.notes / "browser"
    driver.write_text(DRIVER)
    driver.chmod(0o755)
    [command] = [block.text for block in of(NATIVE) if block.text.startswith("python3 notes_cli.py")]
    [shown] = [block.text for block in of(NATIVE) if block.kind == "text"]
    # `&`: Python's webbrowser does not wait for it, as it does not for a window that opens.
    pasted = terminal.shell.paste(f"BROWSER='{driver} %s &' {terminal.here(command)}")
    assert not pasted.failed, pasted
    assert shown.partition("u_")[0] in pasted.out


def test_the_device_signs_a_user_in(opened: Callable[[str], Session]) -> None:
    terminal = opened(DEVICE)
    [command] = [block.text for block in of(DEVICE) if block.text.startswith("python3 notes_tv.py")]
    [begun, done] = [terminal.here(block.text) for block in of(DEVICE) if block.kind == "text"]
    terminal.shell.paste(f"{terminal.here(command).strip()} > tv.log 2>&1 &")
    log = terminal.folder / "tv.log"
    wait_until(lambda: log.exists() and log.read_text().endswith("\n\n"))
    page, code = re.findall(r"http://\S+/device|[A-Z]{4}-[A-Z]{4}", log.read_text())
    assert log.read_text() == begun.replace("BCDF-GHJK", code)
    with PlainBrowser() as browser:
        browser.open(page)
        browser.press("continue", user_code=code.lower())
        assert code in browser.press("sign-in", username=USER[0], password=USER[1]).text
        assert "device-done" in browser.press("allow").texts
    wait_until(lambda: log.read_text().endswith(done))


@needs_npm
@needs_chromium
def test_the_browser_app_signs_a_user_in(opened: Callable[[str], Session]) -> None:
    terminal = opened(BROWSER)
    npm.install(terminal.folder, OAUTH4WEBAPI)
    shutil.copy(terminal.folder / "node_modules/oauth4webapi/build/index.js", terminal.folder / "oauth4webapi.js")
    for name, kind in (("index.html", "html"), ("app.js", "javascript")):
        [text] = [block.text for block in of(BROWSER) if block.kind == kind]
        (terminal.folder / name).write_text(terminal.here(text))
    [serve] = [block.text.splitlines()[-1] for block in of(BROWSER) if "http.server" in block.text]
    terminal.shell.paste(f"{terminal.here(serve)} > served.log 2>&1 &")
    app = f"http://127.0.0.1:{terminal.ports['9000']}/"
    terminal.shell.paste(f"curl -s --retry 20 --retry-delay 1 --retry-connrefused {app}")
    with launched() as browser, browser.new_context() as context:
        page = context.new_page()
        page.goto(app)
        page.click("#start")
        allow(page)
        page.get_by_text("Hello Ada Lovelace!").wait_for()  # runs no script, which the server's pages would forbid
        assert page.url == app


def allow(page: Any) -> None:
    page.fill("#username", USER[0])
    page.fill("#password", USER[1])
    page.click("#sign-in")
    page.click("#allow")
