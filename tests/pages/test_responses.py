"""What the pages send, without a browser: headers, redirects, escaping, languages, an operator's own templates."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from authserver.domain.errors import Misconfigured
from authserver.pipeline.replies import BrowserAnswer, ClientShown, Cookie, GoTo, Page, Redirect
from authserver.web.browser.pages import Pages, with_params
from authserver.web.browser.samples import CLIENT, SAMPLES
from authserver.web.browser.templates import Templates
from tests.harness.markup import Markup
from tests.pages.pictures import DIGESTS, FOLDER, PICTURES, digests
from tests.pages.showing import ANSWERS, CALLBACK, HOSTILE, ISSUER, SIGN_IN, changed, client, set_cookie
from tests.readme.blocks import ROOT, blocks

PAGE = ROOT / "docs" / "how-to" / "pages.md"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "content-language": "en",
    "content-security-policy": POLICY,
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "publickey-credentials-get=(self), publickey-credentials-create=(self)",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


@pytest.fixture(scope="module")
def http() -> TestClient:
    return client()


def elements(answer: Any) -> Markup:
    return Markup(answer.text)


def shown(answer: BrowserAnswer, pages: Pages | None = None, **headers: str) -> Any:
    return client({"/x": answer}, pages).get("/x", headers={k.replace("_", "-"): v for k, v in headers.items()})


@pytest.mark.parametrize("path", ANSWERS)
def test_every_page_has_these_headers(http: TestClient, path: str) -> None:
    answer = http.get(path)
    expected = dict(HEADERS)
    if path == "/form-post":
        expected["content-security-policy"] = POLICY.replace(
            "form-action 'self'", "form-action 'self' https://notes.example"
        )
    assert expected.items() <= {name.lower(): value for name, value in answer.headers.items()}.items()


@pytest.mark.parametrize("path", ANSWERS)
def test_no_page_has_a_script_or_style_of_its_own(http: TestClient, path: str) -> None:
    page = elements(http.get(path))
    assert [element for element in page.by_tag("script") if not element.get("src", "").startswith(ISSUER)] == []
    assert page.by_tag("style") == []
    assert [each for each in page.elements if "style" in each or any(name[:2] == "on" for name in each)] == []


def test_the_status_and_the_time_to_wait() -> None:
    answer = shown(Page("error", {"code": "too_many"}, 429, retry_after=60))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    assert "retry-after" not in shown(SIGN_IN).headers


@pytest.mark.parametrize(
    ("path", "ids"),
    [
        ("/sign-in", {"username", "password", "sign-in"}),
        ("/again", {"username", "password", "sign-in"}),
        ("/wrong", {"username", "password", "sign-in", "error"}),
        ("/consent", {"allow", "deny"}),
        ("/device", {"user-code", "continue"}),
        ("/device/wrong", {"user-code", "continue", "error"}),
        ("/device/0", {"code", "allow", "deny"}),
        ("/device/allowed", {"device-done", "account"}),
        ("/device/denied", {"device-done"}),
        ("/expired", {"error", "request-id", "back"}),
        ("/invalid_request", {"error", "request-id"}),
    ],
)
def test_the_ids_that_tools_use(http: TestClient, path: str, ids: set[str]) -> None:
    present = {element["id"] for element in elements(http.get(path)).elements if "id" in element}
    assert ids <= present
    assert ("error" in present) == ("error" in ids)


def test_the_username_is_editable_or_hidden_and_never_readonly(http: TestClient) -> None:
    editable, fixed = (elements(http.get(path)).by_id("username") for path in ("/hint", "/again"))
    assert (editable["type"], editable["value"], fixed["type"], fixed["value"]) == ("text", "ada", "hidden", "ada")
    assert {"readonly", "disabled"}.isdisjoint(editable | fixed)
    assert editable["autocomplete"] == fixed["autocomplete"] == "username"


def test_the_password_has_no_limit_and_is_never_sent_back(http: TestClient) -> None:
    password = elements(http.get("/wrong")).by_id("password")
    assert password["autocomplete"] == "current-password"
    assert {"maxlength", "pattern", "value"}.isdisjoint(password)


@pytest.mark.parametrize(
    ("wait", "text"),
    [(1, "1 second,"), (40, "40 seconds"), (90, "90 seconds"), (91, "2 minutes"), (900, "15 minutes")],
)
def test_the_time_to_wait_after_wrong_passwords_in_words(wait: int, text: str) -> None:
    answer = elements(shown(changed(SIGN_IN, error="delayed", wait=wait)))
    assert text in answer.text
    assert "aria-invalid" not in answer.by_id("password")


def test_a_redirect_to_a_client_is_never_stored_and_sends_no_referrer() -> None:
    answer = shown(Redirect(CALLBACK, (("code", "ac_0"), ("state", HOSTILE))))
    assert (answer.status_code, answer.content) == (303, b"")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    uri, _, query = answer.headers["location"].partition("?")
    assert (uri, parse_qsl(query, strict_parsing=True)) == (CALLBACK, [("code", "ac_0"), ("state", HOSTILE)])


def test_going_to_a_place_of_ours_changes_cookies() -> None:
    answer = shown(GoTo("/interaction/0", {"session": Cookie("secret"), "browser": None}))
    assert (answer.status_code, answer.headers["location"]) == (303, f"{ISSUER}/interaction/0")
    assert answer.headers.get_list("set-cookie") == ["session=secret", "browser="]


def test_after_a_form_a_page_continues_to_the_client(http: TestClient) -> None:
    answer = elements(http.get("/continue"))
    (refresh,) = (meta["content"] for meta in answer.by_tag("meta") if meta.get("http-equiv") == "refresh")
    uri = answer.by_id("continue")["href"]
    assert refresh == f"0;url={uri}"
    assert parse_qsl(urlsplit(uri).query) == [("code", "ac_0"), ("state", HOSTILE)]


def test_the_form_post_response_has_exactly_the_parameters(http: TestClient) -> None:
    (form,) = elements(http.get("/form-post")).forms
    assert (form.method, form.action) == ("post", CALLBACK)
    assert form.fields == [("code", "ac_0"), ("state", HOSTILE)]


@pytest.mark.parametrize(
    ("uri", "allowed"),
    [
        ("https://notes.example:8443/cb?x=1", "https://notes.example:8443"),
        ("http://127.0.0.1:5000/cb", "http://127.0.0.1:5000"),
        ("http://[::1]:5000/cb", "http:"),
        ("https://a;script-src *.example/cb", "https:"),
    ],
)
def test_the_form_post_response_may_send_its_form_to_the_client_alone(uri: str, allowed: str) -> None:
    policy = shown(Redirect(uri, (("code", "ac_0"),), "form_post")).headers["content-security-policy"]
    assert policy == POLICY.replace("form-action 'self'", f"form-action 'self' {allowed}")


QUERIES = st.lists(st.tuples(st.text("abc", min_size=1), st.text(st.characters(exclude_categories=["Cs"])))).map(tuple)


@given(
    st.sampled_from(["https://a.example/cb", "https://a.example/cb?x=%20y", "com.example:/cb", "https://a.example?"]),
    QUERIES,
)
def test_rfc6749_3_1_2_the_query_of_a_redirect_uri_is_kept(uri: str, params: tuple[tuple[str, str], ...]) -> None:
    whole = with_params(uri, params)
    assert whole.startswith(uri) and whole.isascii()
    kept = parse_qsl(urlsplit(uri).query, keep_blank_values=True)
    assert parse_qsl(urlsplit(whole).query, keep_blank_values=True) == [*kept, *params]


@pytest.mark.parametrize("page", SAMPLES)
def test_what_others_wrote_is_escaped(page: str) -> None:
    hostile = ClientShown(HOSTILE, *[f"https://x.example/{HOSTILE}"] * 4)
    values = {name: HOSTILE if isinstance(value, str) else value for name, value in SAMPLES[page].items()}
    values |= {"client": hostile, "error": "wrong" if page == "sign_in" else ""}
    answer = elements(shown(Page(page, values)))
    assert all(script["src"].startswith(ISSUER) for script in answer.by_tag("script"))
    if page == "sign_in":
        assert answer.by_id("username")["value"] == HOSTILE


LOGO = "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.parametrize("uri", [LOGO, f"{ISSUER}/static/notes.png"])
def test_a_logo_that_the_policy_lets_in_is_shown(uri: str) -> None:
    (image,) = elements(shown(changed(SIGN_IN, client=ClientShown("Notes", logo_uri=uri)))).by_tag("img")
    assert image == {"class": "logo", "src": uri, "alt": "Notes"}


@pytest.mark.parametrize("uri", ["", "https://elsewhere.example/logo.png", f"{ISSUER}.evil/x.png", "data:text/html,x"])
def test_a_logo_from_elsewhere_is_not_loaded(uri: str) -> None:
    answer = elements(shown(changed(SIGN_IN, client=ClientShown("Notes", logo_uri=uri))))
    assert answer.by_tag("img") == []


def test_the_pages_link_to_the_clients_own_pages(http: TestClient) -> None:
    links = {link["href"] for link in elements(http.get("/sign-in")).by_tag("a")}
    assert links == {CLIENT.uri, CLIENT.policy_uri, CLIENT.tos_uri}
    assert elements(shown(changed(SIGN_IN, client=None))).by_tag("a") == []


@pytest.mark.parametrize(
    ("ui_locales", "accepted", "language"),
    [
        ("", "", "en"),
        ("", "de", "de"),
        ("", "de-AT,en;q=0.5", "de"),
        ("", "fr, en;q=0.2, de;q=0.7", "de"),
        ("en", "de", "en"),
        ("fr de", "en", "de"),
        ("xx", "de", "de"),
    ],
)
def test_the_language_is_the_clients_choice_then_the_browsers(ui_locales: str, accepted: str, language: str) -> None:
    page = Page("sign_in", SIGN_IN.values, ui_locales=ui_locales)
    answer = shown(page, accept_language=accepted)
    assert (answer.headers["content-language"], elements(answer).by_tag("html")) == (
        language,
        [{"lang": language, "dir": "ltr"}],
    )
    assert ("Passwort" in answer.text) == (language == "de")


@pytest.mark.parametrize("path", ANSWERS)
def test_no_english_is_left_on_a_german_page(http: TestClient, path: str) -> None:
    """Words of the same sentence that differ in both languages."""
    text = elements(http.get(path, headers={"Accept-Language": "de"})).text
    own = text.replace("Example Notes", "").replace("No such client.", "")
    assert not {"the", "you", "your", "sign", "to", "is"} & set(own.lower().split())


def checked(folder: Path) -> Pages:
    templates = Templates(ISSUER, folder)
    templates.check()
    return Pages(ISSUER, set_cookie, templates)


def test_an_operators_template_takes_the_place_of_ours_and_can_extend_it(tmp_path: Path) -> None:
    (tmp_path / "sign_in.html").write_text(
        '{% extends "built-in/sign_in.html" %}{% block footer %}<footer>By {{ host }} for {{ client.name }}</footer>'
        "{% endblock %}"
    )
    pages = checked(tmp_path)
    answer = elements(shown(SIGN_IN, pages))
    assert "By login.example for Example Notes" in answer.text and answer.by_id("password")
    assert elements(shown(ANSWERS["/expired"], pages)).by_id("error")


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("{% if %}", "sign_in.html, line 1: "),
        ("\n{{ nobody }}", "sign_in.html, line 2: 'nobody' is undefined"),
        ("{{ 1 / 0 }}", "sign_in.html, line 1: ZeroDivisionError"),
        ('{% extends "nothing.html" %}', "sign_in.html, line 1: nothing.html"),
    ],
)
def test_an_operators_template_that_fails(tmp_path: Path, template: str, fault: str) -> None:
    """The server does not start; if it runs already, the built-in page is shown."""
    (tmp_path / "sign_in.html").write_text(template)
    with pytest.raises(Misconfigured, match="(?s)sign_in cannot be rendered.*AUTHSERVER_PAGES_DIR$") as error:
        checked(tmp_path)
    pages = Pages(ISSUER, set_cookie, Templates(ISSUER, tmp_path))
    assert fault in str(error.value)
    with capture_logs() as logs:
        assert elements(shown(SIGN_IN, pages)).by_id("password")
    (entry,) = logs
    assert (entry["event"], entry["page"], entry["log_level"]) == ("template_failed", "sign_in", "error")
    assert fault in entry["reason"]


def test_the_built_in_templates_render_every_sample() -> None:
    Templates(ISSUER).check()


def test_the_pictures_in_the_documentation_are_of_the_present_pages() -> None:
    assert json.loads(DIGESTS.read_text()) == digests(), "Run: .venv/bin/python -m tests.pages.pictures"
    assert {file.stem for file in FOLDER.glob("*.png")} == set(PICTURES)


def test_the_templates_in_the_documentation_work(tmp_path: Path) -> None:
    layout, words = (block.text for block in blocks(PAGE.read_text()) if block.kind == "html")
    (tmp_path / "layout.html").write_text(layout)
    (tmp_path / "words.html").write_text(words)
    pages = checked(tmp_path)
    text = elements(shown(ANSWERS["/consent"], pages)).text
    assert all(each in text for each in ("Read your notes", "See your email address", "Questions?"))


@pytest.mark.parametrize("page", SAMPLES)
def test_the_documentation_names_everything_that_a_template_is_given(page: str) -> None:
    """And its example values have what the documentation says, so that each template can be tried with them."""
    _, _, section = PAGE.read_text().partition(f"`{page}.html`")
    named = set(re.findall(r"`(\w+)`", section.partition(".html`")[0]))
    assert SAMPLES[page].keys() - {"client", "request_id"} <= named
