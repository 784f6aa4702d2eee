"""RFC 6749 s3.1.2 and s4.1.2.1, RFC 8252 s7 and s8, RFC 9207, RFC 9700 s4.1: where responses go, and where never."""

from typing import Any

import pytest

from tests.harness.browser import CALLBACK, answer_of, is_answer
from tests.harness.constants import ISSUER
from tests.openid.provider import Provider, granted, is_page, refused
from tests.web.serving import rows

SIGN_IN = 'id="sign-in"'


@pytest.mark.parametrize(
    "uri",
    [
        None,
        "",
        "https://client.example/cb",
        "https://client.example/cb?registered=a%20b&",
        "https://client.example/cb?registered=a%20b#",
        "https://client.example/cb?registered=a%20b#fragment",
        "https://client.example/cb?registered=a+b",
        "https://client.example/cb?registered=a b",
        "https://client.example/cb?Registered=a%20b",
        "https://client.example/cb/?registered=a%20b",
        "https://client.example/CB?registered=a%20b",
        "https://client.example//cb?registered=a%20b",
        "https://client.example/./cb?registered=a%20b",
        "https://client.example/x/../cb?registered=a%20b",
        "https://client.example/%63b?registered=a%20b",
        "https://client.example\\cb?registered=a%20b",
        "https://client.example:443/cb?registered=a%20b",
        "https://client.example./cb?registered=a%20b",
        "https://CLIENT.example/cb?registered=a%20b",
        "https://user@client.example/cb?registered=a%20b",
        "https://client.example@evil.example/cb?registered=a%20b",
        "https://client.example.evil.example/cb?registered=a%20b",
        "http://client.example/cb?registered=a%20b",
        "HTTPS://client.example/cb?registered=a%20b",
        " https://client.example/cb?registered=a%20b",
        "https://client.example/cb?registered=a%20b\n",
        "//client.example/cb?registered=a%20b",
        "/cb?registered=a%20b",
        "https://клиент.example/cb",
        "https://xn--80aqfc7a.example/cb",
        "javascript:alert(1)",
        "data:text/html,x",
        "http://127.0.0.1/cb",
        ISSUER,
        CALLBACK + "\t",
        CALLBACK * 40,
        "é",
        '"',
        b"\xff",
        b"https://client.example/cb?registered=a%20b\xa0",
        [CALLBACK, CALLBACK],
        [CALLBACK, "https://evil.example"],
    ],
)
def test_rfc9700_4_1_3_only_the_registered_uri_itself_is_redirected_to(op: Provider, uri: Any) -> None:
    nobody, before = op.browser(), len(rows(op.database, "interactions"))
    for more in ({}, {"prompt": "none"}, {"response_type": "token"}, {"response_mode": "form_post", "prompt": "none"}):
        page = nobody.authorize(redirect_uri=uri, **more)
        assert is_page(page) and "evil.example" not in page.text
    assert len(rows(op.database, "interactions")) == before


@pytest.mark.parametrize(
    "request_",
    [
        {"client_id": None},
        {"client_id": ""},
        {"client_id": "nobody"},
        {"client_id": "SSO"},
        {"client_id": "sso "},
        {"client_id": "s%73o"},
        {"client_id": "x" * 3000},
        {"client_id": "' OR 1=1 --"},
        {"client_id": ["sso", "sso"]},
        {"client_id": ["sso", "another"]},
        {"client_id": b"\xff"},
        {"client_id": "machine"},  # has no redirect URI
    ],
)
def test_rfc6749_4_1_2_1_an_unknown_client_is_told_nothing(op: Provider, request_: Any) -> None:
    assert is_page(op.browser().authorize(**request_))


@pytest.mark.parametrize("uri", ["http://127.0.0.1/cb", "http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb"])
def test_rfc8252_7_3_a_native_app_may_listen_at_any_port_of_a_loopback_address(op: Provider, uri: str) -> None:
    browser = op.browser()
    response = browser.allow(browser.sign_in(browser.authorize(client_id="native", redirect_uri=uri)))
    code = answer_of(response, uri)["code"]
    other = "http://127.0.0.1:9999/cb"
    assert refused(op.redeem(code, client_id="native", redirect_uri=other), "invalid_grant")
    granted(op.redeem(code, client_id="native", redirect_uri=uri))


