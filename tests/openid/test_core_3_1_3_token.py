"""OpenID Connect Core 1.0 s3.1.3 and RFC 6749 s4.1: a code is exchanged for tokens, once, by the client that got it."""

import re
from typing import Any

import pytest

from tests.harness.browser import CALLBACK, CHALLENGE, VERIFIER, Browser
from tests.harness.constants import AUDIENCE, SECRET
from tests.openid.provider import NO_PKCE, OTHER, OTHER_AUDIENCE, Provider, granted, refused
from tests.web.serving import change_client, rows


@pytest.fixture(scope="module")
def browser(op: Provider) -> Browser:
    return op.signed_in()


def test_3_1_3_3_the_response_has_every_member(op: Provider, browser: Browser) -> None:
    response = op.redeem(browser.code())
    body = granted(response)
    assert body.keys() == {"access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"}
    assert body["token_type"] == "Bearer" and body["scope"] == "openid read"
    # s3.1.3.3: all token responses that contain tokens MUST include Cache-Control: no-store and Pragma: no-cache.
    assert (response.headers["cache-control"], response.headers["pragma"]) == ("no-store", "no-cache")
    assert response.headers["content-type"] == "application/json"


def test_3_1_3_1_a_confidential_client_must_authenticate(op: Provider) -> None:
    browser = op.signed_in(client_id="rp")
    code = browser.code(client_id="rp")
    assert refused(op.redeem(code, client_id="rp"), "invalid_client", 401)
    assert refused(op.redeem(code, client_id="rp", client_secret="wrong"), "invalid_client", 401)
    assert "id_token" in granted(op.redeem(code, client_id="rp", client_secret=SECRET))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code": None}, "invalid_request"),
        ({"code": ""}, "invalid_request"),
        ({"code": "x"}, "invalid_grant"),
        ({"code": "ac_" + "A" * 43}, "invalid_grant"),
        ({"code": "ac_" + "é" * 43}, "invalid_grant"),
        ({"code": "x" * 60_000}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_grant"),
        ({"redirect_uri": ""}, "invalid_grant"),
        ({"redirect_uri": "https://client.example/cb"}, "invalid_grant"),
        ({"redirect_uri": CALLBACK + "&a"}, "invalid_grant"),
        ({"redirect_uri": CALLBACK.replace("%20", "+")}, "invalid_grant"),
        ({"redirect_uri": CALLBACK.replace("client", "CLIENT")}, "invalid_grant"),
        ({"client_id": "another"}, "invalid_grant"),
        ({"client_id": "nobody"}, "invalid_client"),
        ({"client_id": None}, "invalid_client"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"resource": "https://unknown.example"}, "invalid_target"),
        ({"code_verifier": "w" * 43}, "invalid_grant"),
    ],
)
def test_rfc6749_4_1_3_what_is_refused_leaves_the_code_as_it_was(
    op: Provider, browser: Browser, changes: Any, error: str
) -> None:
    code = browser.code()
    status = 401 if error == "invalid_client" else 400
    assert refused(op.redeem(code, **changes), error, status)
    assert "access_token" in granted(op.redeem(code))


@pytest.mark.parametrize("spoil", [str.lower, str.upper, lambda code: code[:-1], lambda code: code + "A", str.swapcase])
def test_rfc6749_4_1_3_nothing_like_the_code_is_the_code(op: Provider, browser: Browser, spoil: Any) -> None:
    assert refused(op.redeem(spoil(browser.code())), "invalid_grant")


def test_rfc6749_4_1_2_a_code_lasts_60_seconds(op: Provider, browser: Browser) -> None:
    early, late = browser.code(), browser.code()
    op.later(59)
    granted(op.redeem(early))
    op.later(1)
    assert refused(op.redeem(late), "invalid_grant")


def test_rfc6749_10_5_a_code_cannot_be_guessed_and_is_stored_as_a_hash(op: Provider, browser: Browser) -> None:
    codes = {browser.code() for _ in range(5)}
    assert len(codes) == 5 and all(re.fullmatch(r"ac_[A-Za-z0-9_-]{43}", code) for code in codes)
    stored = repr(rows(op.database, "codes"))
    assert not any(code in stored or code[3:] in stored for code in codes)


# RFC 6749 s4.1.2, s10.5: a code is used once; whoever replays it later ends what it began.


def test_rfc6749_4_1_2_sent_twice_at_once_it_works_once_and_nothing_ends(op: Provider, browser: Browser) -> None:
    code = browser.code()
    tokens = granted(op.redeem(code))
    op.clock.forward(9)
    assert refused(op.redeem(code), "invalid_grant")
    assert op.userinfo(tokens["access_token"]).status_code == 200
    granted(op.refresh(tokens["refresh_token"]))


@pytest.mark.parametrize("seconds", [10, 30, 3600])
def test_rfc6749_4_1_2_a_replay_ends_the_tokens(op: Provider, seconds: int) -> None:
    code = op.signed_in().code()
    tokens = granted(op.redeem(code))
    op.later(seconds)
    assert refused(op.redeem(code), "invalid_grant")
    assert refused(op.refresh(tokens["refresh_token"]), "invalid_grant")
    assert op.userinfo(tokens["access_token"]).status_code == 401


