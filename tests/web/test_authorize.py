"""What /authorize accepts and refuses, and who is told: the client by redirect, or the person by a page."""

from typing import Any

import pytest

from authserver.domain.key_schedule import first_signs_at
from authserver.domain.models import SECOND
from authserver.domain.times import utc_at_latest
from authserver.keyring.lifecycle import Lifecycle
from authserver.store.database import Database
from tests.harness.browser import CALLBACK, CHALLENGE, Browser, answer_of, is_answer, query
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER
from tests.harness.existing import existing
from tests.web.serving import change_client, rows, wait_until

HOSTILE = '"><script>alert(1)</script>\r\n\té\x01'


def is_page(response: Any, status: int = 400) -> bool:
    html = response.headers["content-type"].startswith("text/html") and 'id="error"' in response.text
    return response.status_code == status and "location" not in response.headers and html


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "nobody"},
        {"client_id": None},
        {"client_id": ["sso", "sso"]},
        {"redirect_uri": None},
        {"redirect_uri": [CALLBACK, CALLBACK]},
        {"redirect_uri": "https://client.example/cb?registered=a b"},
        {"redirect_uri": f"{CALLBACK}&more"},
        {"redirect_uri": 'https://é"'},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": "http://127.0.0.1:1234/cb"},  # any port is for native clients
        {"redirect_uri": "http://127.0.0.1@evil.example/cb"},
        {"redirect_uri": "com.example.app:/cb", "response_mode": "form_post"},
        {"redirect_uri": b"\xff"},
    ],
)
def test_what_no_client_can_be_told_is_a_page_rfc6749_4_1_2_1(browser: Browser, changes: Any) -> None:
    assert is_page(browser.authorize(**changes))


@pytest.mark.parametrize("path", ["/authorize?state=%00", "/interaction/%00", "/interaction/0/sign-in?x=%00"])
def test_a_nul_in_an_address_that_a_person_opens_is_a_page_with_the_request_id(browser: Browser, path: str) -> None:
    page = browser.get(path)
    assert is_page(page)
    assert page.headers["x-request-id"] in page.text


def test_a_disabled_client_is_a_page(browser: Browser, database: Database) -> None:
    change_client(database, "sso", disabled=True)
    assert is_page(browser.authorize())


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1234/cb", "http://127.0.0.1/cb", "com.example.app:/cb"])
def test_a_native_app_listens_at_any_loopback_port_rfc8252_7_3(browser: Browser, database: Database, uri: str) -> None:
    change_client(database, "sso", application_type="native")
    assert 'id="sign-in"' in browser.authorize(redirect_uri=uri).text


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "id_token token"}, "unsupported_response_type"),
        ({"response_type": "é"}, "unsupported_response_type"),
        ({"response_type": ["code", "code"]}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": CHALLENGE[:-1]}, "invalid_request"),
        ({"code_challenge": CHALLENGE + "\n"}, "invalid_request"),
        ({"code_challenge": "A" * 129}, "invalid_request"),
        ({"scope": "openid admin"}, "invalid_scope"),
        ({"scope": "openid\tread"}, "invalid_scope"),
        ({"nonce": ["a", "b"]}, "invalid_request"),
        ({"nonce": "n" * 2049}, "invalid_request"),
        ({"nonce": b"\xff"}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "bogus"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "abc"}, "invalid_request"),
        ({"max_age": "1.5"}, "invalid_request"),
        ({"claims": "[]"}, "invalid_request"),
        ({"claims": "{" * 500}, "invalid_request"),
        (
            {"claims": '{"id_token": {"acr": {"essential": true, "value": "x"}}}'},
            "unmet_authentication_requirements",
        ),
        ({"request_uri": b"\xff"}, "invalid_request"),
        ({"resource": b"\xff"}, "invalid_target"),
        ({"request": "x"}, "request_not_supported"),
        ({"request_uri": "https://client.example/request"}, "request_uri_not_supported"),
        ({"registration": "{}"}, "registration_not_supported"),
        ({"resource": "https://unknown.example"}, "invalid_target"),
        ({"prompt": "none"}, "login_required"),
    ],
)
def test_what_the_client_is_told_rfc6749_4_1_2_1(browser: Browser, changes: Any, error: str) -> None:
    answer = answer_of(browser.authorize(**changes))
    assert answer["error"] == error
    assert (answer["state"], answer["iss"]) == ("a state", ISSUER)  # RFC 9207 s2
    assert "admin" not in answer["error_description"]


def test_a_client_without_the_grant_is_told(browser: Browser, database: Database) -> None:
    change_client(database, "sso", grant_types=frozenset({"refresh_token"}))
    assert answer_of(browser.authorize())["error"] == "unauthorized_client"


def test_a_confidential_client_may_be_exempt_from_pkce_and_a_public_one_never(
    browser: Browser, database: Database
) -> None:
    without = {"code_challenge": None, "code_challenge_method": None}
    change_client(database, "sso", pkce="optional")
    assert answer_of(browser.authorize(**without))["error"] == "invalid_request"
    change_client(database, "sso", pkce="optional", auth_method="client_secret_basic")
    browser.http.get("/")  # the cached client
    assert answer_of(browser.authorize(**without, prompt="none"))["error"] in ("invalid_request", "login_required")


