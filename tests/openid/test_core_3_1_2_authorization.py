"""OpenID Connect Core 1.0 s3.1.2: the authorization endpoint by the code flow."""

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest

from tests.harness.browser import CALLBACK, Browser, answer_of, is_answer, query
from tests.harness.constants import ISSUER
from tests.openid.provider import Provider, granted, is_page
from tests.web.serving import rows

SIGN_IN, CONSENT, CHOICE = 'id="sign-in"', 'id="allow"', 'name="account" value="same"'
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def signed_in(op: Provider) -> Browser:
    """ada has signed in and agreed to the scope openid read."""
    return op.signed_in()


def subject(op: Provider, response: Any) -> Any:
    return op.claims(granted(op.redeem(answer_of(response)["code"]))["id_token"])["sub"]


def is_for_anyone(page: Any) -> bool:
    """Whether it is a sign-in page where a username can be typed."""
    return SIGN_IN in page.text and '<input type="text" id="username"' in page.text


# 3.1.2.1 Authentication Request


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_3_1_2_1_get_and_post_are_both_supported(op: Provider, method: str) -> None:
    browser = op.signed_in()
    if method == "GET":
        page = browser.authorize(state="é&=")
    else:
        sent = browser.http.post("/authorize", content=query(state="é&="), headers=FORM, follow_redirects=False)
        page = browser.get(sent.headers["location"])
    assert answer_of(page)["state"] == "é&="


def test_3_1_2_1_without_the_scope_openid_it_is_plain_oauth(op: Provider, signed_in: Browser) -> None:
    body = granted(op.redeem(signed_in.code(scope="read")))
    assert "id_token" not in body and body["scope"] == "read"
    body = granted(op.redeem(op.signed_in(scope=None).code(scope=None)))
    assert "id_token" not in body and not {"openid", "offline_access"} & set(body["scope"].split())


def test_3_1_2_1_scopes_that_are_not_understood_or_not_the_clients_are_refused(signed_in: Browser) -> None:
    assert answer_of(signed_in.authorize(scope="openid something"))["error"] == "invalid_scope"


def test_3_1_2_1_the_order_of_the_scopes_and_their_repetition_mean_nothing(op: Provider, signed_in: Browser) -> None:
    body = granted(op.redeem(signed_in.code(scope="read openid read")))
    assert "id_token" in body and sorted(body["scope"].split()) == ["openid", "read"]


@pytest.mark.parametrize("response_type", ["token", "id_token", "id_token token", "code id_token", "none", "Code", "é"])
def test_3_1_2_1_other_response_types_are_refused(signed_in: Browser, response_type: str) -> None:
    assert answer_of(signed_in.authorize(response_type=response_type))["error"] == "unsupported_response_type"


@pytest.mark.parametrize("display", ["page", "popup", "touch", "wap", "unknown"])
def test_3_1_2_1_display_changes_nothing(signed_in: Browser, display: str) -> None:
    assert "code" in answer_of(signed_in.authorize(display=display))


@pytest.mark.parametrize("prompt", ["none login", "none consent", "none select_account", "login none", "none none x"])
def test_3_1_2_1_none_with_another_prompt_is_an_error(signed_in: Browser, prompt: str) -> None:
    assert answer_of(signed_in.authorize(prompt=prompt))["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("prompt", "pages"),
    [
        ("login", [SIGN_IN]),
        ("consent", [CONSENT]),
        ("select_account", [CHOICE]),
        ("login consent", [SIGN_IN, CONSENT]),
        ("consent login", [SIGN_IN, CONSENT]),
        ("login select_account", [SIGN_IN]),
        ("select_account consent", [CHOICE, CONSENT]),
        ("consent select_account login", [SIGN_IN, CONSENT]),
        (" consent  consent ", [CONSENT]),
    ],
)
def test_3_1_2_1_each_prompt_shows_its_page_once(op: Provider, prompt: str, pages: list[str]) -> None:
    browser = op.signed_in()
    page = browser.authorize(prompt=prompt)
    for expected in pages:
        assert expected in page.text, page.text
        page = browser.submit(page, **_FIELDS[expected])
    assert "code" in answer_of(page)


