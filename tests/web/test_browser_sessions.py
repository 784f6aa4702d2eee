"""The session of a browser: its cookies, how long it lasts, and what ends it."""

from hashlib import sha256
from typing import Any

import pytest

from authserver.store.database import Database
from tests.harness.browser import FROM_OUR_PAGE, Browser, answer_of, is_answer, query
from tests.harness.clock import Clock
from tests.harness.constants import PASSWORD
from tests.web.interactions import SIGN_IN, csrf_of
from tests.web.serving import execute, rows


def test_cookies_have_their_flags(browser: Browser) -> None:
    first = browser.http.get(f"/authorize?{query()}", follow_redirects=False)
    (cookie,) = first.headers.get_list("set-cookie")
    name, _, rest = cookie.partition("=")
    assert name == "__Host-browser"
    assert rest.partition("; ")[2] == "Max-Age=34560000; Path=/; HttpOnly; SameSite=Lax; Secure"
    page = browser.get(first.headers["location"])
    for keep, lifetime in ({}, ""), ({"keep": "yes"}, "Max-Age=604800; "):
        fields = {"csrf": csrf_of(page), "username": "ada", "password": PASSWORD} | keep
        path = f"{page.url.path}/sign-in"
        answer = browser.http.post(path, data=fields, headers=FROM_OUR_PAGE, follow_redirects=False)
        assert answer.status_code == 303  # RFC 9700 s4.12: never 307
        (cookie,) = answer.headers.get_list("set-cookie")
        name, _, rest = cookie.partition("=")
        assert name == "__Host-session"
        assert rest.partition("; ")[2] == f"{lifetime}Path=/; HttpOnly; SameSite=Lax; Secure"


def test_a_planted_session_cookie_is_replaced_at_sign_in(browser: Browser, database: Database) -> None:
    planted = "A" * 43
    browser.http.cookies.set("__Host-session", planted, domain="as.example")
    browser.sign_in(browser.authorize())
    (row,) = rows(database, "sessions")
    assert row["secret_hash"] != sha256(planted.encode()).digest()


@pytest.mark.parametrize("settings", [{"session_idle_ttl": 600, "session_ttl": 3600}], indirect=True)
def test_a_session_ends_when_it_is_idle_or_after_its_absolute_end(browser: Browser, later: Any) -> None:
    browser.code()
    for _ in range(5):
        later(590)
        assert is_answer(browser.authorize())
    later(600)
    assert SIGN_IN in browser.authorize().text
    browser.code()
    for _ in range(6):
        later(599)
        assert is_answer(browser.authorize())
    later(599)
    assert SIGN_IN in browser.authorize().text


@pytest.mark.parametrize("settings", [{"session_idle_ttl": 600, "session_ttl": 3600}], indirect=True)
def test_a_user_who_stays_signed_in_does_so_until_the_absolute_end(browser: Browser, later: Any) -> None:
    page = browser.sign_in(browser.authorize(), keep="yes")
    browser.allow(page)
    later(3599)
    assert is_answer(browser.authorize())
    later(1)
    assert SIGN_IN in browser.authorize().text


@pytest.mark.parametrize("settings", [{"max_sessions": 2}], indirect=True)
def test_beyond_so_many_browsers_the_one_idle_longest_is_signed_out(
    browser: Browser, clock: Clock, events: list[Any]
) -> None:
    cookies = []
    for _ in range(3):
        browser.http.cookies.clear()
        browser.code()
        cookies.append(dict(browser.http.cookies))
        clock.forward(1)
    answers = []
    for kept in cookies:
        browser.http.cookies.clear()
        browser.http.cookies.update(kept)
        answers.append("code" in answer_of(browser.authorize(prompt="none")))
    assert answers == [False, True, True]
    reasons = [entry["reason"] for entry in events if entry["event"] == "session_ended"]
    assert reasons == ["the user has too many browsers"]


@pytest.mark.parametrize(
    "change",
    ["UPDATE users SET disabled = true", "UPDATE users SET credential_version = 9", "DELETE FROM users"],
)
def test_a_session_is_over_when_its_user_is_disabled_deleted_or_has_another_password(
    signed_in: Browser, database: Database, change: str
) -> None:
    execute(database, "PRAGMA foreign_keys = ON")
    execute(database, change)
    assert answer_of(signed_in.authorize(prompt="none"))["error"] == "login_required"
