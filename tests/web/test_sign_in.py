"""A person signs in with a browser and agrees, and the client gets its tokens."""

from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

import pytest

from authserver.domain.attempts import FREE
from authserver.store.database import Database
from tests.harness.browser import Browser, answer_of
from tests.harness.clock import Clock
from tests.harness.constants import AUDIENCE, ISSUER, PASSWORD
from tests.web.answers import claims_of
from tests.web.interactions import CONSENT
from tests.web.serving import execute, rows


def test_a_person_signs_in_and_agrees_and_the_client_gets_and_refreshes_tokens(
    browser: Browser, redeem: Any, refresh: Any
) -> None:
    page = browser.sign_in(browser.authorize())
    answer = answer_of(browser.allow(page))
    assert answer.keys() == {"code", "state", "iss"}
    assert (answer["state"], answer["iss"]) == ("a state", ISSUER)
    response = redeem(answer["code"])
    assert response.status_code == 200, response.text
    body = response.json()
    assert body.keys() == {"access_token", "id_token", "refresh_token", "token_type", "expires_in", "scope"}
    told = claims_of(body, "id_token")
    assert (told["iss"], told["sub"], told["aud"], told["nonce"]) == (ISSUER, "u_ada", "sso", "a nonce")
    half = sha256(body["access_token"].encode()).digest()[:16]
    assert told["at_hash"] == urlsafe_b64encode(half).rstrip(b"=").decode()
    assert claims_of(body)["aud"] == [AUDIENCE, f"{ISSUER}/userinfo"]
    again = refresh(body["refresh_token"], "sso")
    assert again.status_code == 200, again.text
    renewed = claims_of(again.json(), "id_token")
    assert "nonce" not in renewed
    same = ("iss", "sub", "aud", "auth_time", "sid", "acr", "amr")
    assert [renewed[name] for name in same] == [told[name] for name in same]
    assert "code" in answer_of(browser.authorize()), "signed in and agreed: at once"


def test_a_wrong_password_gets_the_same_page_whether_or_not_the_account_exists(browser: Browser) -> None:
    page = browser.authorize()
    answers = {name: browser.sign_in(page, name, "wrong password") for name in ("ada", "eva")}
    texts = {
        answer.text.replace(name, "NAME").replace(answer.headers["x-request-id"], "ID")
        for name, answer in answers.items()
    }
    assert {answer.status_code for answer in answers.values()} == {422}
    assert len(texts) == 1


def test_a_password_that_is_judged_again_after_a_concurrent_commit_counts_once(
    browser: Browser, begins_again: None
) -> None:
    page = browser.authorize()
    answers = [browser.sign_in(page, password="wrong password").status_code for _ in range(FREE + 1)]
    assert answers == [422] * FREE + [429]


def test_a_login_hint_is_filled_in_as_the_username_and_escaped(browser: Browser) -> None:
    page = browser.authorize(login_hint='"><script>alert(1)</script>')
    assert 'value="&#34;&gt;&lt;script&gt;' in page.text and "<script>alert" not in page.text
    wrong = browser.sign_in(page, username="'><b>", password="wrong")
    assert wrong.status_code == 422 and 'value="&#39;&gt;&lt;b&gt;"' in wrong.text and "wrong</p>" not in wrong.text


def test_signing_in_again_leaves_stay_signed_in_ticked(browser: Browser) -> None:
    ticked = 'value="yes" checked'
    first = browser.authorize()
    assert ticked not in first.text
    assert ticked in browser.sign_in(first, password="wrong", keep="yes").text
    browser.sign_in(first, keep="yes")
    again = browser.authorize(prompt="login")
    assert ticked in again.text
    assert ticked not in browser.get(f"{again.url.path}?account=other").text


@pytest.mark.parametrize(
    ("username", "password"), [("ada", "wrong"), ("nobody", PASSWORD), ("", ""), ("ada", "x" * 2000), ("\x01", "y")]
)
def test_a_wrong_username_and_a_wrong_password_show_the_same_page(
    browser: Browser, database: Database, username: str, password: str
) -> None:
    page = browser.authorize()
    answer = browser.sign_in(page, username=username, password=password)
    assert answer.status_code == 422
    assert "The username or password is wrong." in answer.text
    assert "set-cookie" not in answer.headers
    assert rows(database, "sessions") == []
    assert CONSENT in browser.sign_in(answer, username="ada").text  # and one may try again


def test_a_disabled_user_is_told_that_the_username_or_password_is_wrong(browser: Browser, database: Database) -> None:
    execute(database, "UPDATE users SET disabled = true")
    answer = browser.sign_in(browser.authorize())
    assert answer.status_code == 422 and "The username or password is wrong." in answer.text


def test_the_limits_of_the_token_endpoint_hold_on_the_page_too(browser: Browser, clock: Clock) -> None:
    page = browser.authorize()
    answers = [browser.sign_in(page, password="wrong") for _ in range(12)]
    assert [answer.status_code for answer in answers] == [422] * 10 + [429] * 2
    assert answers[-1].headers["retry-after"] == "1"
    assert "Wait 1 second" in answers[-1].text
    assert browser.sign_in(page).status_code == 429
    clock.forward(3)
    assert CONSENT in browser.sign_in(page).text
