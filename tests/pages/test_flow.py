"""People sign in with Chromium, on the server itself: the whole flow, and what goes wrong on the way."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from authserver.domain.client_kinds import DEVICE_CODE, of_kind
from authserver.domain.models import Client
from authserver.store import clients
from authserver.testing import Issuer, running_issuer
from tests.harness.browser import VERIFIER, query
from tests.harness.callback import Callback, listening
from tests.harness.chromium import Tabs, needs_chromium
from tests.harness.constants import LONG, PASSWORD
from tests.pages.watched import listen

pytestmark = needs_chromium
FORM = """([address, fields]) => {
    const form = document.createElement("form");
    Object.assign(form, {method: "post", action: address});
    for (const [name, value] of Object.entries(fields)) {
        form.append(Object.assign(document.createElement("input"), {name: name, value: value}));
    }
    document.body.append(form);
    form.submit();
}"""


@dataclass
class Tab:
    """One tab, and what its browser asked for and complained of."""

    page: Any
    issuer: Issuer
    callback: Callback
    client_id: str
    messages: list[str]
    hosts: set[str]

    def authorize(self, **changes: Any) -> None:
        asked = {"client_id": self.client_id, "redirect_uri": self.callback.url} | changes
        self.page.goto(f"{self.issuer.url}/authorize?{query(**asked)}")

    def sign_in(self, username: str = "ada", password: str = PASSWORD) -> None:
        if self.page.get_attribute("#username", "type") != "hidden":
            self.page.fill("#username", username)
        self.page.fill("#password", password)
        self.page.click("#sign-in")

    def arrived(self) -> tuple[str, dict[str, str]]:
        """What the client is sent."""
        expect(self.page).to_have_url(re.compile(re.escape(self.callback.url)), timeout=LONG * 1000)
        return self.callback.received[-1]

    def redeem(self, code: str) -> Any:
        """The token endpoint's response."""
        form = {"grant_type": "authorization_code", "client_id": self.client_id, "redirect_uri": self.callback.url}
        form |= {"code": code, "code_verifier": VERIFIER}
        return self.page.request.post(f"{self.issuer.url}/token", form=form)

    def error(self) -> str:
        text: str = self.page.inner_text("#error")  # waits until it is there
        assert self.page.title().startswith("Error: ")
        return text

    def is_asked(self) -> str:
        """The text of the consent page, once it is there."""
        self.page.wait_for_selector("#allow")
        text: str = self.page.inner_text("main")
        return text


@pytest.fixture(scope="module")
def callback() -> Iterator[Callback]:
    with listening() as callback:
        yield callback


@pytest.fixture(scope="module")
def issuer(callback: Callback) -> Iterator[Issuer]:
    """With the users ada and bob."""
    with running_issuer() as issuer:
        for username in ("ada", "bob"):
            issuer.user(username, PASSWORD)
        yield issuer


@pytest.fixture
def client_id(issuer: Issuer, callback: Callback, request: pytest.FixtureRequest) -> str:
    """A client of this test's own, which nobody has agreed to yet."""
    id, grants = f"sso-{abs(hash(request.node.name))}", frozenset({"authorization_code"})
    uris = (callback.url,)
    sso = Client(id, "SSO", "none", grants, ("openid", "read"), redirect_uris=uris, post_logout_redirect_uris=uris)
    with issuer._database.begin() as connection:
        clients.add(connection, sso)
    return id


@pytest.fixture
def new_tab(tabs: Tabs, issuer: Issuer, callback: Callback, client_id: str) -> Iterator[Callable[..., Tab]]:
    """`new_tab(java_script_enabled=False)`: the first tab of a new browser."""
    yield lambda **options: tab_of(tabs.take(**options), issuer, callback, client_id)
    tabs.give_back()


def tab_of(page: Any, issuer: Issuer, callback: Callback, client_id: str) -> Tab:
    tab = Tab(page, issuer, callback, client_id, [], set())
    listen(page, tab.messages.append)
    page.on("request", lambda request: tab.hosts.add(urlsplit(request.url).netloc))
    return tab


@pytest.fixture
def tab(new_tab: Callable[..., Tab]) -> Tab:
    return new_tab()


def signed_in(tab: Tab) -> None:
    tab.authorize()
    tab.sign_in()
    tab.page.click("#allow")
    tab.arrived()