_FIELDS: dict[str, dict[str, Any]] = {
    SIGN_IN: {"username": "ada", "password": "correct horse battery staple"},
    CONSENT: {"answer": "allow"},
    CHOICE: {"account": "same"},
}


def test_3_1_2_1_max_age_asks_for_the_password_again_and_auth_time_says_so(op: Provider) -> None:
    browser = op.signed_in()
    op.later(10)
    assert "code" in answer_of(browser.authorize(max_age="11"))
    page = browser.authorize(max_age="9")
    assert SIGN_IN in page.text
    code = answer_of(browser.sign_in(page))["code"]
    assert op.claims(granted(op.redeem(code))["id_token"])["auth_time"] == op.clock() // 1_000_000


def test_3_1_2_1_max_age_0_is_prompt_login(op: Provider) -> None:
    browser = op.signed_in()
    page = browser.authorize(max_age="0")
    assert SIGN_IN in page.text
    assert "code" in answer_of(browser.sign_in(page))


@pytest.mark.parametrize("max_age", ["-1", "abc", "1.5", "1e3", "+1", " 1", "٣", "9" * 11])
def test_3_1_2_1_max_age_that_is_no_number_of_seconds(signed_in: Browser, max_age: str) -> None:
    assert answer_of(signed_in.authorize(max_age=max_age))["error"] == "invalid_request"


@pytest.mark.parametrize("max_age", ["9999999999", "1000000000", "0000086400"])
def test_3_1_2_1_a_long_max_age_is_accepted(signed_in: Browser, max_age: str) -> None:
    assert "code" in answer_of(signed_in.authorize(max_age=max_age))


@pytest.mark.parametrize("ui_locales", ["de", "fr-CA fr en", "xx", '"><script>', "x" * 2048])
def test_3_1_2_1_ui_locales_never_cause_an_error(op: Provider, ui_locales: str) -> None:
    page = op.browser().authorize(ui_locales=ui_locales)
    assert page.status_code == 200 and SIGN_IN in page.text and "<script>alert" not in page.text
    assert ('lang="de"' in page.text) == (ui_locales == "de")


@pytest.mark.parametrize("acr_values", ["urn:mace:incommon:iap:silver", "0 1", "x" * 1000])
def test_3_1_2_1_acr_values_never_cause_an_error(signed_in: Browser, acr_values: str) -> None:
    assert "code" in answer_of(signed_in.authorize(acr_values=acr_values))


def test_3_1_2_1_a_login_hint_is_a_proposal(op: Provider) -> None:
    browser = op.browser()
    page = browser.authorize(login_hint="bob")
    assert 'value="bob"' in page.text
    page = browser.sign_in(page)  # as ada
    assert subject(op, browser.allow(page) if CONSENT in page.text else page) == "u_ada"


def test_3_1_2_1_unknown_parameters_are_ignored(signed_in: Browser) -> None:
    assert "code" in answer_of(signed_in.authorize(extra="foobar", claims_locales="de", code="x", error="y", iss="z"))


# 3.1.2.1 id_token_hint


@pytest.mark.parametrize("old", [False, True])
def test_3_1_2_1_an_id_token_hint_of_the_user_gets_a_positive_response(op: Provider, old: bool) -> None:
    browser = op.signed_in()
    hint = granted(op.redeem(browser.code()))["id_token"]
    if old:
        op.later(1000)  # it has expired
    assert subject(op, browser.authorize(prompt="none", id_token_hint=hint)) == "u_ada"


