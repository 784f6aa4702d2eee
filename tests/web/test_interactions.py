"""What a person goes through between /authorize and the response: pages, prompts, tabs, forms, sessions."""

import json
import re
from hashlib import sha256
from typing import Any

import pytest

from authserver.domain.models import User
from authserver.store import users
from authserver.store.database import Database
from tests.harness.browser import FROM_OUR_PAGE, Browser, answer_of, is_answer, query
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER, PASSWORD, SECOND
from tests.harness.markup import Markup
from tests.web.answers import claims_of
from tests.web.serving import change_client, execute, rows

SIGN_IN, CONSENT, CHOICE = 'id="sign-in"', 'id="allow"', 'id="continue" name="account"'


@pytest.fixture
def signed_in(browser: Browser) -> Browser:
    """ada has signed in, and agreed."""
    browser.code()
    return browser


@pytest.fixture
def bob(database: Database, password_hash: str, clock: Clock) -> str:
    with database.begin() as connection:
        users.add(connection, User("u_bob", "bob", password_hash, created_at=clock()))
    return "bob"


def error_page(response: Any, status: int, words: str) -> bool:
    return response.status_code == status and words in response.text and 'id="error"' in response.text


@pytest.mark.parametrize(
    ("request_", "page"),
    [
        ({"prompt": "login"}, SIGN_IN),
        ({"prompt": "login consent"}, SIGN_IN),
        ({"prompt": "login select_account"}, SIGN_IN),
        ({"prompt": "consent"}, CONSENT),
        ({"prompt": "select_account"}, CHOICE),
        ({"prompt": "select_account consent"}, CHOICE),
        ({"max_age": "0"}, SIGN_IN),
        ({"scope": "openid read profile"}, CONSENT),
        ({"claims": '{"userinfo": {"email": null}}'}, CONSENT),
        ({"resource": "https://other.example"}, CONSENT),
    ],
)
def test_oidc_core_3_1_2_1_the_first_page_of_a_request_by_someone_who_is_signed_in(
    signed_in: Browser, request_: Any, page: str
) -> None:
    assert page in signed_in.authorize(**request_).text


def test_oidc_core_3_1_2_1_prompts_are_all_obeyed_one_after_the_other(signed_in: Browser) -> None:
    page = signed_in.authorize(prompt="login select_account consent")
    assert SIGN_IN in page.text
    page = signed_in.sign_in(page)  # whoever signs in has chosen the account
    assert CONSENT in page.text
    assert "code" in answer_of(signed_in.allow(page))
    page = signed_in.authorize(prompt="select_account consent")
    page = signed_in.submit(page, account="same")
    assert CONSENT in page.text
    assert "code" in answer_of(signed_in.allow(page))


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({}, None),
        ({"max_age": "60"}, None),
        ({"max_age": "0"}, "login_required"),
        ({"scope": "openid email"}, "consent_required"),
        ({"claims": '{"id_token": {"name": null}}'}, "consent_required"),
        ({"id_token_hint": "not one"}, "login_required"),
        ({"claims": '{"id_token": {"sub": {"value": "u_bob"}}}'}, "login_required"),
        ({"claims": '{"id_token": {"sub": {"value": "u_ada"}}}'}, None),
    ],
)
def test_prompt_none_shows_no_page_oidc_core_3_1_2_6(signed_in: Browser, request_: Any, error: str | None) -> None:
    answer = answer_of(signed_in.authorize(prompt="none", **request_))
    assert answer.get("error") == error
    assert ("code" in answer) == (error is None)


def test_max_age_is_never_exceeded_neither_really_nor_as_clients_judge_auth_time_oidc_core_3_1_2_1(
    signed_in: Browser, redeem: Any, clock: Clock
) -> None:
    """If the elapsed time is greater than this value, the OP MUST attempt to actively re-authenticate."""
    told = claims_of(redeem(answer_of(signed_in.authorize())["code"]).json(), "id_token")
    clock.forward(told["auth_time"] + 60 - clock() / SECOND)
    assert "code" in answer_of(signed_in.authorize(max_age="60"))
    clock.forward(0.1)
    page = signed_in.authorize(max_age="60")
    assert SIGN_IN in page.text
    again = claims_of(redeem(answer_of(signed_in.sign_in(page))["code"]).json(), "id_token")
    assert again["auth_time"] == again["iat"] == told["auth_time"] + 60


