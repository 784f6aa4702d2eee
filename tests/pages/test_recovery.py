"""People create an account and choose a new password with Chromium, on the server itself, by the links in mails."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from authserver.testing import Issuer, running_issuer
from tests.harness.chromium import Tabs, needs_chromium
from tests.harness.constants import PASSWORD
from tests.harness.mails import mails_in, text_of
from tests.pages.watched import listen

pytestmark = needs_chromium
NEW = "a different battery staple"
NewPage = Callable[..., Any]
WAYS = pytest.mark.parametrize(("locale", "scripts"), [("en-US", False), ("de-DE", True)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the mails are."""
    return tmp_path_factory.mktemp("mails")


@pytest.fixture(scope="module")
def issuer(folder: Path) -> Iterator[Issuer]:
    """With the user ada, who can be mailed to."""
    with running_issuer(sign_up="on", smtp_url=f"file:{folder}") as issuer:
        issuer.user("ada", PASSWORD, claims={"email": "ada@example.com", "email_verified": True})
        yield issuer


@pytest.fixture
def new_page(tabs: Tabs, issuer: Issuer) -> Iterator[NewPage]:
    """`new_page(locale="de-DE")`: the page of a new browser, and what it complains of."""

    def new_page(**options: Any) -> tuple[Any, list[str]]:
        page, messages = tabs.take(**options), list[str]()
        listen(page, messages.append)
        return page, messages

    yield new_page
    tabs.give_back()


def mailed_link(issuer: Issuer, folder: Path) -> str:
    """The link in the newest mail, once all were sent."""
    issuer._server.deliver_messages()
    (link,) = [line for line in text_of(mails_in(folder)[-1]).splitlines() if "?link=" in line]
    return link


@WAYS
def test_a_person_creates_an_account(
    new_page: NewPage, issuer: Issuer, folder: Path, locale: str, scripts: bool
) -> None:
    page, messages = new_page(locale=locale, java_script_enabled=scripts)
    address = f"eve-{locale.lower()}@example.com"
    page.goto(f"{issuer.url}/account/sign-in")
    page.click("#create")
    page.fill("#email", address)
    page.keyboard.press("Enter")
    page.wait_for_selector("#sent")
    page.goto(mailed_link(issuer, folder))
    page.keyboard.type("password1")
    page.keyboard.press("Enter")
    page.wait_for_selector("#error")
    page.fill("#password", NEW)
    # With no-referrer in place of strict-origin, Chromium would send "Origin: null", and the form would be refused.
    page.keyboard.press("Enter")
    page.wait_for_selector("#sessions")
    assert page.url == f"{issuer.url}/account" and address in page.inner_text("footer")
    assert not [text for text in messages if "422" not in text]


@WAYS
def test_a_person_who_forgot_the_password_chooses_a_new_one(
    new_page: NewPage, issuer: Issuer, folder: Path, locale: str, scripts: bool
) -> None:
    page, messages = new_page(locale=locale, java_script_enabled=scripts)
    asked: list[Any] = []
    page.on("request", lambda request: asked.append(request))
    page.goto(f"{issuer.url}/account/sign-in")
    page.click("#forgot")
    page.fill("#email", "ada@example.com")
    page.click("#send")
    page.wait_for_selector("#sent")
    page.goto(mailed_link(issuer, folder))
    page.fill("#password", f"{NEW} {locale}")
    page.click("#choose")
    page.wait_for_selector("#reset-done")
    page.click("#account")
    page.fill("#username", "ada")
    page.fill("#password", f"{NEW} {locale}")
    page.click("#sign-in")
    page.wait_for_selector("#sessions")
    assert messages == []
    assert not [request.url for request in asked if "link=" in request.headers.get("referer", "")]