@pytest.mark.parametrize("changes", [{"code_verifier": "w" * 43}, {"code_verifier": None}, {"redirect_uri": None}])
def test_rfc6749_4_1_2_a_replay_by_someone_who_cannot_prove_it_ends_the_tokens_at_once(
    op: Provider, browser: Browser, changes: Any
) -> None:
    code = browser.code()
    tokens = granted(op.redeem(code))
    assert refused(op.redeem(code, **changes), "invalid_grant")
    assert refused(op.refresh(tokens["refresh_token"]), "invalid_grant")


def test_rfc6749_4_1_2_another_client_can_end_nothing(op: Provider, browser: Browser) -> None:
    code = browser.code()
    assert refused(op.redeem(code, client_id="another"), "invalid_grant")
    tokens = granted(op.redeem(code))
    op.later(30)
    assert refused(op.redeem(code, client_id="another"), "invalid_grant")
    granted(op.refresh(tokens["refresh_token"]))


def test_rfc6749_4_1_2_a_replay_after_the_refresh_ends_the_refreshed_tokens_too(op: Provider, browser: Browser) -> None:
    code = browser.code()
    again = granted(op.refresh(granted(op.redeem(code))["refresh_token"]))
    op.later(30)
    assert refused(op.redeem(code), "invalid_grant")
    assert refused(op.refresh(again["refresh_token"]), "invalid_grant")


# RFC 7636


def test_rfc7636_appendix_b_the_verifier_of_the_example_is_accepted(op: Provider, browser: Browser) -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    code = browser.code(code_challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
    granted(op.redeem(code, code_verifier=verifier))


@pytest.mark.parametrize(
    ("verifier", "error"),
    [
        ("w" * 43, "invalid_grant"),
        ("V" * 43, "invalid_grant"),
        (CHALLENGE, "invalid_grant"),
        (None, "invalid_request"),
        ("", "invalid_request"),
        ("v" * 42, "invalid_request"),
        ("v" * 129, "invalid_request"),
        (VERIFIER + "\n", "invalid_request"),
        (VERIFIER[:-1] + "+", "invalid_request"),
        (VERIFIER[:-1] + "é", "invalid_request"),
    ],
)
def test_rfc7636_4_6_a_wrong_verifier_is_refused(
    op: Provider, browser: Browser, verifier: str | None, error: str
) -> None:
    assert refused(op.redeem(browser.code(), code_verifier=verifier), error)


def test_rfc9700_2_1_1_a_verifier_for_a_code_without_a_challenge_is_refused(op: Provider) -> None:
    browser = op.signed_in(client_id="rp", **NO_PKCE)
    code = browser.code(client_id="rp", **NO_PKCE)
    assert refused(op.redeem(code, client_id="rp", client_secret=SECRET), "invalid_request")
    body = granted(op.redeem(code, client_id="rp", client_secret=SECRET, code_verifier=None))
    assert "id_token" in body


def test_rfc9700_4_5_3_2_a_client_that_may_leave_pkce_out_and_uses_it_must_prove_it(op: Provider) -> None:
    code = op.signed_in(client_id="rp").code(client_id="rp")
    without = {"client_id": "rp", "client_secret": SECRET, "code_verifier": None}
    assert refused(op.redeem(code, **without), "invalid_request")


# RFC 8707


def test_rfc8707_2_2_a_token_can_be_for_one_of_the_resources(op: Provider) -> None:
    request: dict[str, Any] = {"scope": "openid read", "resource": [AUDIENCE, OTHER_AUDIENCE]}
    browser = op.signed_in(**request)
    assert op.claims(granted(op.redeem(browser.code(**request)))["access_token"])["aud"][:2] == request["resource"]
    tokens = granted(op.redeem(browser.code(**request), resource=OTHER_AUDIENCE))
    assert AUDIENCE not in op.claims(tokens["access_token"])["aud"]
    again = granted(op.refresh(tokens["refresh_token"], resource=AUDIENCE))
    assert OTHER_AUDIENCE not in op.claims(again["access_token"])["aud"]


def test_rfc8707_2_2_a_resource_that_was_not_authorized(op: Provider) -> None:
    browser = op.signed_in(resource=AUDIENCE)
    code = browser.code(resource=AUDIENCE)
    assert refused(op.redeem(code, resource=OTHER_AUDIENCE), "invalid_target")
    assert refused(op.redeem(code, resource=f"{AUDIENCE}/"), "invalid_target")
    granted(op.redeem(code, resource=AUDIENCE))


# What the operator or the user does between the code and its use


@pytest.mark.parametrize(
    ("changes", "error"),
    [({"disabled": True}, "invalid_client"), ({"grant_types": frozenset({"refresh_token"})}, "unauthorized_client")],
)
def test_a_client_that_is_changed_in_between_gets_no_tokens(op: Provider, changes: dict[str, Any], error: str) -> None:
    code = op.signed_in(client_id="another").code(client_id="another")
    change_client(op.database, "another", **changes)
    op.later(5)  # for which clients are cached
    response = op.redeem(code, client_id="another")
    change_client(op.database, "another", disabled=OTHER.disabled, grant_types=OTHER.grant_types)
    op.later(5)
    assert response.json()["error"] == error


def test_the_end_of_the_session_uses_up_its_codes(op: Provider) -> None:
    browser = op.signed_in()
    code, kept = browser.code(), browser.code(scope="openid offline_access read")
    browser.sign_in(browser.authorize(prompt="login"), username="bob")
    assert refused(op.redeem(code), "invalid_grant")
    assert refused(op.redeem(kept), "invalid_grant")
