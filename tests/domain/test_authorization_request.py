"""Whatever parameters are sent, a request is read in full or refused with a code that its client may be told."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain import authorization_request, base64url, scopes
from authserver.domain.authorization_request import Parameters, ResponseTarget
from authserver.domain.errors import RequestRefused
from authserver.domain.models import Client

CLIENT = Client(
    "sso",
    "SSO",
    "none",
    frozenset({"authorization_code"}),
    ("openid", "offline_access", "read"),
    ("https://api.example",),
    redirect_uris=("https://client.example/cb",),
)
GOOD = {"response_type": "code", "code_challenge": "A" * 43, "code_challenge_method": "S256"}
CODES = {
    *("invalid_request", "unsupported_response_type", "invalid_scope", "invalid_target", "request_not_supported"),
    *("request_uri_not_supported", "registration_not_supported", "unmet_authentication_requirements"),
}
NAMES = (
    *("response_type", "response_mode", "scope", "state", "nonce", "prompt", "max_age", "login_hint", "claims"),
    *("ui_locales", "id_token_hint", "request", "request_uri", "registration", "code_challenge"),
    *("code_challenge_method", "display", "acr_values", "unknown"),
)
TEXTS = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["code", "query", "form_post", "openid", "openid read", "none", "login", "consent", "S256", "plain"]
    ),
    st.sampled_from(["0", "60", "9" * 30, "-1", "A" * 43, "x" * 2049, "{}", '{"id_token":{"sub":null}}', "a.b.c"]),
)


def read(parameters: Parameters, client: Client = CLIENT) -> Any:
    target = authorization_request.target(parameters, client.redirect_uris[0])
    return authorization_request.read(parameters, target, client)


@pytest.mark.thorough
@given(
    st.dictionaries(st.sampled_from(NAMES), TEXTS),
    st.lists(st.sampled_from(["https://api.example", "https://other.example"]), max_size=2),
    st.sets(st.sampled_from(NAMES), max_size=2),
    st.booleans(),
)
def test_a_request_is_read_in_full_or_refused_with_a_code_rfc6749_4_1_2_1(
    sent: dict[str, str], resources: list[str], repeated: set[str], good: bool
) -> None:
    values = (GOOD if good else {}) | sent
    single = {name: value for name, value in values.items() if name not in repeated and value}
    try:
        request = read(Parameters(single, tuple(resources), frozenset(repeated)))
    except RequestRefused as error:
        assert error.code in CODES
        assert not any(value in str(error) for value in sent.values() if len(value) > 40)
        return
    assert not repeated and not {"request", "request_uri", "registration"} & single.keys()
    assert set(request.scope) <= set(CLIENT.scope)
    assert set(request.resources) <= set(CLIENT.audiences)
    assert request.code_challenge == single["code_challenge"]
    assert request.prompts <= authorization_request.PROMPTS
    assert request.target.state == single.get("state")
    assert request.target.mode in authorization_request.RESPONSE_MODES
    assert request.max_age is None or request.max_age >= 0


@given(st.text(max_size=200))
def test_a_request_object_never_breaks_the_way_of_its_own_error(text: str) -> None:
    target = authorization_request.target(Parameters({"request": text}), "https://client.example/cb")
    assert target.mode in authorization_request.RESPONSE_MODES


@pytest.mark.parametrize(
    ("payload", "mode"),
    [
        (b'{"response_mode":"form_post"}', "form_post"),
        (b'{"response_mode":"query"}', "query"),
        (b'{"response_mode":"fragment"}', "query"),
        (b'{"response_mode":["form_post"]}', "query"),
        (b'{"response_mode":"form_post","response_mode":"form_post"}', "query"),
        (b'["response_mode"]', "query"),
        (b"\xff", "query"),
        (b'{"response_mode":"form_post"}' + b" " * 20_000, "query"),
    ],
)
def test_a_refused_request_object_says_only_how_its_error_travels(payload: bytes, mode: str) -> None:
    values = {"request": f"e30.{base64url.encode(payload)}.x"}
    assert authorization_request.target(Parameters(values), "https://client.example/cb").mode == mode
    outside = values | {"response_mode": "query"}
    assert authorization_request.target(Parameters(outside), "https://client.example/cb").mode == "query"


@given(st.lists(st.sampled_from(["openid", "offline_access", "read", "write"]), unique=True))
def test_a_scope_that_was_not_asked_for_never_has_openid_or_offline_access(allowed: list[str]) -> None:
    words = tuple(allowed)
    implied = scopes.narrow(None, words, scopes.implied(words))
    assert implied == tuple(word for word in words if word not in ("openid", "offline_access"))
    assert scopes.narrow(None, words) == words  # as in a refresh


@pytest.mark.parametrize(
    ("pkce", "auth_method", "sent", "accepted"),
    [
        ("required", "none", False, False),
        ("optional", "none", False, False),
        ("required", "client_secret_basic", False, False),
        ("optional", "client_secret_basic", False, True),
        ("optional", "client_secret_basic", True, True),
    ],
)
def test_rfc9700_2_1_1_only_a_confidential_client_that_is_exempt_goes_without_pkce(
    pkce: str, auth_method: str, sent: bool, accepted: bool
) -> None:
    client = Client("c", "C", auth_method, frozenset(), ("read",), redirect_uris=CLIENT.redirect_uris, pkce=pkce)
    values = GOOD if sent else {"response_type": "code"}
    try:
        assert read(Parameters(values), client).code_challenge == ("A" * 43 if sent else "")
    except RequestRefused:
        assert not accepted
    else:
        assert accepted


def test_a_form_is_posted_to_http_and_with_a_state_that_it_does_not_change_only() -> None:
    for uri, state, possible in (
        ("https://client.example/cb", "é", True),
        ("http://127.0.0.1/cb", None, True),
        ("com.example.app:/cb", None, False),
        ("javascript:alert(1)", None, False),
        ("https://client.example/cb", "\udcff", False),
        ("https://client.example/cb", "a\r\nb\r\n", True),
        ("https://client.example/cb", "a\rb", False),
        ("https://client.example/cb", "a\nb", False),
        ("https://client.example/cb", "\r\n\n", False),
        ("https://client.example/cb", "\r\r\n", False),
    ):
        assert authorization_request.is_possible(ResponseTarget(uri, "form_post", state)) is possible
        assert authorization_request.is_possible(ResponseTarget(uri, "query", state))
