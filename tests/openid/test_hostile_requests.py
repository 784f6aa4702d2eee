"""Hostile requests to /authorize and its pages: nothing becomes markup, nothing needless is kept, nobody is tricked."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from authserver.pool import Pool
from authserver.store import clients
from authserver.store.schema import metadata
from tests.harness.browser import FROM_OUR_PAGE, Browser, answer_of, form_of, query
from tests.harness.constants import ISSUER, PASSWORD
from tests.harness.markup import Element, Markup
from tests.openid.provider import PUBLIC, Provider, is_page
from tests.web.serving import everything, rows

MARKUP = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'&lt;{{7*7}}{% raw %}javascript:alert(3)"
SIGN_IN, CONSENT = 'id="sign-in"', 'id="allow"'
ATTRIBUTES = {
    *("action", "alt", "aria-controls", "aria-describedby", "aria-invalid", "aria-labelledby", "aria-pressed"),
    *("autocapitalize", "autocomplete", "autocorrect", "autofocus", "charset", "checked", "class", "content"),
    *("data-submit-at-once", "defer", "dir", "for", "hidden", "href", "http-equiv", "id", "lang", "method", "name"),
    *("rel", "required", "role", "spellcheck", "src", "tabindex", "type", "value"),
}


def assert_inert(page: Any) -> None:
    """The text that was sent is text: no tag or attribute that our templates do not have, no address elsewhere."""
    elements = Markup(page.text).elements
    tags, urls = [each.tag for each in elements], urls_of(elements)
    assert attributes_of(elements) <= ATTRIBUTES, attributes_of(elements) - ATTRIBUTES
    assert not {"img", "iframe", "object", "embed", "svg", "style", "base"} & set(tags)
    assert tags.count("script") <= 1
    assert all(url.startswith((ISSUER, "/", "data:image/svg+xml")) for url in urls), urls
    assert "49" not in re.sub(r"[0-9a-f]{32}|value=\"[^\"]*\"", "", page.text)


def attributes_of(elements: list[Element]) -> set[str]:
    return {name for each in elements for name in each}


def urls_of(elements: list[Element]) -> set[str]:
    return {each[name] for each in elements for name in ("src", "href", "action") if name in each}


def assert_guarded(page: Any) -> None:
    headers = page.headers
    policy = headers["content-security-policy"]
    for directive in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "script-src 'self'"):
        assert directive in policy
    assert "unsafe" not in policy and "form-action 'self';" in policy
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert not any(name.startswith("access-control-") for name in headers)


def each_page(op: Provider) -> dict[str, Any]:
    """A page of each kind."""
    browser = op.browser()
    page = browser.authorize(client_id="another")
    signed_in = op.signed_in(client_id="another")
    return {
        "sign-in": page,
        "wrong password": browser.sign_in(page, password="wrong"),
        "consent": signed_in.authorize(client_id="another", prompt="consent"),
        "account": signed_in.authorize(client_id="another", prompt="select_account"),
        "forged": browser.submit(page, headers={}),
        "error": browser.authorize(client_id="nobody"),
        "expired": browser.get(f"/interaction/{'0' * 32}"),
        "other browser": op.signed_in().get(page.url.path),
    }


def test_every_page_can_be_neither_framed_nor_cached_nor_scripted(op: Provider) -> None:
    for page in each_page(op).values():
        assert_guarded(page)
        assert_inert(page)


@pytest.mark.parametrize(
    "name", ["login_hint", "ui_locales", "display", "acr_values", "nonce", "unknown", "claims_locales"]
)
def test_a_parameter_is_never_markup(op: Provider, name: str) -> None:
    page = op.browser().authorize(**{name: MARKUP})
    assert SIGN_IN in page.text
    assert_inert(page)


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_what_is_wrong_is_not_even_repeated_as_text(op: Provider, name: str) -> None:
    page = op.browser().authorize(**{name: MARKUP})
    assert is_page(page) and "alert(" not in page.text


@pytest.mark.parametrize("username", [MARKUP, "a" * 5000, "\x01\x1b[2J", "\u202eada", "ada\r\nX: y", "{{config}}"])
def test_a_username_that_is_shown_again_is_never_markup(op: Provider, username: str) -> None:
    browser = op.browser()
    page = browser.sign_in(browser.authorize(), username=username, password="wrong")
    assert page.status_code == 422
    assert_inert(page)


def test_a_state_is_never_markup_in_a_page_that_posts_it(op: Provider) -> None:
    browser = op.signed_in()
    assert_inert_form(browser.authorize(response_mode="form_post", state=MARKUP))
    page = browser.allow(browser.authorize(prompt="consent", state=MARKUP))
    assert answer_of(page)["state"] == MARKUP
    assert "<script>alert" not in page.text and "onerror=" not in page.text.replace("onerror%3D", "")


def assert_inert_form(page: Any) -> None:
    elements = Markup(page.text).elements
    tags = [each.tag for each in elements]
    assert attributes_of(elements) <= ATTRIBUTES and "img" not in tags and tags.count("script") == 1


@pytest.mark.parametrize("name", [MARKUP, "\u202eevil", "x" * 500, "a\nb"])
def test_the_name_of_a_client_is_never_markup(op: Provider, name: str) -> None:
    client = replace(PUBLIC, id=f"named{len(rows(op.database, 'clients'))}", name=name)
    with op.database.begin() as connection:
        clients.add(connection, client)
    browser = op.signed_in()
    for prompt in ("login", "consent", "select_account"):
        page = browser.authorize(client_id=client.id, prompt=prompt)
        assert page.status_code == 200
        assert_inert(page)


# Cookies and sessions


def test_a_browsers_cookie_and_a_sessions_have_every_flag(op: Provider) -> None:
    browser = op.browser()
    first = browser.http.get(f"/authorize?{query()}", follow_redirects=False)
    page = browser.get(first.headers["location"])
    posted = browser.http.post(
        f"{page.url.path}/sign-in", data=filled_in(page), headers=FROM_OUR_PAGE, follow_redirects=False
    )
    for response, name in ((first, "__Host-browser"), (posted, "__Host-session")):
        (cookie,) = response.headers.get_list("set-cookie")
        assert re.fullmatch(rf"{name}=[\w-]{{43}}; (Max-Age=\d+; )?Path=/; HttpOnly; SameSite=Lax; Secure", cookie)


def filled_in(page: Any, **changes: str) -> dict[str, str]:
    return form_of(page)[1] | {"username": "ada", "password": PASSWORD} | changes


@pytest.mark.parametrize("planted", ["A" * 43, "", "x", "A" * 5000])
def test_a_session_cookie_from_before_the_sign_in_is_replaced(op: Provider, planted: str) -> None:
    browser = op.browser()
    page = browser.authorize()
    browser.http.cookies.set("__Host-session", planted, domain="as.example")
    browser.sign_in(page)
    kept = [cookie.value for cookie in browser.http.cookies.jar if cookie.name == "__Host-session"]
    assert len(kept[-1]) == 43 and kept[-1] != planted
    headers = {"Cookie": f"__Host-session={planted}"}
    response = op.http.get(f"/authorize?{query(prompt='none')}", headers=headers, follow_redirects=False)
    assert answer_of(response)["error"] == "login_required"


def test_a_new_secret_at_every_sign_in_and_the_old_one_is_worth_nothing(op: Provider) -> None:
    browser = op.signed_in()
    old = browser.http.cookies["__Host-session"]
    browser.sign_in(browser.authorize(prompt="login"))
    assert browser.http.cookies["__Host-session"] != old
    response = op.http.get(
        f"/authorize?{query(prompt='none')}", headers={"Cookie": f"__Host-session={old}"}, follow_redirects=False
    )
    assert answer_of(response)["error"] == "login_required"


@pytest.mark.parametrize(
    "form", ["{0}; {0}", "{0}; __Host-session=" + "A" * 43, "__host-session{1}", "\x85{0}", "\xa0{0}"]
)
def test_two_session_cookies_or_one_by_another_name_are_none(op: Provider, form: str) -> None:
    value = op.signed_in().http.cookies["__Host-session"]
    headers = {b"Cookie": form.format(f"__Host-session={value}", f"={value}").encode("latin-1")}
    response = op.http.get(f"/authorize?{query(prompt='none')}", headers=headers, follow_redirects=False)
    assert answer_of(response)["error"] == "login_required"


# Interactions and forged forms


@pytest.mark.parametrize("victim_is_signed_in", [False, True])
def test_an_interaction_cannot_be_handed_to_another_browser(op: Provider, victim_is_signed_in: bool) -> None:
    attacker = op.browser()
    page = attacker.authorize(client_id="another")
    victim = op.signed_in() if victim_is_signed_in else op.browser()
    before = everything(op.database)["interactions"]
    assert is_page(victim.get(page.url.path))
    form = filled_in(victim.authorize(prompt="login"))
    for action in ("sign-in", "account", "consent"):
        url, sent = f"{page.url.path}/{action}", form | {"answer": "allow", "account": "same"}
        assert is_page(victim.http.post(url, data=sent, headers=FROM_OUR_PAGE, follow_redirects=False))
    assert [row for row in everything(op.database)["interactions"] if row in before] == before
    assert "code" not in attacker.get(page.url.path).text.partition("<main")[2].partition('name="csrf"')[0]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Origin": f"{ISSUER}.evil.example"},
        {"Origin": f"{ISSUER}:443"},
        {"Origin": f"{ISSUER}/"},
        {"Origin": "http://as.example"},
        {"Origin": f"{ISSUER}, https://evil.example"},
        {"Referer": f"{ISSUER}/"},
        FROM_OUR_PAGE | {"Sec-Fetch-Site": "cross-site"},
        FROM_OUR_PAGE | {"Sec-Fetch-Site": "none"},
    ],
)
def test_a_form_of_another_page_is_403_whatever_it_knows(op: Provider, headers: dict[str, str]) -> None:
    browser = op.signed_in()
    page = browser.authorize(prompt="consent")
    before = everything(op.database)
    for action, fields in (("sign-in", filled_in(page)), ("consent", filled_in(page, answer="allow"))):
        posted = browser.http.post(f"{page.url.path}/{action}", data=fields, headers=headers, follow_redirects=False)
        assert is_page(posted, 403) and "set-cookie" not in posted.headers
    assert everything(op.database) == before


@pytest.mark.parametrize("csrf", [None, "", "A" * 43, "A" * 86, "é" * 43, b"\xff" * 43, "A" * 60_000])
def test_a_form_without_our_token_is_403_and_costs_no_hash(op: Provider, csrf: Any) -> None:
    browser = op.browser()
    page = browser.authorize()
    before = rows(op.database, "attempts")
    fields = {name: value for name, value in (filled_in(page) | {"csrf": csrf}).items() if value is not None}
    posted = browser.http.post(f"{page.url.path}/sign-in", data=fields, headers=FROM_OUR_PAGE, follow_redirects=False)
    assert is_page(posted, 403)
    assert rows(op.database, "attempts") == before


def test_a_token_of_one_page_is_refused_by_another_kind(op: Provider) -> None:
    """The consent page's token tells what it showed, so that one of the sign-in page agrees to nothing."""
    browser = op.signed_in()
    consent, sign_in = browser.authorize(prompt="consent"), browser.authorize(prompt="login")
    fields = filled_in(sign_in, answer="allow")
    page = browser.http.post(f"{consent.url.path}/consent", data=fields, headers=FROM_OUR_PAGE, follow_redirects=True)
    assert CONSENT in page.text