@pytest.mark.parametrize(
    ("uri", "is_allowed"),
    [
        ("http://[::1]:7000/cb?a=b", True),
        ("http://[::1]:7001/cb?a=b", True),
        ("http://[::1]/cb?a=b", True),
        ("com.example.app:/cb", True),
        ("http://localhost:7000/cb", True),
        ("http://localhost:7001/cb", False),  # s8.3: the name may be another machine's
        ("http://localhost/cb", False),
        ("http://[::1]:7001/cb", False),
        ("http://[::1]:7001/cb?a=c", False),
        ("http://127.0.0.1:0/cb", False),
        ("http://127.0.0.1:65536/cb", False),
        ("http://127.0.0.1:08080/cb", False),
        ("http://127.0.0.1:80a/cb", False),
        ("http://127.0.0.1:/cb", False),
        ("http://127.0.0.1:1/CB", False),
        ("http://127.0.0.1:1/cb?x", False),
        ("http://127.0.0.1:1/cb#x", False),
        ("http://127.0.0.1:1@evil.example/cb", False),
        ("http://127.0.0.1.evil.example/cb", False),
        ("http://127.0.0.2:1/cb", False),
        ("http://2130706433/cb", False),
        ("http://0x7f.1/cb", False),
        ("http://[::ffff:127.0.0.1]/cb", False),
        ("http://[0:0:0:0:0:0:0:1]:7000/cb?a=b", False),
        ("https://127.0.0.1:1/cb", False),
        ("com.example.app:/cb?x", False),
        ("com.example.app://cb", False),
        ("com.example.app.evil:/cb", False),
    ],
)
def test_rfc8252_7_3_nothing_but_the_port_may_differ(op: Provider, uri: str, is_allowed: bool) -> None:
    page = op.browser().authorize(client_id="native", redirect_uri=uri)
    assert (SIGN_IN in page.text) if is_allowed else is_page(page)


@pytest.mark.parametrize(
    ("uri", "is_remembered"),
    [
        ("http://127.0.0.1:5000/cb", False),
        ("com.example.app:/cb", False),
        ("http://localhost:7000/cb", False),
        ("https://app.example/cb", True),  # which only its app can receive
    ],
)
def test_rfc8252_8_6_a_native_app_asks_each_time_since_another_app_may_pose_as_it(
    op: Provider, uri: str, is_remembered: bool
) -> None:
    request = {"client_id": "native", "redirect_uri": uri}
    browser = op.signed_in(**request)
    answer = answer_of(browser.authorize(**request, prompt="none"), uri)
    assert answer.get("error") == (None if is_remembered else "consent_required")
    page = browser.authorize(**request)
    assert ('id="allow"' in page.text) != is_remembered
    assert "code" in answer_of(page if is_remembered else browser.allow(page), uri)


@pytest.mark.parametrize("port", ["", ":80", ":5001", ":50000"])
def test_rfc9700_4_1_3_the_port_of_another_client_than_a_native_app_is_fixed(op: Provider, port: str) -> None:
    request = {"client_id": "another", "redirect_uri": f"http://127.0.0.1{port}/cb"}
    assert is_page(op.browser().authorize(**request))
    assert SIGN_IN in op.browser().authorize(**request | {"redirect_uri": "http://127.0.0.1:5000/cb"}).text


@pytest.mark.parametrize("uri", ["com.example.app:/cb", "http://[::1]:7000/cb?a=b"])
def test_rfc8252_7_1_a_native_app_gets_its_response_at_its_own_scheme_and_by_ipv6(op: Provider, uri: str) -> None:
    page = op.browser()
    shown = page.sign_in(page.authorize(client_id="native", redirect_uri=uri))
    response = page.allow(shown) if 'id="allow"' in shown.text else shown
    granted(op.redeem(answer_of(response, uri)["code"], client_id="native", redirect_uri=uri))


