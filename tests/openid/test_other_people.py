"""Nobody acts for another person: browsers, tabs and accounts are kept apart."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.harness.browser import CALLBACK, FROM_OUR_PAGE, answer_of, form_of, is_answer
from tests.openid.provider import OTHER, Provider, granted, refused
from tests.web.serving import change_client, rows

CONSENT, CHOICE = 'id="allow"', 'name="account" value="same"'


@pytest.mark.parametrize("answer", ["allow", "deny"])
def test_a_consent_page_that_was_shown_to_one_user_is_no_answer_of_another(op: Provider, answer: str) -> None:
    browser, before = op.signed_in(), rows(op.database, "consents")
    shown_to_ada = browser.authorize(prompt="consent")
    assert "<strong>ada</strong>" in shown_to_ada.text
    browser.sign_in(browser.authorize(prompt="login", client_id="another"), username="bob")
    page = browser.submit(shown_to_ada, answer=answer)
    assert CONSENT in page.text and "<strong>bob</strong>" in page.text
    assert rows(op.database, "consents") == before
    code = answer_of(browser.allow(page))["code"]
    assert op.claims(granted(op.redeem(code))["id_token"])["sub"] == "u_bob"


def test_a_user_agrees_to_what_the_page_showed_and_not_to_what_the_client_may_ask_since(op: Provider) -> None:
    """A request that leaves its scope out gets whatever its client is registered for."""
    browser = op.browser()
    request = {"client_id": "another", "scope": None, "prompt": "consent"}
    page = browser.sign_in(browser.authorize(**request), username="bob")
    before = rows(op.database, "consents")
    change_client(op.database, "another", scope=(*OTHER.scope, "write"))
    page = browser.allow(page)
    assert "<code>write</code>" in page.text and rows(op.database, "consents") == before
    change_client(op.database, "another", scope=OTHER.scope)
    page = browser.allow(page)
    assert CONSENT in page.text and "<code>write</code>" not in page.text
    assert "code" in answer_of(browser.allow(page))


def test_an_account_page_that_was_shown_to_one_user_acts_for_no_other(op: Provider) -> None:
    browser = op.signed_in()
    shown_to_ada = browser.authorize(prompt="select_account")
    assert "Continue as ada" in shown_to_ada.text
    browser.sign_in(browser.authorize(prompt="login"), username="bob")
    page = browser.submit(shown_to_ada, account="same")
    assert CHOICE in page.text and "Continue as bob" in page.text


@pytest.mark.parametrize("step", ["response", "account"])
def test_a_browser_that_asks_many_times_at_once_is_always_answered(op: Provider, step: str) -> None:
    browser = op.signed_in()
    page = browser.authorize(prompt="select_account")
    url, fields = form_of(page)
    if step == "response":
        browser.submit(page, account="same")
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.http.cookies.jar)

    def ask(_: int) -> Any:
        headers = {"Cookie": cookies}
        if step == "response":
            return op.http.get(page.url.path, headers=headers, follow_redirects=False)
        sent = fields | {"account": "same"}
        return op.http.post(url, data=sent, headers=headers | FROM_OUR_PAGE, follow_redirects=False)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(24)))
    assert {answer.status_code for answer in answers} <= {200, 303}
    codes = [answer_of(each)["code"] for each in answers if is_answer(each) and CALLBACK in each.text]
    granted(op.redeem(answer_of(browser.get(page.url.path))["code"]))
    assert all(refused(op.redeem(code), "invalid_grant") for code in codes), "only the last code counts"
