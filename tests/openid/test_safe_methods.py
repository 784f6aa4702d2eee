"""RFC 9110 s9.2.1: HEAD is a safe method. What previews links sends it, with or without the cookies of a browser."""

from typing import Any

import pytest

from tests.contract.document import operations
from tests.harness.browser import Browser, query
from tests.openid.provider import Provider, granted
from tests.web.serving import everything, rows

PAGES = [
    name.removeprefix("get ").replace("{interaction}", "0" * 32)
    for name, operation in operations().items()
    if name.startswith("get ") and {"Sign-in", "Account"} & set(operation["tags"])
]


def state(op: Provider) -> Any:
    attempts = [row for row in rows(op.database, "attempts") if row["expires_at"]]  # the server prunes the others
    return everything(op.database), rows(op.database, "events"), attempts


def assert_changes_nothing(op: Provider, browser: Browser, url: str) -> None:
    before, cookies = state(op), dict(browser.http.cookies)
    response = browser.http.request("HEAD", url, follow_redirects=False)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["cache-control"] == "no-store"
    assert not {"location", "set-cookie", "content-length"} & response.headers.keys()
    assert (state(op), dict(browser.http.cookies)) == (before, cookies)


@pytest.mark.parametrize("request_", [{}, {"prompt": "login"}, {"prompt": "none"}, {"response_mode": "form_post"}])
def test_a_head_of_authorize_makes_no_code_and_begins_nothing(op: Provider, request_: dict[str, str]) -> None:
    for browser in (op.signed_in(), op.browser()):
        assert_changes_nothing(op, browser, f"/authorize?{query(**request_)}")


def test_a_head_of_an_interaction_answers_nobody(op: Provider) -> None:
    browser = op.browser()
    page = browser.authorize()
    browser.sign_in(op.browser().authorize())  # in another tab
    assert_changes_nothing(op, browser, page.url.path)
    assert_changes_nothing(op, op.browser(), f"{page.url.path}?again=yes")


@pytest.mark.parametrize("path", ["/logout", "/logout/confirm"])
def test_a_head_of_logout_ends_no_session(op: Provider, path: str) -> None:
    browser = op.signed_in()
    hint = granted(op.redeem(browser.code()))["id_token"]
    assert_changes_nothing(op, browser, f"{path}?id_token_hint={hint}")


@pytest.mark.parametrize("path", [path for path in PAGES if "/0" not in path or path.count("/") == 2])
def test_a_head_of_any_page_changes_nothing(op: Provider, path: str) -> None:
    assert_changes_nothing(op, op.signed_in(), path)