def test_oauth_form_post_to_the_scheme_of_an_app_is_refused(op: Provider) -> None:
    request = {"client_id": "native", "redirect_uri": "com.example.app:/cb", "response_mode": "form_post"}
    assert is_page(op.browser().authorize(**request))
    assert is_page(op.browser().authorize(**request, prompt="none"))


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"prompt": "none"},
        {"prompt": "none", "max_age": "0"},
        {"response_type": None},
        {"response_type": "token"},
        {"response_mode": "fragment"},
        {"scope": "unknown"},
        {"code_challenge": None},
        {"request": "x"},
        {"resource": "https://unknown.example"},
        {"nonce": ["a", "b"]},
        {"state": ["a", "b"], "prompt": "none"},
        {"claims": "{"},
    ],
)
def test_rfc9207_2_every_response_has_iss(op: Provider, request_: Any) -> None:
    answer = answer_of(op.signed_in().authorize(**request_))
    assert answer["iss"] == ISSUER
    assert ("code" in answer) != ("error" in answer)


def test_rfc9207_2_a_response_by_form_post_and_one_that_follows_a_form_have_iss(op: Provider) -> None:
    browser = op.signed_in()
    for more in ({}, {"prompt": "none", "max_age": "0"}):
        page = browser.authorize(response_mode="form_post", **more)
        assert f'name="iss" value="{ISSUER}"' in page.text
    assert answer_of(browser.deny(browser.authorize(prompt="consent")))["iss"] == ISSUER


@pytest.mark.parametrize("name", ["state", "nonce", "scope", "response_type", "prompt", "code_challenge", "x"])
def test_rfc6749_3_1_a_parameter_that_is_repeated(op: Provider, name: str) -> None:
    answer = answer_of(op.browser().authorize(**{name: ["code", "code"]}))
    assert answer["error"] == "invalid_request"
    assert ("state" in answer) == (name != "state")


def test_rfc6749_3_1_a_parameter_without_a_value_is_as_if_it_were_left_out(op: Provider) -> None:
    empty = dict.fromkeys(("prompt", "max_age", "claims", "request", "request_uri", "id_token_hint", "resource"), "")
    assert SIGN_IN in op.browser().authorize(**empty, display="", ui_locales="", registration="").text
    assert is_page(op.browser().authorize(client_id=""))


@pytest.mark.parametrize("name", ["next", "return_to", "redirect", "url", "continue", "back", "target", "post_login"])
@pytest.mark.parametrize("value", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_rfc9700_4_11_parameters_of_other_servers_lead_nowhere(op: Provider, name: str, value: str) -> None:
    browser = op.browser()
    page = browser.authorize(**{name: value})
    assert SIGN_IN in page.text and "evil" not in page.text
    assert page.url.query == b""
    page = browser.get(f"{page.url.path}?{name}={value}")
    assert SIGN_IN in page.text and "evil" not in page.text
    response = browser.sign_in(page, **{name: value})
    assert "evil" not in response.text and "evil" not in response.headers.get("location", "")


@pytest.mark.parametrize("state", ["a\r\nSet-Cookie: x=y", "a\r\n\r\n<script>", "%0d%0aX: y", "\x7f\x1b[2J", "\u2028"])
def test_rfc6749_10_12_a_state_splits_no_header(op: Provider, state: str) -> None:
    response = op.signed_in().authorize(state=state)
    assert answer_of(response)["state"] == state
    location = response.headers["location"]
    assert location.isascii() and location.isprintable()
    assert "x" not in response.headers


def test_rfc9700_4_12_a_redirect_is_303_and_never_repeats_a_post(op: Provider) -> None:
    browser = op.browser()
    page = browser.authorize()
    fields = {"username": "ada", "password": "correct horse battery staple"}
    form = {"csrf": page.text.partition('name="csrf" value="')[2].partition('"')[0]} | fields
    headers = {"Origin": ISSUER}
    posted = browser.http.post(f"{page.url.path}/sign-in", data=form, headers=headers, follow_redirects=False)
    assert posted.status_code == 303 and posted.headers["location"] == f"{ISSUER}{page.url.path}"
    sent = browser.http.post("/authorize", data={"client_id": "sso"}, follow_redirects=False)
    assert sent.status_code == 303
    assert is_answer(op.signed_in().authorize())