def test_signing_in_again_says_who_it_is_and_sets_auth_time_again_asvs_7_2_4(
    signed_in: Browser, redeem: Any, clock: Clock
) -> None:
    before = signed_in.http.cookies["__Host-session"]
    sid = claims_of(redeem(signed_in.code()).json(), "id_token")["sid"]
    clock.forward(100)
    page = signed_in.authorize(prompt="login", login_hint="ada")
    assert 'type="hidden" id="username" name="username" value="ada"' in page.text
    response = signed_in.sign_in(page)
    told = claims_of(redeem(answer_of(response)["code"]).json(), "id_token")
    assert (told["auth_time"], told["sid"]) == (clock() // 1_000_000, sid)
    assert signed_in.http.cookies["__Host-session"] != before


@pytest.mark.parametrize(
    ("request_", "typed"),
    [
        ({"prompt": "login", "login_hint": "bob"}, "bob"),
        ({"max_age": "0", "login_hint": "bob"}, "bob"),
        ({"prompt": "login select_account"}, ""),
        ({"prompt": "login select_account", "login_hint": "ada"}, "ada"),
    ],
)
def test_a_hint_at_somebody_else_and_a_choice_of_account_leave_the_username_free_oidc_core_3_1_2_1(
    signed_in: Browser, request_: Any, typed: str
) -> None:
    page = signed_in.authorize(**request_)
    assert f'type="text" id="username" name="username" value="{typed}"' in page.text


def test_a_login_hint_is_where_the_page_begins_and_is_escaped(browser: Browser) -> None:
    page = browser.authorize(login_hint='"><script>alert(1)</script>')
    assert 'value="&#34;&gt;&lt;script&gt;' in page.text and "<script>alert" not in page.text
    wrong = browser.sign_in(page, username="'><b>", password="wrong")
    assert wrong.status_code == 422 and 'value="&#39;&gt;&lt;b&gt;"' in wrong.text and "wrong</p>" not in wrong.text


def test_an_id_token_hint_names_the_only_user_who_will_do_oidc_core_3_1_2_1(
    signed_in: Browser, redeem: Any, bob: str
) -> None:
    tokens = redeem(signed_in.code()).json()
    hint = tokens["id_token"]
    assert "code" in answer_of(signed_in.authorize(prompt="none", id_token_hint=hint))
    page = signed_in.sign_in(signed_in.authorize(prompt="login"), username=bob)
    assert "code" in answer_of(signed_in.allow(page))
    assert answer_of(signed_in.authorize(prompt="none", id_token_hint=hint))["error"] == "login_required"
    page = signed_in.authorize(id_token_hint=hint)
    assert SIGN_IN in page.text
    assert answer_of(signed_in.sign_in(page, username=bob))["error"] == "login_required"
    assert "code" in answer_of(signed_in.sign_in(signed_in.authorize(id_token_hint=hint)))
    # An access token is none, nor is one that was tampered with: a person is not kept out by either.
    for other in (tokens["access_token"], hint[:-2], "x" * 2000):
        assert answer_of(signed_in.authorize(prompt="none", id_token_hint=other))["error"] == "login_required"
        assert "code" in answer_of(signed_in.authorize(id_token_hint=other))


def test_not_you_shows_the_sign_in_page_and_another_user_ends_the_session(
    signed_in: Browser, redeem: Any, refresh: Any, bob: str, database: Database, events: list[Any]
) -> None:
    tokens, unused = redeem(signed_in.code()).json(), signed_in.code()
    page = signed_in.authorize(prompt="select_account")
    page = signed_in.submit(page, account="other")
    assert SIGN_IN in page.text and 'value="ada"' not in page.text
    page = signed_in.sign_in(page, username=bob)
    assert CONSENT in page.text and "<strong>bob</strong>" in page.text
    assert {row["user_id"]: row["ended_at"] is None for row in rows(database, "sessions")} == {
        "u_ada": False,
        "u_bob": True,
    }
    assert redeem(unused).json()["error"] == "invalid_grant"
    assert refresh(tokens["refresh_token"], "sso").json()["error"] == "invalid_grant"
    ended = [entry for entry in events if entry["event"] == "session_ended"]
    assert [(entry["subject"], entry["reason"]) for entry in ended] == [("u_ada", "another user signed in")]


def test_consent_is_remembered_grows_and_says_what_is_new(signed_in: Browser, database: Database) -> None:
    page = signed_in.authorize(scope="openid read email", claims='{"userinfo": {"birthdate": null}}')
    assert page.text.count('class="new"') == 2  # the scope and the claim
    signed_in.allow(page)
    (consent,) = rows(database, "consents")
    assert (consent["scope"], consent["claims"]) == ("openid read email", "birthdate")
    assert is_answer(signed_in.authorize(scope="email"))


@pytest.mark.parametrize(
    ("language", "told"), [("en", "Know that you signed in"), ("de", "Wissen, dass Sie sich angemeldet haben")]
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
def test_two_tabs_that_begin_in_a_new_browser_at_once_both_come_to_their_end(browser: Browser, is_shown: bool) -> None:
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


def test_beginning_again_is_limited_as_beginning_is_and_leads_nowhere_without_an_interaction(browser: Browser) -> None:
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


@pytest.mark.parametrize("csrf", ["", "x", "\udc80", "é" * 43])
def test_a_form_with_another_token_changes_nothing(browser: Browser, csrf: str) -> None:
    page = browser.authorize()
    sent = {"csrf": csrf.encode(errors="surrogateescape"), "username": "ada", "password": PASSWORD}
    answer = browser.http.post(f"{page.url.path}/sign-in", data=sent, headers=FROM_OUR_PAGE)
    assert error_page(answer, 403, "This form cannot be accepted")


def test_the_token_of_another_browser_is_wrong_here(browser: Browser) -> None:
    """An attacker may show a form with a token of their own browser, to sign the victim in as themselves."""
    attackers = csrf_of(browser.authorize())
    browser.http.cookies.clear()
    answer = browser.sign_in(browser.authorize(), csrf=attackers)
    assert error_page(answer, 403, "This form cannot be accepted")


def csrf_of(page: Any) -> str:
    return str(page.text.partition('name="csrf" value="')[2].partition('"')[0])


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


def test_a_session_cookie_that_was_planted_is_never_taken_over(browser: Browser, database: Database) -> None:
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
def test_who_wants_to_stay_signed_in_does_so_until_the_absolute_end(browser: Browser, later: Any) -> None:
    page = browser.sign_in(browser.authorize(), keep="yes")
    browser.allow(page)
    later(3599)
    assert is_answer(browser.authorize())
    later(1)
    assert SIGN_IN in browser.authorize().text


@pytest.mark.parametrize("settings", [{"max_sessions": 2}], indirect=True)
def test_a_user_is_signed_in_in_so_many_browsers_and_the_one_idle_longest_is_signed_out(
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


def test_signing_in_again_leaves_it_ticked_that_one_wants_to_stay_signed_in(browser: Browser) -> None:
    ticked = 'value="yes" checked'
    first = browser.authorize()
    assert ticked not in first.text
    assert ticked in browser.sign_in(first, password="wrong", keep="yes").text
    browser.sign_in(first, keep="yes")
    again = browser.authorize(prompt="login")
    assert ticked in again.text
    assert ticked not in browser.get(f"{again.url.path}?account=other").text


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


@pytest.mark.parametrize(
    ("username", "password"), [("ada", "wrong"), ("nobody", PASSWORD), ("", ""), ("ada", "x" * 2000), ("\x01", "y")]
)
def test_a_wrong_sign_in_is_one_page_whatever_was_wrong(
    browser: Browser, database: Database, username: str, password: str
) -> None:
    page = browser.authorize()
    answer = browser.sign_in(page, username=username, password=password)
    assert answer.status_code == 422
    assert "The username or password is wrong." in answer.text
    assert "set-cookie" not in answer.headers
    assert rows(database, "sessions") == []
    assert CONSENT in browser.sign_in(answer, username="ada").text  # and one may try again


def test_the_page_does_not_tell_whether_the_user_exists(browser: Browser) -> None:
    page = browser.authorize()
    pages = [browser.sign_in(page, username=name, password="wrong").text for name in ("ada", "eve")]
    strip = [re.sub(r"[0-9a-f]{32}|ada|eve", "", text) for text in pages]
    assert strip[0] == strip[1]


def test_a_disabled_user_is_told_the_same(browser: Browser, database: Database) -> None:
    execute(database, "UPDATE users SET disabled = true")
    answer = browser.sign_in(browser.authorize())
    assert answer.status_code == 422 and "The username or password is wrong." in answer.text


def test_the_limits_of_the_token_endpoint_hold_on_the_page_too(browser: Browser, clock: Clock) -> None:
    page = browser.authorize()
    answers = [browser.sign_in(page, password="wrong") for _ in range(12)]
    assert [answer.status_code for answer in answers] == [422] * 10 + [429] * 2
    assert answers[-1].headers["retry-after"] == "1"
    assert "Wait 1 second" in answers[-1].text
    assert browser.sign_in(page).status_code == 429
    clock.forward(3)
    assert CONSENT in browser.sign_in(page).text


def test_what_is_stored_of_a_request_names_no_secret_and_is_json(browser: Browser, database: Database) -> None:
    browser.authorize(state=b"\xff", nonce="n")
    (row,) = rows(database, "interactions")
    values, resources = json.loads(row["request"])
    assert values["state"] == "\udcff" and values["nonce"] == "n" and resources == []


def test_the_registration_is_looked_at_again_at_every_step(browser: Browser, database: Database) -> None:
    page = browser.sign_in(browser.authorize())
    change_client(database, "sso", scope=("openid",))
    assert answer_of(browser.allow(page))["error"] == "invalid_scope"
    change_client(database, "sso", redirect_uris=("https://client.example/other",))
    assert error_page(browser.get(str(page.url)), 400, "has expired")
    change_client(database, "sso", disabled=True)
    assert error_page(browser.get(str(page.url)), 400, "has expired")
