"""The cookie in a jar that keeps RFC 6265's rules: it comes back by itself, and only where it may."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.api.calling import CLEARED, COOKIE, DEAD_TOKEN, LOGIN, LOGOUT, REFRESH, assert_done, assert_refused
from tests.harness.constants import ISSUER, PASSWORD

OWN = {"Origin": ISSUER}


@pytest.fixture
def jar(http: TestClient) -> Any:
    """A client that is logged in by cookie; the server is https."""
    answer = http.post(LOGIN, json={"username": "ada", "password": PASSWORD, "cookie": True}, headers=OWN)
    assert answer.status_code == 200 and list(http.cookies) == [COOKIE]
    return http


def test_a_cookie_jar_refreshes_until_the_logout(jar: Any) -> None:
    seen = [jar.cookies[COOKIE]]
    for _ in range(3):
        answer = jar.post(REFRESH, headers=OWN)
        assert answer.status_code == 200 and "refresh_token" not in answer.json()
        seen.append(jar.cookies[COOKIE])
    assert len(set(seen)) == 4
    assert_done(jar.post(LOGOUT, headers=OWN), CLEARED)
    assert not jar.cookies
    assert_refused(jar.post(REFRESH, headers=OWN), DEAD_TOKEN)


def test_a_page_that_logs_out_twice(jar: Any) -> None:
    assert_done(jar.post(LOGOUT, headers=OWN), CLEARED)
    assert_done(jar.post(LOGOUT, headers=OWN), CLEARED)


@pytest.mark.parametrize("elsewhere", ["http://as.example", "https://evil.example"])
def test_it_goes_to_no_other_host_and_not_in_the_clear(jar: Any, elsewhere: str) -> None:
    sent = TestClient(jar.app, elsewhere, cookies=jar.cookies).build_request("POST", REFRESH)
    assert "cookie" not in sent.headers
    assert "cookie" in TestClient(jar.app, ISSUER, cookies=jar.cookies).build_request("POST", REFRESH).headers
