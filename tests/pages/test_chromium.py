"""The pages in Chromium: at every width, in every colour scheme, by keyboard, with and without scripts."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

from authserver.pipeline.replies import Page
from authserver.web.browser.samples import SAMPLES
from tests.harness.chromium import needs_chromium
from tests.pages.showing import ACCOUNT, ANSWERS, CALLBACK, HOSTILE, ISSUER, WITH_NAMES
from tests.pages.watched import Watched

pytestmark = needs_chromium
Show = Callable[..., Watched]
EVERY_TEMPLATE = (
    *("/wrong", "/again", "/consent", "/choose-account", "/sign-out", "/signed-out"),
    *("/device/complete", "/device/wrong", "/device/0", "/device/allowed"),
    *("/other-ways", "/reset/address", "/reset/weak", "/sign-up/taken", "/email/address", "/email/confirm"),
    *("/reset/sent", "/reset/done", "/sign-up/sent", "/sign-up/done"),
    *("/expired", "/form-post", "/landing-page", "/account/password/wrong", "/account/delete/wrong"),
    "/account",
    *(f"/account/{name}" for name in ACCOUNT[1:]),
)
ENCODED = [("code", "ac_0"), ("state", HOSTILE)]
INJECT = "script => window.axe || (0, eval)(script)"
CHECK = """() => axe.run({resultTypes: ["violations"]}).then(results => results.violations.flatMap(
    each => each.nodes.map(node => [each.id, node.html, node.failureSummary].join(": "))))"""


def violations(page: Any) -> list[str]:
    page.evaluate(INJECT, Axe().axe_script)
    found: list[str] = page.evaluate(CHECK)
    return found


def test_every_template_is_among_them() -> None:
    """The template `continue` is left out, because its page leaves for the client by itself."""
    shown = {"form_post"} | {answer.name for path in EVERY_TEMPLATE if isinstance(answer := ANSWERS[path], Page)}
    assert shown == SAMPLES.keys() - {"continue"}


@pytest.mark.parametrize("path", EVERY_TEMPLATE)
def test_every_page_is_accessible_in_light_and_dark_at_320_and_1280_pixels(show: Show, path: str) -> None:
    watched = show(path, viewport={"width": 1280, "height": 900})
    page = watched.page
    for width in (1280, 320):
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert violations(page) == [], (width, scheme)
        assert watched.measure() == {"overflow": 0, "small": [], "moving": 0}, width  # WCAG 1.4.10, 2.5.8, 2.3.3
    assert watched.messages == []
    assert {urlsplit(request.url).netloc for request in watched.elsewhere} <= {urlsplit(CALLBACK).netloc}


@pytest.mark.parametrize("path", ["/wrong", "/consent", "/expired"])
def test_text_of_twice_the_size_fits(show: Show, path: str) -> None:
    """WCAG 1.4.4: text can be resized up to 200 percent without loss of content or functionality."""
    watched = show(path, viewport={"width": 640, "height": 900}, locale="de-DE")
    watched.page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert watched.measure()["overflow"] == 0


@pytest.mark.parametrize("scripts", [True, False])
def test_the_password_can_be_changed_by_keyboard(show: Show, scripts: bool) -> None:
    watched = show("/account/password", java_script_enabled=scripts)
    keyboard = watched.page.keyboard
    assert [watched.tab() for _ in range(2)] == ["back", "current-password"]
    keyboard.type("correct horse")
    assert watched.tab() == "password"
    keyboard.type("battery staple")
    order = [watched.tab() for _ in range(2 if scripts else 1)]
    assert order == [*(["show-password"] if scripts else []), "change"]
    with watched.page.expect_response("**/account"):
        keyboard.press("Enter")
    sent = dict(watched.posted())
    assert (sent["username"], sent["current_password"], sent["new_password"]) == (
        *("ada", "correct horse"),
        "battery staple",
    )


@pytest.mark.parametrize("name", ["sessions", "end_session", "applications", "end_access"])
def test_every_way_to_end_something_is_reached_by_keyboard_and_named(show: Show, name: str) -> None:
    watched = show(f"/account/{name}", java_script_enabled=False)
    expected = {
        "sessions": ["back", "Sign out", "others", "sign-out"],
        "end_session": ["back", "offline", "end", "cancel", "sign-out"],
        "applications": ["back", "Example Notes", "Remove access", "sign-out"],
        "end_access": ["back", "end", "cancel", "sign-out"],
    }
    assert [watched.tab() for _ in expected[name]] == expected[name]
    ends = watched.page.eval_on_selector_all("a.end", "all => all.map(one => one.getAttribute('aria-label'))")
    assert all("Safari" in label or "Example Notes" in label for label in ends)


@pytest.mark.parametrize("page", WITH_NAMES)
def test_a_name_without_spaces_fits_into_320_pixels(show: Show, page: str) -> None:
    watched = show(f"/long/{page}", viewport={"width": 320, "height": 900}, locale="de-DE")
    assert watched.measure() == {"overflow": 0, "small": [], "moving": 0}


@pytest.mark.parametrize("media", [{"forced_colors": "active"}, {"contrast": "more"}, {"reduced_motion": "reduce"}])
def test_every_control_has_an_edge_whatever_the_reader_has_set(show: Show, media: Any) -> None:
    watched = show("/sign-in")
    watched.page.emulate_media(**media)
    edges = watched.page.eval_on_selector_all(
        "button:not([hidden]), input[type=text], input[type=password]",
        "all => all.map(one => getComputedStyle(one).borderTopWidth !== '0px')",
    )
    assert len(edges) == 4 and all(edges)
    assert violations(watched.page) == []


def test_the_sign_in_page_weighs_at_most_30_kilobytes_in_three_requests(show: Show) -> None:
    watched = show("/sign-in")
    assert [urlsplit(request.url).path for request in watched.requests] == [
        "/sign-in",
        "/static/style.css",
        "/static/pages.js",
    ]
    assert watched.bytes <= 30_000


@pytest.mark.parametrize("scripts", [True, False])
def test_one_can_sign_in_by_keyboard(show: Show, scripts: bool) -> None:
    watched = show("/sign-in", java_script_enabled=scripts)
    keyboard = watched.page.keyboard
    watched.page.wait_for_selector("#username:focus")
    keyboard.type("ada")
    assert watched.tab() == "password"
    keyboard.type("correct horse")
    order = [watched.tab() for _ in range(3 if scripts else 2)]
    assert order == [*(["show-password"] if scripts else []), "keep", "sign-in"]
    keyboard.press("Shift+Tab")
    keyboard.press("Space")
    with watched.page.expect_response("**/interaction/0"):
        keyboard.press("Enter")
    assert watched.posted() == [("csrf", "token"), ("username", "ada"), ("password", "correct horse"), ("keep", "yes")]


@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize("answer", ["allow", "deny"])
def test_one_can_allow_and_deny_by_keyboard(show: Show, answer: str, scripts: bool) -> None:
    watched = show("/consent", java_script_enabled=scripts)
    assert [watched.tab() for _ in range(2)] == ["Not you?", "allow"]
    if answer == "deny":
        assert watched.tab() == "deny"
    with watched.page.expect_response("**/interaction/0"):
        watched.page.keyboard.press("Enter")
    assert watched.posted() == [("csrf", "token"), ("answer", answer)]


@pytest.mark.parametrize("scripts", [True, False])
def test_one_can_sign_out_by_keyboard(show: Show, scripts: bool) -> None:
    watched = show("/sign-out", java_script_enabled=scripts)
    assert [watched.tab() for _ in range(3)] == ["offline", "sign-out", "stay"]
    watched.page.keyboard.press("Shift+Tab")
    watched.page.keyboard.press("Enter")
    assert watched.asked_elsewhere().url.startswith(f"{CALLBACK}?") and watched.sent_elsewhere() == [ENCODED[1]]
    assert watched.posted() == [("csrf", "token"), ("request", "client_id=c_0"), ("answer", "sign-out")]
    assert watched.messages == []


def test_allow_and_deny_look_the_same(show: Show) -> None:
    page = show("/consent").page
    looks = """one => [one.offsetWidth, one.offsetHeight, one.offsetTop,
        ...["color", "backgroundColor", "borderColor", "fontWeight"].map(name => getComputedStyle(one)[name])]"""
    assert page.eval_on_selector("#allow", looks) == page.eval_on_selector("#deny", looks)


def test_a_wrong_password_is_announced_by_its_field_and_nothing_has_to_be_typed_twice(show: Show) -> None:
    page = show("/wrong").page
    assert page.title() == "Error: Sign in"
    error = page.get_by_role("alert")
    assert error.get_attribute("id") == "error" and error.evaluate("one => one === document.activeElement")
    password = page.get_by_label("Password", exact=True)
    assert (password.get_attribute("aria-describedby"), password.get_attribute("aria-invalid")) == ("error", "true")
    assert (page.input_value("#username"), page.is_checked("#keep"), password.input_value()) == ("ada", True, "")


def test_a_password_can_be_pasted(show: Show) -> None:
    """WCAG 3.3.8: no cognitive function test, such as remembering a password, is required."""
    page = show("/sign-in").page
    page.fill("#username", "copied")
    page.keyboard.press("Control+A")
    page.keyboard.press("Control+C")
    page.focus("#password")
    page.keyboard.press("Control+V")
    assert page.input_value("#password") == "copied"


def test_a_password_can_be_shown_and_is_hidden_again_when_it_is_sent(show: Show) -> None:
    watched = show("/hint")
    page, button = watched.page, watched.page.get_by_role("button", name="Show password")
    kind = "one => [one.type, document.getElementById('show-password').getAttribute('aria-pressed')]"
    page.fill("#password", "correct horse")
    seen = [page.eval_on_selector("#password", kind)]
    for _ in range(2):
        button.click()
        seen.append(page.eval_on_selector("#password", kind))
    assert seen == [["password", "false"], ["text", "true"], ["password", "false"]]
    button.click()
    page.evaluate("document.forms[0].addEventListener('submit', (event) => event.preventDefault())")
    page.click("#sign-in")
    assert page.eval_on_selector("#password", kind) == ["password", "false"]


def test_the_form_post_response_sends_itself_and_has_a_button_without_scripts(show: Show) -> None:
    watched = show("/form-post", java_script_enabled=False)
    assert watched.elsewhere == []
    watched.page.click("#continue")
    for each in (watched, show("/form-post")):
        request = each.asked_elsewhere()
        assert (request.method, request.url) == ("POST", CALLBACK)
        assert [(name, value.replace("\r\n", "\n")) for name, value in each.sent_elsewhere()] == [
            (name, value.replace("\r\n", "\n")) for name, value in ENCODED
        ]
        assert each.messages == []


@pytest.mark.parametrize("scripts", [True, False])
def test_after_a_form_the_browser_continues_to_the_client(show: Show, scripts: bool) -> None:
    """Although the policy allows forms, and the redirects that follow them, to no other origin."""
    watched = show("/consent", java_script_enabled=scripts)
    watched.page.click("#allow")
    assert watched.asked_elsewhere().url.startswith(f"{CALLBACK}?") and watched.sent_elsewhere() == ENCODED
    assert "referer" not in watched.elsewhere[0].headers
    assert watched.messages == []


def test_no_other_page_can_put_ours_into_a_frame(show: Show) -> None:
    watched = show("/sign-in")
    watched.page.context.route(
        "https://evil.example/",
        lambda route: route.fulfill(body=f"<iframe src={ISSUER}/sign-in></iframe>", content_type="text/html"),
    )
    watched.page.goto("https://evil.example/")
    (frame,) = watched.page.frames[1:]
    assert frame.query_selector("#password") is None
    assert any("frame-ancestors" in message for message in watched.messages)


def test_a_german_browser_gets_german_pages(show: Show) -> None:
    page = show("/sign-in", locale="de-AT").page
    assert page.get_attribute("html", "lang") == "de"
    assert page.get_by_label("Benutzername").get_attribute("id") == "username"
    assert page.get_by_role("button", name="Anmelden").get_attribute("id") == "sign-in"
