"""A page says that something was done only if it was, in this browser, just now: a forged link says nothing untrue."""

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver.accounts import done
from authserver.settings import Settings
from tests.harness.browser import Browser
from tests.harness.clock import Clock
from tests.harness.constants import PASSWORD, SECOND
from tests.web.mailing import mailing_to
from tests.web.test_account_pages import NEW, Visitor

WORDS = ("yes", "changed", "saved", "ended", "sent", "password_changed", "profile_saved", "email_sent", "")
PAGES = (
    *("/account/sessions", "/account/applications", "/account/profile", "/account/password", "/account/email"),
    *("/reset", "/reset/password", "/sign-up", "/sign-up/password", "/account/deleted"),
)
SAID = ('id="done"', 'id="sent"', 'id="reset-done"', 'id="sign-up-done"')


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    return settings.model_copy(update={"sign_up": "on", **mailing_to(tmp_path / "mails")})


def says(page: Any) -> bool:
    return any(sign in page.text for sign in SAID)


@pytest.mark.parametrize("path", PAGES)
def test_a_link_that_somebody_made_up_says_nothing(http: TestClient, path: str) -> None:
    ada = Visitor(http).signed_in()
    for word in WORDS:
        for name in ("done", "sent"):
            assert not says(ada.get(f"{path}?{name}={word}")), word


def saved(ada: Visitor) -> Any:
    return ada.submit(ada.get("/account/profile"), name="Ada")


def test_what_a_form_has_done_is_said_for_a_while(http: TestClient, clock: Clock) -> None:
    ada = Visitor(http).signed_in()
    page = saved(ada)
    assert "Your profile was saved." in page.text
    clock.forward(600)
    assert says(ada.get(str(page.url)))
    clock.forward(1)
    assert not says(ada.get(str(page.url)))


def test_the_address_says_nothing_in_another_browser_on_another_page_or_for_another_user(http: TestClient) -> None:
    ada, other = Visitor(http).signed_in(), Visitor(http).signed_in()
    page = saved(ada)
    query = page.url.query.decode()
    assert not says(other.get(f"/account/profile?{query}"))
    assert not says(ada.get(f"/account/sessions?{query}"))
    ada.get("/logout")
    ada.submit(ada.get("/logout"), answer="sign-out")
    ada.signed_in()
    assert not says(ada.get(f"/account/profile?{query}")), "another session"


def test_a_new_password_is_told_to_whoever_chose_it(http: TestClient) -> None:
    ada = Visitor(http).signed_in()
    page = ada.submit(ada.get("/account/password"), current_password=PASSWORD, new_password=NEW)
    assert "Your password was changed." in page.text
    assert not says(Browser(http).get(str(page.url)))


@pytest.mark.parametrize("text", ["", ".", "x", f"0.{'A' * 43}", "\u00e9.", f"{'f' * 11}.{'A' * 43}"])
def test_malformed_proofs_are_none(text: str) -> None:
    assert not done.is_proven(text, "browser", "word", "", 0)


def test_a_proof_is_for_one_browser_word_session_and_time() -> None:
    proof = done.token("browser", "word", "session", 5 * SECOND)
    right = ("browser", "word", "session", 5 * SECOND)
    assert done.is_proven(proof, *right)
    for place, other in enumerate(("x", "x", "x", 4 * SECOND)):
        changed: Any = [*right[:place], other, *right[place + 1 :]]
        assert not done.is_proven(proof, *changed)