@pytest.mark.parametrize(
    "state", ["", " ", HOSTILE, "&a=b#c%00", "s" * 2048, "é" * 1024, b"\xff\xfe\x80", b"\xff" * 2048]
)
def test_the_state_comes_back_exactly(browser: Browser, state: Any) -> None:
    expected = state.decode(errors="surrogateescape") if isinstance(state, bytes) else state
    assert answer_of(browser.authorize(prompt="none", state=state))["state"] == expected
    browser.code()
    assert answer_of(browser.authorize(state=state))["state"] == expected


def test_no_state_comes_back_if_none_was_sent_and_one_above_2_kb_is_refused(browser: Browser) -> None:
    assert "state" not in answer_of(browser.authorize(prompt="none", state=None))
    for long in ("s" * 2049, "é" * 1025, b"\xff" * 2049):
        assert answer_of(browser.authorize(state=long))["error"] == "invalid_request"
    assert "state" not in answer_of(browser.authorize(state=["a", "b"]))


def test_unknown_parameters_are_ignored_even_if_they_are_the_names_of_forms_rfc6749_3_1(browser: Browser) -> None:
    page = browser.authorize(next="//evil.example", return_to="https://evil.example", csrf="x", display="touch")
    assert 'id="sign-in"' in page.text
    assert "evil" not in page.text
    page = browser.get(f"/authorize?{query()}&display=%FF&%FF=x")
    assert 'id="sign-in"' in page.text
    assert "code" in answer_of(browser.allow(browser.sign_in(page)))


def test_a_form_becomes_our_own_get_and_writes_nothing(browser: Browser, database: Database) -> None:
    body = query(state="a b&c", nonce="é")
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    response = browser.http.post("/authorize", content=body, headers=headers, follow_redirects=False)
    assert response.status_code == 303
    assert response.headers["location"] == f"{ISSUER}/authorize?{body}"
    assert "set-cookie" not in response.headers
    assert rows(database, "interactions") == []
    large = browser.http.post("/authorize", content="state=" + "é" * 6000, headers=headers)
    assert is_page(large, 413)


def test_a_url_of_33_kb_is_414(browser: Browser) -> None:
    assert is_page(browser.http.get(f"/authorize?{'x' * 33_000}"), 414)


def test_a_response_by_form_post_is_a_page_that_works_without_javascript(browser: Browser) -> None:
    browser.code()
    page = browser.authorize(response_mode="form_post", state=HOSTILE)
    assert page.status_code == 200 and "<script>alert" not in page.text
    assert "form-action 'self' https://client.example;" in page.headers["content-security-policy"]
    error = browser.authorize(response_mode="form_post", prompt="none", max_age="0")
    assert 'name="error" value="login_required"' in error.text
    for changed in (b"\xff", "a\nb", "a\rb"):
        assert is_page(browser.authorize(response_mode="form_post", state=changed))


def test_the_response_mode_in_a_refused_request_object_says_how_the_error_travels(browser: Browser) -> None:
    from base64 import urlsafe_b64encode

    payload = urlsafe_b64encode(b'{"response_mode":"form_post","state":"other"}').rstrip(b"=").decode()
    page = browser.authorize(request=f"e30.{payload}.x")
    assert 'name="error" value="request_not_supported"' in page.text
    assert 'name="state" value="a state"' in page.text
    for request in ("x.y.z", f"e30.{payload}", "a.b.c.d.e", "." * 70, f"e30.{'W' * 9000}.x"):
        assert is_answer(browser.authorize(request=request))


def test_an_id_token_of_an_algorithm_that_signs_later_is_refused_with_the_time(
    browser: Browser, database: Database
) -> None:
    change_client(database, "sso", id_token_alg="ES256")
    answer = answer_of(browser.authorize())
    assert answer["error"] == "temporarily_unavailable"
    assert answer["error_description"] == (
        "ID tokens of this client can be signed with ES256 after its first key exists."
    )
    assert 'id="sign-in"' in browser.authorize(scope="read").text


def test_the_time_is_the_first_at_which_the_key_may_sign_to_the_second_as_the_command_line_says_it(
    browser: Browser, database: Database, lifecycle: Lifecycle, clock: Clock
) -> None:
    change_client(database, "sso", id_token_alg="ES256")
    clock.forward(0.5)
    lifecycle.run_due()
    at = existing(first_signs_at("ES256", lifecycle.read(), lifecycle.policy))
    clock.forward(6)  # for the cached client
    wait_until(lambda: f" ES256 from {utc_at_latest(at)} on." in answer_of(browser.authorize())["error_description"])
    clock.forward((at - clock()) / SECOND - 1)
    assert lifecycle.run_due() == []
    clock.forward(2)
    assert [step.alg for step in lifecycle.run_due()] == ["ES256"]


@pytest.mark.parametrize("settings", [{"interaction_limit": 3}], indirect=True)
def test_a_network_may_begin_so_many_sign_ins_a_minute(browser: Browser, clock: Clock, from_host: Any) -> None:
    for _ in range(3):
        assert 'id="sign-in"' in browser.authorize().text
    refused = browser.authorize()
    assert is_page(refused, 429)
    assert refused.headers["retry-after"] == "20"
    from_host("198.51.100.7")
    assert 'id="sign-in"' in browser.authorize().text
    from_host("testclient")
    clock.forward(20)
    assert 'id="sign-in"' in browser.authorize().text
    assert is_page(browser.authorize(), 429)


@pytest.mark.parametrize("settings", [{"interaction_limit": 0}], indirect=True)
def test_0_is_no_limit_of_sign_ins(browser: Browser) -> None:
    assert all('id="sign-in"' in browser.authorize().text for _ in range(70))
