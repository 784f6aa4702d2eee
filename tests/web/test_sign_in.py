"""A person signs in with a browser and agrees, and the client gets its tokens."""

from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

from authserver.domain.attempts import FREE
from tests.harness.browser import Browser, answer_of
from tests.harness.constants import AUDIENCE, ISSUER
from tests.web.answers import claims_of


def test_the_whole_flow(browser: Browser, redeem: Any, refresh: Any) -> None:
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