@pytest.mark.parametrize("scripts", [True, False])
def test_one_can_sign_in_and_agree_by_keyboard_alone(new_tab: Callable[..., Tab], scripts: bool) -> None:
    tab = new_tab(java_script_enabled=scripts)
    keyboard = tab.page.keyboard
    tab.authorize()
    tab.page.wait_for_selector("#username:focus")
    keyboard.type("ada")
    keyboard.press("Tab")
    keyboard.type(PASSWORD)
    keyboard.press("Enter")
    tab.page.wait_for_selector("#allow")
    for _ in range(2):
        keyboard.press("Tab")
    keyboard.press("Enter")
    method, parameters = tab.arrived()
    assert (method, set(parameters), parameters["state"]) == ("GET", {"code", "state", "iss"}, "a state")
    tab.authorize()  # signed in and agreed: at once
    assert tab.arrived()[1]["code"] != parameters["code"]
    assert tab.messages == []
    assert tab.hosts == {urlsplit(tab.issuer.url).netloc, urlsplit(tab.callback.url).netloc}


def test_after_a_wrong_password_the_form_is_as_it_was_filled_in(tab: Tab) -> None:
    tab.authorize()
    tab.page.check("#keep")
    tab.sign_in(password="wrong")
    assert tab.error() == "The username or password is wrong."
    assert (tab.page.input_value("#username"), tab.page.is_checked("#keep")) == ("ada", True)
    tab.page.fill("#password", PASSWORD)
    tab.page.click("#sign-in")
    assert "Allow SSO to use your account?" in tab.is_asked()
    (session,) = (cookie for cookie in tab.page.context.cookies() if cookie["name"].startswith("session"))
    assert session["expires"] > 0 and session["httpOnly"]


def test_a_reload_of_a_forms_address_leads_back_to_the_page_that_is_next(tab: Tab) -> None:
    tab.authorize()
    interaction = tab.page.url
    tab.sign_in(password="wrong")
    assert tab.error() and tab.page.url == f"{interaction}/sign-in"
    for form in ("sign-in", "account", "consent"):
        tab.page.goto(f"{interaction}/{form}")
        assert tab.page.url == interaction and tab.page.title() == "Sign in"


def test_deny_leads_back_with_access_denied(tab: Tab) -> None:
    tab.authorize()
    tab.sign_in()
    tab.page.click("#deny")
    assert tab.arrived()[1]["error"] == "access_denied"


def test_one_can_sign_in_again_with_the_same_account_or_another(tab: Tab) -> None:
    signed_in(tab)
    tab.authorize(prompt="login")
    assert tab.page.get_attribute("#username", "type") == "hidden"
    tab.sign_in()
    assert "code" in tab.arrived()[1]
    tab.authorize(prompt="login")
    tab.page.click("text=Not you?")
    tab.page.wait_for_selector("#username[type=text]")
    tab.sign_in("bob")
    assert "You are signed in as bob." in tab.is_asked()


def test_one_can_choose_the_account_that_is_signed_in_or_another(tab: Tab) -> None:
    signed_in(tab)
    tab.authorize(prompt="select_account")
    tab.page.click("text=Continue as ada")
    assert "code" in tab.arrived()[1]
    tab.authorize(prompt="select_account")
    tab.page.click("text=Use another account")
    tab.sign_in("bob")
    assert "You are signed in as bob." in tab.is_asked()


@pytest.mark.parametrize("scripts", [True, False])
def test_form_post_posts_the_response_with_and_without_scripts(new_tab: Callable[..., Tab], scripts: bool) -> None:
    tab = new_tab(java_script_enabled=scripts)
    tab.authorize(response_mode="form_post", state='"><script>alert(1)</script>')
    tab.sign_in()
    tab.page.click("#allow")
    if not scripts:
        tab.page.click("#continue")
    method, parameters = tab.arrived()
    assert (method, set(parameters)) == ("POST", {"code", "state", "iss"})
    assert parameters["state"] == '"><script>alert(1)</script>'
    assert tab.messages == []


def test_two_tabs_of_one_browser_do_not_disturb_each_other(tab: Tab) -> None:
    """What is done in one does not spoil the other's form."""
    other = tab_of(tab.page.context.new_page(), tab.issuer, tab.callback, tab.client_id)
    tab.authorize(state="1")
    other.authorize(state="2")
    tab.sign_in()
    other.sign_in()
    for each, state in ((tab, "1"), (other, "2")):
        each.page.click("#allow")
        assert each.arrived()[1]["state"] == state