def test_3_1_2_1_an_id_token_hint_of_another_user_gets_none(op: Provider) -> None:
    hint = op.tokens()["id_token"]
    browser = op.signed_in("bob")
    assert answer_of(browser.authorize(prompt="none", id_token_hint=hint))["error"] == "login_required"
    page = browser.authorize(id_token_hint=hint)
    assert SIGN_IN in page.text
    assert answer_of(browser.sign_in(page, username="bob"))["error"] == "login_required"
    page = browser.authorize(id_token_hint=hint)
    assert is_for_anyone(page), "bob cannot be the user whom it names"
    assert subject(op, browser.sign_in(page, username="ada")) == "u_ada"


# 3.1.2.2 Authentication Request Validation


def requested(subject: Any) -> str:
    return json.dumps({"id_token": {"sub": subject}})


@pytest.mark.parametrize("asked", [{"value": "u_ada"}, {"values": ["u_bob", "u_ada"]}, {"essential": True}, None])
def test_3_1_2_2_the_sub_that_is_asked_for(op: Provider, signed_in: Browser, asked: Any) -> None:
    assert subject(op, signed_in.authorize(prompt="none", claims=requested(asked))) == "u_ada"


def test_3_1_2_2_no_positive_response_for_another_sub(op: Provider) -> None:
    browser = op.signed_in()
    other = requested({"value": "u_bob"})
    assert answer_of(browser.authorize(prompt="none", claims=other))["error"] == "login_required"
    page = browser.authorize(claims=other)
    assert is_for_anyone(page), "ada cannot be the user whom it names"
    assert is_for_anyone(browser.sign_in(page, username="bob", password="wrong"))
    assert answer_of(browser.sign_in(page))["error"] == "login_required"


def test_3_1_2_2_a_sub_and_a_hint_that_contradict_each_other_suit_nobody(op: Provider) -> None:
    browser = op.signed_in()
    hint = granted(op.redeem(browser.code()))["id_token"]
    answer = answer_of(browser.authorize(prompt="none", id_token_hint=hint, claims=requested({"value": "u_bob"})))
    assert answer["error"] == "login_required"


# 3.1.2.3 Authorization Server Authenticates End-User, 3.1.2.4 Obtains End-User Consent/Authorization


def test_3_1_2_3_prompt_none_shows_no_page_whatever_happens(op: Provider) -> None:
    nobody, browser = op.browser(), op.signed_in("bob")
    before = len(rows(op.database, "interactions"))
    asked: list[tuple[Browser, dict[str, Any], str]] = [
        (nobody, {}, "login_required"),
        (nobody, {"scope": "read"}, "login_required"),
        (browser, {"max_age": "0"}, "login_required"),
        (browser, {"scope": "openid phone"}, "consent_required"),
        (browser, {"resource": "https://other.example"}, "consent_required"),
        (browser, {"claims": '{"userinfo":{"birthdate":null}}'}, "consent_required"),
        (browser, {"id_token_hint": "a.b.c"}, "login_required"),
        (browser, {"scope": "openid unknown"}, "invalid_scope"),
        (browser, {"response_type": "token"}, "unsupported_response_type"),
    ]
    for who, request, error in asked:
        answer = answer_of(who.authorize(prompt="none", **request))
        assert (answer["error"], answer["state"], answer["iss"]) == (error, "a state", ISSUER)
    assert "code" in answer_of(browser.authorize(prompt="none"))
    assert len(rows(op.database, "interactions")) == before, "nor does it write anything"


def test_3_1_2_3_prompt_none_after_the_session_is_over(op: Provider) -> None:
    browser = op.signed_in()
    browser.http.cookies.delete("__Host-session")
    assert answer_of(browser.authorize(prompt="none"))["error"] == "login_required"


def test_3_1_2_4_the_page_names_the_client_its_place_and_every_permission(op: Provider) -> None:
    browser = op.browser()
    asked = '{"id_token":{"birthdate":null},"userinfo":{"gender":{"essential":true}}}'
    request = {"client_id": "another", "scope": "openid email offline_access read", "claims": asked}
    request["resource"] = "https://other.example"
    page = browser.sign_in(browser.authorize(**request))
    assert "Another" in page.text and "<strong>client.example</strong>" in page.text
    for words in (
        "email address",
        "date of birth",
        "gender",
        "<code>read<",
        "when you are not",
        "<code>https://other.",
    ):
        assert words in page.text
    browser.deny(page)


