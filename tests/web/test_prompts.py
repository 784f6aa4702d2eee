"""What a request asks of its user: prompts, how old the sign-in may be, and hints at who the user is."""

from typing import Any

import pytest

from authserver.store.database import Database
from tests.harness.browser import Browser, answer_of
from tests.harness.clock import Clock
from tests.harness.constants import SECOND
from tests.web.answers import claims_of
from tests.web.interactions import CHOICE, CONSENT, SIGN_IN
from tests.web.serving import rows


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