def test_a_double_click_counts_once(tab: Tab) -> None:
    tab.authorize()
    tab.page.fill("#username", "ada")
    tab.page.fill("#password", PASSWORD)
    tab.page.dblclick("#sign-in")
    tab.page.dblclick("#allow")
    assert "code" in tab.arrived()[1]


def test_the_back_button_leads_to_the_client_again_until_its_code_was_redeemed(tab: Tab) -> None:
    signed_in(tab)
    first = tab.arrived()[1]["code"]
    with tab.page.expect_navigation(url=f"{tab.callback.url}**"):
        tab.page.go_back()
    code = tab.arrived()[1]["code"]
    assert code != first
    assert tab.redeem(code).status == 200
    tab.page.go_back()
    assert tab.error().startswith("There is nothing left to do here.")


def test_an_interaction_of_another_browser_is_refused_and_can_be_begun_again(
    tab: Tab, new_tab: Callable[..., Tab]
) -> None:
    tab.authorize()
    other = new_tab()
    other.authorize()
    other.page.goto(tab.page.url)
    assert other.error().startswith("It belongs to another browser, or to another tab")
    assert len(other.page.inner_text("#request-id")) == 32
    other.page.click("#again")
    other.page.wait_for_selector("#sign-in")


def test_cookies_that_are_off(tab: Tab) -> None:
    tab.authorize()
    tab.page.context.clear_cookies()
    tab.page.reload()
    assert "Allow cookies for 127.0.0.1" in tab.error()


def test_an_interaction_that_has_expired(tab: Tab) -> None:
    tab.authorize()
    tab.issuer.clock.forward(1801)
    tab.page.reload()
    assert "sign in again" in tab.error()


def test_a_redirect_uri_that_is_not_registered(tab: Tab) -> None:
    tab.authorize(redirect_uri="https://evil.example/callback")
    assert "tell them what is below" in tab.error()
    assert tab.page.query_selector("#back") is None
    assert tab.hosts == {urlsplit(tab.issuer.url).netloc}


def test_a_form_of_another_origin_of_the_same_site_changes_nothing(tab: Tab) -> None:
    """Its browser sends our cookies with it."""
    tab.authorize()
    target = f"{tab.page.url}/sign-in"
    tab.page.goto(tab.callback.same_site)
    tab.page.evaluate(FORM, [target, {"username": "bob", "password": PASSWORD, "csrf": "guessed"}])
    tab.page.wait_for_selector("#error")
    assert "Nothing was changed." in tab.error()
    assert not [cookie for cookie in tab.page.context.cookies() if cookie["name"].startswith("session")]


def test_an_authorization_request_may_be_posted_by_a_form_of_another_site(tab: Tab) -> None:
    """OpenID Connect Core s3.1.2.1: authorization servers MUST support ... POST. The session is known all the same."""
    signed_in(tab)
    tab.page.goto(tab.callback.url)
    parameters = dict(pair.split("=") for pair in query(redirect_uri=None, client_id=None, scope="openid").split("&"))
    del parameters["state"], parameters["nonce"]
    fields = parameters | {"client_id": tab.client_id, "redirect_uri": tab.callback.url, "prompt": "none"}
    with tab.page.expect_navigation(url=f"{tab.callback.url}**"):
        tab.page.evaluate(FORM, [f"{tab.issuer.url}/authorize", fields])
    assert "code" in tab.arrived()[1]


SIGNED_OUT = {"en": "You are signed out", "de": "Sie sind abgemeldet"}


@pytest.mark.parametrize("language", SIGNED_OUT)
def test_one_can_sign_out_without_scripts(new_tab: Callable[..., Tab], language: str) -> None:
    tab = new_tab(java_script_enabled=False, locale=language)
    signed_in(tab)
    tab.page.goto(f"{tab.issuer.url}/logout")
    tab.page.click("#stay")
    tab.authorize()
    assert "code" in tab.arrived()[1]
    tab.page.goto(f"{tab.issuer.url}/logout")
    tab.page.click("#sign-out")
    assert tab.page.inner_text("#signed-out") == SIGNED_OUT[language]
    tab.authorize()
    tab.page.wait_for_selector("#password")
    assert tab.messages == []