def test_3_1_2_4_a_refusal_is_not_remembered(op: Provider) -> None:
    browser = op.signed_in("bob")
    page = browser.authorize(scope="openid address")
    assert answer_of(browser.deny(page))["error"] == "access_denied"
    assert CONSENT in browser.authorize(scope="openid address").text


# 3.1.2.5 Successful Authentication Response, 3.1.2.6 Authentication Error Response


def test_3_1_2_5_the_response_has_code_state_and_iss_in_the_query(signed_in: Browser) -> None:
    response = signed_in.authorize()
    assert response.headers["location"].startswith(f"{CALLBACK}&")
    assert answer_of(response).keys() == {"code", "state", "iss"}
    assert answer_of(signed_in.authorize(state=None)).keys() == {"code", "iss"}


def test_3_1_2_6_an_error_has_error_description_state_and_iss(signed_in: Browser) -> None:
    answer = answer_of(signed_in.authorize(max_age="x"))
    assert answer.keys() == {"error", "error_description", "state", "iss"}
    assert answer["error_description"].isascii() and '"' not in answer["error_description"]


def request_object(**members: str) -> str:
    header, payload = ({"alg": "none"}, {"client_id": "sso", "response_type": "code", "scope": "openid"} | members)
    encoded = (urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, payload))
    return f"{'.'.join(encoded)}."


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({"request": request_object()}, "request_not_supported"),
        ({"request": request_object(redirect_uri="https://evil.example/cb")}, "request_not_supported"),
        ({"request": "x"}, "request_not_supported"),
        ({"request_uri": "https://client.example/request.jwt"}, "request_uri_not_supported"),
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "request_uri_not_supported"),
        ({"registration": "{}"}, "registration_not_supported"),
    ],
)
def test_3_1_2_6_request_objects_are_refused_and_never_ignored(signed_in: Browser, request_: Any, error: str) -> None:
    assert answer_of(signed_in.authorize(**request_))["error"] == error


@pytest.mark.parametrize("members", [{"redirect_uri": CALLBACK}, {"client_id": "sso"}])
def test_3_1_2_6_the_client_and_its_redirect_uri_are_never_taken_from_a_request_object(
    op: Provider, members: dict[str, str]
) -> None:
    missing = dict.fromkeys(members, None)
    assert is_page(op.browser().authorize(request=request_object(**members), **missing))


def test_3_1_2_6_the_mode_of_an_error_is_that_of_the_request_object(signed_in: Browser) -> None:
    page = signed_in.authorize(request=request_object(response_mode="form_post"))
    assert 'name="error" value="request_not_supported"' in page.text
    assert is_answer(signed_in.authorize(request=request_object(response_mode="fragment")))


@pytest.mark.parametrize(
    "claims",
    [
        "x",
        "[]",
        "null",
        "1",
        '"a"',
        "{",
        '{"id_token":[]}',
        '{"userinfo":"x"}',
        '{"id_token":{"sub":1}}',
        '{"id_token":{"sub":{"value":5}}}',
        '{"id_token":{"acr":{"values":"x"}}}',
        '{"userinfo":{"email":{"essential":"yes"}}}',
        '{"userinfo":{},"userinfo":{}}',
        '{"a":' * 1000 + "1" + "}" * 1000,
        "[" * 3000,
        '{"userinfo":{"a":"' + "x" * 5000 + '"}}',
    ],
)
def test_5_5_a_claims_parameter_that_is_malformed(signed_in: Browser, claims: str) -> None:
    assert answer_of(signed_in.authorize(claims=claims))["error"] == "invalid_request"