@pytest.mark.parametrize("text", ["x", "0" * 31, "0" * 33, "g" * 32, "0" * 32, "A" * 32, "٣" * 32, "%2e", "-1"])
def test_an_interaction_that_there_is_not(op: Provider, text: str) -> None:
    browser: Browser = op.signed_in()
    page = browser.http.get(f"/interaction/{text}", follow_redirects=False)
    assert page.status_code in (400, 404) and "set-cookie" not in page.headers


def test_a_password_in_a_query_is_no_sign_in(op: Provider) -> None:
    browser = op.browser()
    page = browser.authorize()
    url = f"{page.url.path}/sign-in?username=ada&password={PASSWORD}&csrf={filled_in(page)['csrf']}"
    back = browser.http.get(url, follow_redirects=False)
    assert (back.status_code, back.headers["location"]) == (303, f"{ISSUER}{page.url.path}")
    assert "set-cookie" not in back.headers
    assert is_page(browser.http.post(url, data={"x": "y"}, headers=FROM_OUR_PAGE, follow_redirects=False), 403)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"answer": ""},
        {"answer": "Allow"},
        {"answer": "yes"},
        {"answer": ["allow", "deny"]},
        {"answer": ["deny", "deny"]},
        {"answer": b"allow\xff"},
        {"answer": "allow", "csrf": ["a", "b"]},
        {"account": "same"},
        {"scope": "openid profile", "client_id": "another", "redirect_uri": "https://evil.example"},
    ],
)
def test_only_the_word_allow_agrees(op: Provider, fields: Any) -> None:
    browser = op.signed_in()
    page = browser.authorize(prompt="consent")
    before = rows(op.database, "consents"), rows(op.database, "codes")
    action, filled = form_of(page)
    response = browser.http.post(action, data=filled | fields, headers=FROM_OUR_PAGE, follow_redirects=False)
    assert response.status_code in (303, 400, 403) and "evil" not in response.headers.get("location", "")
    assert (rows(op.database, "consents"), rows(op.database, "codes")) == before
    assert CONSENT in browser.get(page.url.path).text