def test_a_form_of_the_client_signs_out_and_leads_back_to_it(tab: Tab) -> None:
    """RP-Initiated Logout s2: OPs MUST support the use of the HTTP GET and POST methods. The session is known all the
    same, though the form brings no cookie."""
    signed_in(tab)
    hint = tab.redeem(tab.arrived()[1]["code"]).json()["id_token"]
    tab.page.goto(tab.callback.url)
    fields = {"id_token_hint": hint, "post_logout_redirect_uri": tab.callback.url, "state": "bye"}
    with tab.page.expect_navigation(url=f"{tab.callback.url}?state=bye"):
        tab.page.evaluate(FORM, [f"{tab.issuer.url}/logout", fields])
    assert not [cookie for cookie in tab.page.context.cookies() if cookie["name"].startswith("session")]
    tab.authorize()
    tab.page.wait_for_selector("#password")


def test_german_from_beginning_to_end(tab: Tab) -> None:
    tab.authorize(ui_locales="fr de")
    assert tab.page.title() == "Anmelden"
    tab.sign_in(password="wrong")
    assert tab.page.inner_text("#error") == "Der Benutzername oder das Passwort ist falsch."
    tab.page.fill("#password", PASSWORD)
    tab.page.click("#sign-in")
    assert tab.page.inner_text("#deny") == "Ablehnen"
    tab.page.click("#deny")
    assert tab.arrived()[1]["error"] == "access_denied"


@pytest.mark.parametrize("scripts", [True, False])
def test_an_account_can_be_managed_in_german(new_tab: Callable[..., Tab], scripts: bool) -> None:
    tab = new_tab(java_script_enabled=scripts, locale="de-DE")
    signed_in(tab)
    page, home = tab.page, f"{tab.issuer.url}/account"
    page.goto(home)
    assert page.title() == "Ihr Konto"
    page.click("#sessions")
    assert "Chrome unter" in page.inner_text("main") and "Dieses Gerät" in page.inner_text("main")
    page.goto(home)
    page.click("#applications")
    page.click(f"a.end[href$='{tab.client_id}']")
    page.click("#end")
    page.wait_for_selector("#done")
    assert page.query_selector(f"a.end[href$='{tab.client_id}']") is None
    page.goto(home)
    page.click("#profile")
    page.fill("#nickname", "Gräfin")
    page.click("#save")
    page.wait_for_selector("#done")
    assert page.input_value("#nickname") == "Gräfin"
    page.click("#sign-out")
    page.wait_for_url("**/logout")
    assert tab.messages == []


def test_going_back_to_the_account_after_its_session_is_gone_shows_nothing_of_it(tab: Tab) -> None:
    page, home = tab.page, f"{tab.issuer.url}/account"
    page.goto(home)
    tab.sign_in()
    page.wait_for_url(home)
    page.goto(f"{home}/sessions")
    page.context.clear_cookies()
    page.goto(home)
    page.go_back()
    assert page.url == f"{home}/sign-in?next=%2Faccount%2Fsessions"


@pytest.mark.parametrize(("locale", "scripts"), [("en", False), ("de-DE", True)])
def test_a_device_is_let_in_by_keyboard(new_tab: Callable[..., Tab], locale: str, scripts: bool) -> None:
    tab = new_tab(java_script_enabled=scripts, locale=locale)
    page, keyboard = tab.page, tab.page.keyboard
    device = of_kind(Client(f"tv-{locale.lower()}", "TV", "none", frozenset(), ("openid",)), "device")
    with tab.issuer._database.begin() as connection:
        clients.add(connection, device)
    begun = page.request.post(f"{tab.issuer.url}/device_authorization", form={"client_id": device.id}).json()
    page.goto(begun["verification_uri"])
    page.wait_for_selector("#user-code:focus")
    keyboard.type("bcdf ghjk")
    keyboard.press("Enter")
    page.wait_for_selector("#error:focus")
    assert page.input_value("#user-code") == "bcdf ghjk"
    page.fill("#user-code", begun["user_code"].lower())
    page.click("#continue")
    tab.sign_in()
    page.wait_for_selector("#allow")
    assert page.inner_text("#code") == begun["user_code"]
    for _ in range(2):
        keyboard.press("Tab")
    keyboard.press("Enter")
    page.wait_for_selector("#device-done")
    assert page.title() == {"en": "Your device is connected", "de-DE": "Ihr Gerät ist verbunden"}[locale]
    form = {"grant_type": DEVICE_CODE, "device_code": begun["device_code"], "client_id": device.id}
    assert page.request.post(f"{tab.issuer.url}/token", form=form).status == 200
    assert not [text for text in tab.messages if "422" not in text]
    assert tab.hosts == {urlsplit(tab.issuer.url).netloc}
