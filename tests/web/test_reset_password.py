"""A new password by a link, and the ways in which somebody could take over an account with one."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

from authserver.domain.links import LIFETIME
from authserver.domain.models import User
from authserver.settings import Settings
from authserver.store import user_claims, users
from authserver.store.database import Database
from tests.harness.browser import FROM_OUR_PAGE, Browser, form_of
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER, PASSWORD
from tests.harness.new_links import reset_link
from tests.web.serving import everything, rows

NEW = "a different battery staple"
GONE = "This link no longer works"


@pytest.fixture
def new_link(database: Database, settings: Settings, clock: Clock) -> Callable[..., str]:
    """`new_link()`: the path and query of a new one for ada."""

    def new_link(username: str = "ada") -> str:
        parts = urlsplit(reset_link(database, settings, clock(), username))
        return f"{parts.path}?{parts.query}"

    return new_link


@pytest.fixture
def person(http: TestClient) -> Browser:
    return Browser(http)


def post(browser: Browser, page: Any, password: str = NEW, /, **headers: str) -> Any:
    """The response to the page's form itself."""
    action, fields = form_of(page)
    data = fields | {"password": password}
    return browser.http.post(action, data=data, headers=FROM_OUR_PAGE | headers, follow_redirects=False)


def can_sign_in(browser: Browser, password: str) -> bool:
    browser.http.cookies.clear()
    return "<strong>ada</strong>" in browser.sign_in(browser.get("/account/sign-in"), password=password).text


def test_the_new_password_counts_and_the_old_one_does_not(person: Browser, new_link: Callable[..., str]) -> None:
    page = person.get(new_link())
    assert "<strong>ada</strong>" in page.text and 'autocomplete="new-password"' in page.text
    done = person.submit(page, password=NEW)
    assert done.status_code == 200 and "Your password was changed" in done.text
    assert can_sign_in(person, NEW) and not can_sign_in(person, PASSWORD)


def test_everything_that_began_with_the_old_password_ends(
    browser: Browser,
    redeem: Callable[..., Any],
    refresh: Callable[..., Any],
    new_link: Callable[..., str],
    database: Database,
) -> None:
    offline = redeem(browser.code(scope="openid offline_access")).json()["refresh_token"]
    unused = browser.code()
    ended = post(browser, browser.get(new_link()))
    assert ended.status_code == 303 and "__Host-session=;" in ended.headers["set-cookie"]
    assert [session["ended_at"] is not None for session in rows(database, "sessions")] == [True]
    assert refresh(offline, "sso").json()["error"] == "invalid_grant"
    assert redeem(unused).json()["error"] == "invalid_grant"
    assert {row["revoked_reason"] for row in rows(database, "authorizations")} == {"password_changed"}
    assert 'id="sign-in"' in browser.get("/account").text


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("sh0rt!", "too short. It needs at least 8 characters."),
        ("password1", "attackers try it first"),
        ("bcdefghijk", "a run like abcdef"),
        ("x" * 1025, "too long"),
    ],
)
def test_a_password_that_is_easily_guessed_is_refused_and_the_link_still_works(
    person: Browser, new_link: Callable[..., str], events: list[Any], password: str, words: str
) -> None:
    page = person.get(new_link())
    again = post(person, page, password)
    assert again.status_code == 422 and words in again.text and "Error:" in again.text
    assert password not in again.text and password not in str(events)
    assert [entry["reason"].partition(":")[0] for entry in events if entry["event"] == "refused"] == ["weak password"]
    assert post(person, again).status_code == 303


def test_reuse_a_link_that_was_used_does_nothing(person: Browser, new_link: Callable[..., str], events: Any) -> None:
    link = new_link()
    page = person.get(link)
    assert post(person, page).status_code == 303
    again = post(person, page, "the attacker's own password")
    assert again.status_code == 400 and GONE in again.text and 'id="again"' not in again.text, "there is no mail"
    assert person.get(link).status_code == 400
    assert {entry["reason"] for entry in events if entry["event"] == "refused"} == {"link used already"}
    assert can_sign_in(person, NEW)


def test_prefetch_opening_a_link_changes_nothing(
    person: Browser, new_link: Callable[..., str], database: Database
) -> None:
    """As programs that check mail do, without cookies and more than once."""
    link = new_link()
    before = everything(database)
    for method in ("GET", "HEAD", "GET"):
        person.http.cookies.clear()
        assert person.http.request(method, link).status_code == 200
    assert everything(database) == before
    assert post(person, person.get(link)).status_code == 303


def test_two_links_the_newer_one_replaces_the_older(person: Browser, new_link: Callable[..., str]) -> None:
    older, newer = new_link(), new_link()
    assert GONE in person.get(older).text
    assert post(person, person.get(newer)).status_code == 303


