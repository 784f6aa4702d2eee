"""Forms that no page of ours posted in this browser."""

from typing import Any

import pytest

from authserver.store.database import Database
from tests.harness.browser import FROM_OUR_PAGE, Browser
from tests.harness.constants import PASSWORD
from tests.web.interactions import csrf_of, error_page
from tests.web.serving import rows


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        FROM_OUR_PAGE | {"Sec-Fetch-Site": "cross-site"},
        FROM_OUR_PAGE | {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("step", ["sign_in", "allow"])
def test_a_form_of_another_page_changes_nothing(
    browser: Browser, database: Database, headers: Any, step: str, events: list[Any]
) -> None:
    page = browser.authorize()
    if step == "allow":
        page = browser.sign_in(page)
    before = rows(database, "interactions"), rows(database, "attempts")
    answer = browser.submit(page, headers=headers, username="ada", password=PASSWORD, answer="allow")
    assert error_page(answer, 403, "This form cannot be accepted")
    assert (rows(database, "interactions"), rows(database, "attempts")) == before
    assert [entry["event"] for entry in events if entry["event"] != "refused"][-1] == "form_forged"


@pytest.mark.parametrize("csrf", ["", "x", "\udc80", "é" * 43])
def test_a_form_with_another_token_changes_nothing(browser: Browser, csrf: str) -> None:
    page = browser.authorize()
    sent = {"csrf": csrf.encode(errors="surrogateescape"), "username": "ada", "password": PASSWORD}
    answer = browser.http.post(f"{page.url.path}/sign-in", data=sent, headers=FROM_OUR_PAGE)
    assert error_page(answer, 403, "This form cannot be accepted")


def test_a_form_with_the_token_of_another_browser_is_refused(browser: Browser) -> None:
    """An attacker may show a form with a token of their own browser, to sign the victim in as themselves."""
    attackers = csrf_of(browser.authorize())
    browser.http.cookies.clear()
    answer = browser.sign_in(browser.authorize(), csrf=attackers)
    assert error_page(answer, 403, "This form cannot be accepted")
