"""A code that one node issued, at another node on the same database."""

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from starlette.testclient import TestClient

from authserver.app import create_app
from tests.harness.browser import answer_of
from tests.harness.constants import ISSUER, SECRET
from tests.openid.provider import Provider, granted, refused


@pytest.fixture(scope="module")
def elsewhere(op: Provider) -> Iterator[Provider]:
    with TestClient(create_app(op.server.settings, now=op.clock), ISSUER, raise_server_exceptions=False) as http:
        yield Provider(op.server, http)


@pytest.mark.parametrize("seconds", [0, 30])
def test_rfc6749_4_1_2_a_code_that_was_used_at_one_node_is_refused_at_the_other(
    op: Provider, elsewhere: Provider, seconds: int
) -> None:
    code = op.signed_in().code()
    tokens = granted(elsewhere.redeem(code))
    op.later(seconds)
    elsewhere.later(0)
    assert refused(op.redeem(code), "invalid_grant")
    refreshed = elsewhere.refresh(tokens["refresh_token"])
    assert refreshed.status_code == (200 if seconds == 0 else 400), "a later replay ends the tokens at every node"


def test_a_person_may_meet_another_node_at_every_step(op: Provider, elsewhere: Provider) -> None:
    here = op.browser()
    there = elsewhere.browser()
    page = here.authorize(prompt="consent")
    there.http.cookies = here.http.cookies
    page = there.sign_in(page)
    here.http.cookies = there.http.cookies
    code = here.allow(page)
    assert code.status_code == 200 and "http-equiv" in code.text
    assert granted(elsewhere.redeem(here.code()))["id_token"]


def test_a_session_that_ends_at_one_node_has_ended_at_the_other_at_once(op: Provider, elsewhere: Provider) -> None:
    """For codes, refreshes, /userinfo, introspection and the browser."""
    rp = {"client_id": "rp", "client_secret": SECRET}
    browser = op.signed_in(client_id="rp")
    tokens = granted(elsewhere.redeem(browser.code(client_id="rp"), **rp))
    code = browser.code(client_id="rp")
    introspected = {name: {"token": tokens[f"{name}_token"]} | rp for name in ("access", "refresh")}
    for form in introspected.values():
        assert elsewhere.http.post("/introspect", data=form).json()["active"]
    browser.get(f"/logout?{urlencode({'id_token_hint': tokens['id_token']})}")
    assert refused(elsewhere.redeem(code, **rp), "invalid_grant")
    assert refused(elsewhere.refresh(tokens["refresh_token"], **rp), "invalid_grant")
    assert elsewhere.userinfo(tokens["access_token"]).status_code == 401
    for form in introspected.values():
        assert elsewhere.http.post("/introspect", data=form).json() == {"active": False}
    there = elsewhere.browser()
    there.http.cookies = browser.http.cookies
    assert answer_of(there.authorize(client_id="rp", prompt="none"))["error"] == "login_required"