def test_old_credential_version_a_link_from_before_another_change_of_the_password_is_dead(
    person: Browser, new_link: Callable[..., str], database: Database, password_hash: str, events: Any
) -> None:
    page = person.get(new_link())
    with database.begin() as connection:
        users.set_password(connection, "ada", password_hash)
    assert GONE in post(person, page).text
    assert events[-1]["reason"] == "password changed since"
    assert can_sign_in(person, PASSWORD)


def test_old_address_a_link_from_before_a_change_of_the_address_is_dead(
    person: Browser, new_link: Callable[..., str], database: Database
) -> None:
    page = person.get(new_link())
    with database.begin() as connection:
        user_claims.replace(connection, "u_ada", {"email": "new@example.com", "email_verified": True})
    assert GONE in post(person, page).text


def test_a_late_link_and_one_of_a_disabled_user_are_dead(
    person: Browser, new_link: Callable[..., str], database: Database, clock: Clock
) -> None:
    link = new_link()
    clock.forward(LIFETIME - 1)
    page = person.get(link)
    assert page.status_code == 200
    clock.forward(1)
    assert GONE in post(person, page).text
    link = new_link()
    with database.begin() as connection:
        users.set_disabled(connection, "ada", True)
    assert GONE in person.get(link).text


@pytest.mark.parametrize(
    "change", [lambda text: text[:-1], lambda text: text + "A", lambda text: text[:-1] + "!", str.lower]
)
def test_a_secret_that_was_made_up_is_told_nothing_else(
    person: Browser, new_link: Callable[..., str], change: Callable[[str], str]
) -> None:
    path, _, secret = new_link().partition("=")
    for wrong in (change(secret), "", "lk_" + "A" * 64, "\u00e9"):
        page = person.http.get(path, params={"link": wrong})
        assert page.status_code == 400 and GONE in page.text


def test_csrf_a_form_of_another_site_or_browser_changes_nothing(
    person: Browser, new_link: Callable[..., str], database: Database
) -> None:
    page = person.get(new_link())
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        assert post(person, page, NEW, **headers).status_code == 403
    person.http.cookies.clear()
    person.get("/account/sign-in")
    assert post(person, page).status_code == 403
    assert [link["used_at"] for link in rows(database, "links")] == [None]


def test_other_browser_a_link_can_be_opened_in_another_browser_than_it_was_asked_for_in(
    person: Browser, new_link: Callable[..., str]
) -> None:
    link = new_link()
    person.get(link)
    person.http.cookies.clear()
    assert post(person, person.get(link)).headers["location"].startswith(f"{ISSUER}/reset/password?done=")


def test_referrer_the_address_with_the_secret_is_sent_to_nobody(person: Browser, new_link: Callable[..., str]) -> None:
    link = new_link()
    page = person.get(link)
    assert page.headers["referrer-policy"] == "strict-origin"
    assert person.get(link[:-1]).headers["referrer-policy"] == "strict-origin"
    assert page.headers["cache-control"] == "no-store"
    assert "lk_" not in post(person, page).headers["location"]


def test_another_user_who_is_signed_in_stays_so(
    person: Browser, new_link: Callable[..., str], database: Database, password_hash: str
) -> None:
    with database.begin() as connection:
        users.add(connection, User("u_bob", "bob", password_hash))
    person.sign_in(person.get("/account/sign-in"), "bob")
    done = post(person, person.get(new_link()))
    assert done.status_code == 303 and "set-cookie" not in done.headers
    assert "<strong>bob</strong>" in person.get("/account").text


def test_session_fixation_nobody_is_signed_in_by_a_link(person: Browser, new_link: Callable[..., str]) -> None:
    done = post(person, person.get(new_link()))
    assert "session" not in person.http.cookies and done.status_code == 303
    assert 'id="sign-in"' in person.get("/account").text


def test_a_new_password_is_on_record_without_a_secret(
    person: Browser, new_link: Callable[..., str], database: Database, events: Any
) -> None:
    link = new_link()
    person.sign_in(person.get("/account/sign-in"))
    post(person, person.get(link))
    (ended,) = [row for row in rows(database, "events") if row["event"] == "session_ended"]
    assert ended["detail"].startswith("password chosen with a link; sid ")
    (event,) = [row for row in rows(database, "events") if row["event"] == "password_reset"]
    assert (event["actor"], event["username"], event["detail"]) == ("user:u_ada", "ada", "by operator")
    told = str(rows(database, "events")) + str(events) + str(rows(database, "links"))
    assert link.partition("=")[2] not in told and NEW not in told
