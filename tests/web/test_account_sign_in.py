"""People sign in to their own account: no application asks for it."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver.domain.attempts import FREE
from authserver.store.database import Database
from tests.harness.browser import FROM_OUR_PAGE, Browser, form_of
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER, PASSWORD
from tests.web.serving import rows

SIGN_IN = "/account/sign-in"
HOSTILE = (
    *("https://evil.example", "//evil.example", "/\\evil.example", "https:evil.example", "javascript:alert(1)"),
    *("/account/../logout", "/account//evil.example", "/account/x?next=y", "/account/x#y", "/account/sign-in"),
    *("/authorize", "/accounts", "/account/", "account", "/account\n", "/account/%2e%2e/x", "/account/a/b/c"),
)


@pytest.fixture
def person(http: TestClient) -> Browser:
    return Browser(http)


def post(browser: Browser, page: Any, **fields: str) -> Any:
    """The response to the page's form itself, without what it redirects to."""
    action, hidden = form_of(page)
    signing_in = {"username": "ada", "password": PASSWORD}
    data = hidden | signing_in | fields
    return browser.http.post(action, data=data, headers=FROM_OUR_PAGE, follow_redirects=False)


def test_whoever_is_not_signed_in_is_asked_to_and_then_sees_the_page(person: Browser, database: Database) -> None:
    page = person.get("/account")
    assert page.url.path == SIGN_IN and 'id="sign-in"' in page.text
    page = person.sign_in(page)
    assert page.url.path == "/account" and "<strong>ada</strong>" in page.text
    (session,) = rows(database, "sessions")
    assert session["user_id"] == "u_ada"
    assert rows(database, "interactions") == []


def test_a_session_that_an_application_began_is_the_same(browser: Browser) -> None:
    browser.code()
    assert browser.get("/account").url.path == "/account"


def test_a_wrong_password_shows_the_form_again_and_forgets_nothing(person: Browser) -> None:
    page = person.get(f"{SIGN_IN}?next=/account/sessions")
    page = person.sign_in(page, password="wrong", keep="yes")
    assert page.status_code == 422
    action, fields = form_of(page)
    assert (action, fields["username"], fields["next"]) == (ISSUER + SIGN_IN, "ada", "/account/sessions")
    assert " checked" in page.text
    assert post(person, page).headers["location"] == f"{ISSUER}/account/sessions"


def test_guessing_is_slow_here_too(person: Browser) -> None:
    page = person.get(SIGN_IN)
    answers = [post(person, page, password="wrong") for _ in range(FREE + 1)]
    assert [answer.status_code for answer in answers] == [422] * FREE + [429]
    assert int(answers[-1].headers["retry-after"]) > 0


@pytest.mark.parametrize("name", HOSTILE)
def test_signing_in_leads_nowhere_but_to_pages_of_the_account(person: Browser, name: str) -> None:
    page = person.http.get(SIGN_IN, params={"next": name})
    assert form_of(page)[1]["next"] == "/account"
    assert post(person, page, next=name).headers["location"] == f"{ISSUER}/account"


def test_csrf_a_form_of_another_origin_signs_nobody_in(person: Browser, database: Database) -> None:
    action, fields = form_of(person.get(SIGN_IN))
    data = fields | {"username": "ada", "password": PASSWORD}
    for headers in ({"Origin": "https://evil.example"}, {}, FROM_OUR_PAGE | {"Sec-Fetch-Site": "same-site"}):
        answer = person.http.post(action, data=data, headers=headers, follow_redirects=False)
        assert answer.status_code == 403 and "Nothing was changed." in answer.text
    assert rows(database, "sessions") == []


def test_csrf_the_token_of_another_browser_signs_nobody_in(person: Browser, database: Database) -> None:
    strangers = person.get(SIGN_IN)
    person.http.cookies.clear()
    person.get(SIGN_IN)
    assert post(person, strangers).status_code == 403
    person.http.cookies.clear()
    answer = post(person, strangers)
    assert answer.status_code == 400 and "did not send our cookies" in answer.text
    assert rows(database, "sessions") == []


def test_session_fixation_a_session_that_an_attacker_planted_is_never_the_victims(
    person: Browser, database: Database
) -> None:
    """The attacker's cookie gets no power over the account of who signs in after."""
    person.sign_in(person.get(SIGN_IN))
    planted = person.http.cookies["__Host-session"]
    person.sign_in(person.get(SIGN_IN))
    assert person.http.cookies["__Host-session"] != planted
    person.http.cookies.clear()
    person.http.cookies.set("__Host-session", planted)
    assert person.get("/account").url.path == SIGN_IN
    assert len(rows(database, "sessions")) == 1


def test_whoever_signs_in_again_types_only_the_password_or_is_somebody_else(person: Browser, clock: Clock) -> None:
    person.sign_in(person.get(SIGN_IN))
    page = person.get(SIGN_IN)
    assert "Confirm that you are <strong>ada</strong>." in page.text
    other = person.get(f"{SIGN_IN}?account=other")
    assert form_of(other)[1]["username"] == "" and "Confirm that you are" not in other.text
    clock.forward(60)
    assert person.sign_in(page, username=form_of(page)[1]["username"]).url.path == "/account"