@pytest.mark.parametrize("sent", [{"content": b"{}"}, {"json": {}}, {"content": b"x" * 70_000}, {"files": {"a": b"b"}}])
@pytest.mark.parametrize("action", ["sign-in", "account", "consent"])
def test_what_is_no_form_is_a_page(op: Provider, action: str, sent: Any) -> None:
    browser = op.signed_in()
    page = browser.authorize(prompt="consent")
    response = browser.http.post(f"{page.url.path}/{action}", headers=FROM_OUR_PAGE, **sent)
    assert is_page(response, 413 if len(sent.get("content", b"")) > 65_536 else 400)


def test_a_full_queue_of_passwords_is_a_page_that_says_so(op: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = op.browser()
    page = browser.authorize()
    with monkeypatch.context() as full:
        full.setattr(Pool, "_submit", lambda self, task, preferred: self._reject(task))
        busy = browser.sign_in(page, keep="yes")
    assert busy.status_code == 503 and int(busy.headers["retry-after"]) > 0
    assert "The server is busy" in busy.text and 'value="ada"' in busy.text and "checked" in busy.text
    assert_guarded(busy)
    assert "code" in answer_of(browser.allow(browser.sign_in(busy)) if CONSENT in busy.text else browser.sign_in(busy))


def test_what_was_typed_is_neither_logged_nor_stored(op: Provider) -> None:
    """Who is in a hurry types the password where the username belongs."""
    browser = op.browser()
    with capture_logs() as log:
        page = browser.sign_in(browser.authorize(), username="CANARY-typed", password="CANARY-typed")
        browser.submit(page, username="CANARY-typed", password="CANARY-typed", csrf="CANARY-typed")
        browser.get("/interaction/CANARY-typed?csrf=CANARY-typed")
        op.redeem("CANARY-typed", code_verifier="CANARY-typed", client_id="CANARY-typed")
        op.userinfo("CANARY-typed")
    assert "CANARY" not in json.dumps(log, default=str)
    stored = [rows(op.database, name) for name in metadata.tables]
    assert "CANARY-typed" not in repr(stored)


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_do_nothing(op: Provider, method: str) -> None:
    browser = op.signed_in()
    page = browser.authorize(prompt="consent")
    before = everything(op.database)
    for path in ("sign-in", "account", "consent"):
        response = browser.http.request(method, f"{page.url.path}/{path}", headers=FROM_OUR_PAGE)
        assert response.status_code in (200, 303, 405) and "set-cookie" not in response.headers
    if method != "HEAD":  # which is GET without a body
        assert browser.http.request(method, f"/authorize?{query()}", follow_redirects=False).status_code == 405
    assert everything(op.database) == before


def test_what_is_stored_of_a_request_is_what_is_needed_of_it(op: Provider) -> None:
    """Clients make mistakes: a secret in the wrong place is kept nowhere."""
    op.browser().authorize(client_secret="CANARY", password="CANARY", code_verifier="CANARY", other="x" * 9000)
    op.http.get(f"/authorize?{query(state='CANARY')}&token=CANARY", follow_redirects=False)
    stored = rows(op.database, "interactions")
    assert not any("CANARY" in row["request"].replace('"state":"CANARY"', "") for row in stored)
    assert max(len(row["request"]) for row in stored) < 8000
