"""Nobody acts for another person: browsers, tabs and accounts are kept apart."""

import pytest

from tests.harness.browser import answer_of
from tests.openid.provider import Provider, granted
from tests.web.serving import rows

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


def test_an_account_page_that_was_shown_to_one_user_goes_on_as_no_other(op: Provider) -> None:
    browser = op.signed_in()
    shown_to_ada = browser.authorize(prompt="select_account")
    assert "Continue as ada" in shown_to_ada.text
    browser.sign_in(browser.authorize(prompt="login"), username="bob")
    page = browser.submit(shown_to_ada, account="same")
    assert CHOICE in page.text and "Continue as bob" in page.text
