"""An interaction, between /authorize and the response: its tabs, its browser, its end."""

import json
from typing import Any

import pytest

from authserver.store.database import Database
from tests.harness.browser import Browser, answer_of, query
from tests.harness.clock import Clock
from tests.harness.markup import Markup
from tests.web.interactions import CONSENT, SIGN_IN, error_page
from tests.web.serving import change_client, rows


def test_a_response_that_was_lost_can_be_asked_for_again_until_its_code_is_redeemed(
    browser: Browser, redeem: Any
) -> None:
    page = browser.sign_in(browser.authorize())
    lost = answer_of(browser.allow(page))["code"]
    code = answer_of(browser.get(str(page.url)))["code"]
    assert redeem(lost).json()["error"] == "invalid_grant"
    assert redeem(code).status_code == 200
    assert error_page(browser.get(str(page.url)), 409, "already complete")


def test_two_tabs_do_not_get_into_each_others_way(browser: Browser) -> None:
    first, second = browser.authorize(state="first"), browser.authorize(state="second")
    second = browser.sign_in(second)
    first = browser.sign_in(first)  # the form was shown before the other tab signed in
    assert answer_of(browser.allow(second))["state"] == "second"
    assert answer_of(browser.allow(first))["state"] == "first"


@pytest.mark.parametrize("is_shown", [False, True])
def test_two_tabs_that_begin_in_a_new_browser_at_once_can_both_finish(browser: Browser, is_shown: bool) -> None:
    """Neither request has a cookie, so that each response sets one, and the later replaces the other: before the first
    tab shows its page, or afterwards."""
    first = browser.http.get(f"/authorize?{query(state='first')}", follow_redirects=False)
    page = browser.get(first.headers["location"]) if is_shown else None
    browser.http.cookies.clear()
    second = browser.authorize(state="second")
    refused = browser.sign_in(page) if page is not None else browser.get(first.headers["location"])
    assert error_page(refused, 400, "another tab that began at the same moment")
    again = browser.get(Markup(refused.text).by_id("again")["href"])
    assert SIGN_IN in again.text
    assert answer_of(browser.allow(browser.sign_in(second)))["state"] == "second"
    assert answer_of(browser.sign_in(again))["state"] == "first"


def test_beginning_again_is_limited_like_beginning_and_needs_an_interaction(browser: Browser) -> None:
    page = browser.authorize()
    browser.http.cookies.clear()
    assert error_page(browser.get(f"/interaction/{'0' * 32}?again=yes"), 400, "has expired")
    answers = [browser.get(f"{page.url.path}?again=yes") for _ in range(60)]
    assert SIGN_IN in answers[0].text and answers[-1].status_code == 429


def test_a_browser_that_keeps_no_cookies_is_told_so_each_time(browser: Browser) -> None:
    """There is no loop: the person asks for each step."""
    page = browser.authorize()
    for _ in range(3):
        browser.http.cookies.clear()
        told = browser.get(str(page.url))
        assert error_page(told, 400, "did not send our cookies")
        begun = browser.http.get(Markup(told.text).by_id("again")["href"], follow_redirects=False)
        assert begun.status_code == 303
        page = browser.http.get(begun.headers["location"], headers={"Cookie": ""}, follow_redirects=False)


def test_a_tab_whose_user_was_replaced_in_another_tab_asks_the_new_user(browser: Browser, bob: str) -> None:
    """What one user has done for an interaction counts for that user alone."""
    first = browser.sign_in(browser.authorize(prompt="login consent"))
    assert CONSENT in first.text
    browser.sign_in(browser.authorize(prompt="login"), username=bob)
    assert SIGN_IN in browser.allow(first).text
    assert SIGN_IN in browser.get(str(first.url)).text


def test_an_interaction_is_bound_to_the_browser_that_began_it(browser: Browser) -> None:
    page = browser.authorize()
    url = str(page.url)
    kept = browser.http.cookies.get("__Host-browser")
    browser.http.cookies.clear()
    assert error_page(browser.get(url), 400, "did not send our cookies")
    browser.authorize()
    assert browser.http.cookies.get("__Host-browser") != kept
    assert error_page(browser.get(url), 400, "began somewhere else")


def test_an_interaction_expires_after_half_an_hour(browser: Browser, clock: Clock, later: Any) -> None:
    page = browser.authorize()
    later(1799)
    assert SIGN_IN in browser.get(str(page.url)).text
    clock.forward(1)
    assert error_page(browser.get(str(page.url)), 400, "has expired")
    assert error_page(browser.sign_in(page), 400, "has expired")
    for path in ("/interaction/", "/interaction/" + "0" * 32, "/interaction/" + "x" * 32, "/interaction/0"):
        assert browser.http.get(path).status_code in (400, 404)


def test_oidc_core_3_1_2_1_errors_are_in_the_language_that_the_client_asked_for(browser: Browser) -> None:
    german: dict[str, Any] = {"ui_locales": "de"}
    unknown, elsewhere = browser.authorize(client_id="x", **german), browser.authorize(redirect_uri="x:y", **german)
    page = browser.authorize(**german)
    forged = browser.submit(page, headers={"Origin": "https://evil.example"})
    browser.http.cookies.clear()
    browser.authorize()
    foreign = browser.get(str(page.url))
    for error, status in ((unknown, 400), (elsewhere, 400), (forged, 403), (foreign, 400)):
        assert error_page(error, status, 'lang="de"')


def test_what_is_stored_of_a_request_names_no_secret_and_is_json(browser: Browser, database: Database) -> None:
    browser.authorize(state=b"\xff", nonce="n")
    (row,) = rows(database, "interactions")
    values, resources = json.loads(row["request"])
    assert values["state"] == "\udcff" and values["nonce"] == "n" and resources == []


def test_the_clients_registration_is_checked_again_at_every_step(browser: Browser, database: Database) -> None:
    page = browser.sign_in(browser.authorize())
    change_client(database, "sso", scope=("openid",))
    assert answer_of(browser.allow(page))["error"] == "invalid_scope"
    change_client(database, "sso", redirect_uris=("https://client.example/other",))
    assert error_page(browser.get(str(page.url)), 400, "has expired")
    change_client(database, "sso", disabled=True)
    assert error_page(browser.get(str(page.url)), 400, "has expired")
