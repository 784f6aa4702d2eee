"""The consent page: when a user is asked, for what, and what a refusal means."""

import re
from typing import Any

import pytest

from authserver.store.database import Database
from tests.harness.browser import Browser, answer_of, is_answer
from tests.harness.constants import ISSUER
from tests.web.interactions import CONSENT
from tests.web.serving import change_client, rows


def test_consent_is_remembered_grows_and_says_what_is_new(signed_in: Browser, database: Database) -> None:
    page = signed_in.authorize(scope="openid read email", claims='{"userinfo": {"birthdate": null}}')
    assert page.text.count('class="new"') == 2  # the scope and the claim
    signed_in.allow(page)
    (consent,) = rows(database, "consents")
    assert (consent["scope"], consent["claims"]) == ("openid read email", "birthdate")
    assert is_answer(signed_in.authorize(scope="email"))


@pytest.mark.parametrize(
    ("language", "told"), [("en", "Know that you signed in"), ("de", "Erfahren, dass Sie sich angemeldet haben")]
)
def test_a_consent_page_that_asks_for_nothing_says_what_is_told_all_the_same(
    browser: Browser, database: Database, language: str, told: str
) -> None:
    change_client(database, "sso", scope=("openid", "offline_access"))
    page = browser.sign_in(browser.authorize(scope=None, ui_locales=language))
    assert CONSENT in page.text and re.findall("<li>(.*)</li>", page.text) == [told]
    assert "code" in answer_of(browser.allow(page))
    assert re.findall("<li>(.*)</li>", browser.authorize(scope="openid", ui_locales=language).text) != [told]


def test_a_client_of_the_operators_own_needs_no_consent_unless_it_asks_for_it(
    browser: Browser, database: Database
) -> None:
    change_client(database, "sso", first_party=True)
    assert is_answer(browser.sign_in(browser.authorize()))
    assert CONSENT in browser.authorize(prompt="consent").text


def test_a_consent_page_of_one_user_agrees_and_denies_for_no_other(
    browser: Browser, bob: str, database: Database
) -> None:
    first = browser.sign_in(browser.authorize())
    assert CONSENT in first.text
    assert CONSENT in browser.sign_in(browser.authorize(prompt="login"), username=bob).text
    for answer in (browser.allow, browser.deny):
        assert CONSENT in answer(first).text and rows(database, "consents") == []
    assert is_answer(browser.allow(browser.get(str(first.url))))
    assert [row["user_id"] for row in rows(database, "consents")] == ["u_bob"]


def test_deny_is_access_denied_whatever_comes_after_rfc6749_4_1_2_1(
    browser: Browser, database: Database, events: list[Any]
) -> None:
    page = browser.sign_in(browser.authorize())
    answer = answer_of(browser.deny(page))
    assert (answer["error"], answer["state"], answer["iss"]) == ("access_denied", "a state", ISSUER)
    # The response may have been lost, and the person may have changed their mind, which is for a new request.
    for again in (browser.get(page.url.path), browser.deny(page), browser.allow(page), browser.sign_in(page)):
        assert answer_of(again) == answer
    assert rows(database, "codes") == [] and rows(database, "consents") == []
    assert [entry["event"] for entry in events].count("consent_denied") == 1
