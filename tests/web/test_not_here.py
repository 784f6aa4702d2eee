"""Addresses at which there is nothing: people get a page, or are led to the one that they meant; programs get JSON."""

import pytest
from starlette.testclient import TestClient

from authserver.settings import Settings
from tests.harness.constants import ISSUER
from tests.web.answers import NOT_FOUND, assert_refused

BROWSERS = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("/account/", "/account"),
        ("/account/sessions/", "/account/sessions"),
        ("/account/sessions//", "/account/sessions"),
        ("/reset/password/?link=lk_0", "/reset/password?link=lk_0"),
        ("/interaction/0/", "/interaction/0"),
        ("/logout/", "/logout"),
    ],
)
def test_a_slash_at_the_end_leads_people_to_the_page_at_the_issuer(http: TestClient, asked: str, meant: str) -> None:
    for host in ("as.example", "evil.example"):
        answer = http.get(asked, headers=BROWSERS | {"Host": host}, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, ISSUER + meant)


@pytest.mark.parametrize(
    "path",
    [
        *("/account/nothing", "/account/nothing/", "/reset/x", "/nothing", "/token/", "/account%2F", "/account/%20"),
        *("//evil.example/", "/jwks.json/", "/sign-up/password/x", "/.well-known/jwks.json/"),
    ],
)
def test_people_are_told_on_a_page_that_there_is_no_such_page(http: TestClient, path: str) -> None:
    answer = http.get(f"{ISSUER}{path}", headers=BROWSERS, follow_redirects=False)
    assert answer.status_code == 404 and answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "There is no page at this address" in answer.text and f'href="{ISSUER}/account"' in answer.text


def test_a_form_is_never_sent_on(http: TestClient) -> None:
    answer = http.post("/account/sign-in/", data={"password": "x"}, headers=BROWSERS, follow_redirects=False)
    assert answer.status_code == 404 and "There is no page at this address" in answer.text


@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/plain", "image/avif,image/webp,*/*", ""])
@pytest.mark.parametrize("path", ["/account/", "/account/nothing", "/nothing", "/account/%20"])
def test_programs_get_json(http: TestClient, path: str, accept: str) -> None:
    assert_refused(http.get(path, headers={"Accept": accept}, follow_redirects=False), NOT_FOUND)


@pytest.mark.parametrize("settings", [{"issuer": f"{ISSUER}/tenant"}], indirect=True)
def test_below_an_issuer_with_a_path_people_are_led_to_the_address_with_the_right_slash(
    http: TestClient, settings: Settings
) -> None:
    for asked, meant in (("/tenant", "/tenant/"), ("/tenant/account/", "/tenant/account")):
        answer = http.get(f"{ISSUER}{asked}", headers=BROWSERS, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, ISSUER + meant)
    assert http.get(f"{ISSUER}/account/", headers=BROWSERS, follow_redirects=False).status_code == 404
