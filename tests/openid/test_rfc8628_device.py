"""RFC 8628, the Device Authorization Grant, by its sections: every MUST, and every SHOULD that a server can keep."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from html import unescape
from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver.app import create_app
from authserver.domain.client_kinds import DEVICE_CODE, KINDS
from authserver.domain.models import Client
from authserver.store import clients
from tests.domain.test_standard_claims import ADA
from tests.harness.browser import FROM_OUR_PAGE, Browser, form_of
from tests.harness.constants import AUDIENCE, ISSUER, SECRET
from tests.harness.device import PATH, Device
from tests.openid.provider import CONFIDENTIAL, OTHER_AUDIENCE, Provider, granted, is_page, refused
from tests.web.answers import JSON_HEADERS
from tests.web.serving import execute, rows

KIND = KINDS["device"]
TV = Client(
    id="tv",
    name="A <b>TV",
    auth_method="none",
    grant_types=KIND.grant_types,
    scope=(*KIND.scope, "read"),
    audiences=(AUDIENCE, OTHER_AUDIENCE),
    application_type=KIND.application_type,
)
BOX = replace(CONFIDENTIAL, id="box", grant_types=frozenset({DEVICE_CODE}))
ID_TOKEN = {"iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "amr", "at_hash"}


@pytest.fixture(scope="module", autouse=True)
def devices(op: Provider) -> None:
    with op.database.begin() as connection:
        for client in (TV, replace(TV, id="other-tv"), replace(TV, id="own", first_party=True), BOX):
            clients.add(connection, client)


@pytest.fixture(scope="module")
def elsewhere(op: Provider) -> Iterator[TestClient]:
    """Another node."""
    with TestClient(create_app(op.server.settings, now=op.clock), ISSUER, raise_server_exceptions=False) as http:
        yield http


def device(op: Provider, client_id: str = "tv", **form: Any) -> Device:
    return Device(op.http, client_id, **form)


def row_of(op: Provider, device: Device) -> dict[str, Any]:
    hash = sha256(device.told["device_code"].encode()).digest()
    (row,) = (row for row in rows(op.database, "device_codes") if row["hash"] == hash)
    return row


# s3.1, s3.2: the device authorization endpoint


def test_3_2_the_response_has_every_member_and_is_not_stored(op: Provider) -> None:
    asking = device(op, scope="openid read")
    assert JSON_HEADERS.items() <= {name.lower(): value for name, value in asking.response.headers.items()}.items()
    told = asking.told
    assert told.keys() == {
        *("device_code", "user_code", "verification_uri", "verification_uri_complete", "expires_in", "interval")
    }
    assert re.fullmatch("dc_[A-Za-z0-9_-]{43}", told["device_code"])
    assert re.fullmatch("[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", told["user_code"])
    assert told["verification_uri"] == f"{ISSUER}/device"
    assert told["verification_uri_complete"] == f"{ISSUER}/device?user_code={told['user_code']}"
    assert (told["expires_in"], told["interval"]) == (600, 5)


def test_3_1_what_is_unknown_is_ignored_and_what_has_no_value_counts_as_left_out(op: Provider) -> None:
    asking = device(op, unknown="x", scope="")
    tokens = granted(asking.allowed(op.browser()).poll())
    assert tokens["scope"] == "profile email read", "neither openid nor offline_access is implied"
    assert "id_token" not in tokens


@pytest.mark.parametrize(
    "body", ["client_id=tv&client_id=tv", "client_id=tv&scope=read&scope=read", "client_id=tv&x=%00"]
)
def test_3_1_parameters_must_not_be_repeated(op: Provider, body: str) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert refused(op.http.post(PATH, content=body, headers=headers), "invalid_request")


def test_3_1_clients_authenticate_as_at_the_token_endpoint(op: Provider) -> None:
    assert refused(op.http.post(PATH, data={"scope": "read"}), "invalid_client", 401)
    assert refused(device(op, "nobody").response, "invalid_client", 401)
    assert refused(device(op, "tv", client_secret="x").response, "invalid_client", 401)
    assert refused(device(op, "box").response, "invalid_client", 401)
    assert refused(device(op, "box", client_secret="wrong").response, "invalid_client", 401)
    assert device(op, "box", client_secret=SECRET).told
    basic = op.http.post(PATH, data={"scope": "read"}, auth=("box", SECRET))
    assert basic.status_code == 200
    assert (
        op.http.post(PATH, data={"scope": "read"}, auth=("box", "wrong"))
        .headers["www-authenticate"]
        .startswith("Basic ")
    )


def test_a_client_that_is_not_registered_for_devices_gets_no_code(op: Provider) -> None:
    assert refused(device(op, "sso").response, "unauthorized_client")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"scope": "admin"}, "invalid_scope"),
        ({"scope": "é"}, "invalid_scope"),
        ({"resource": "https://unknown.example"}, "invalid_target"),
        ({"audience": "https://unknown.example"}, "invalid_target"),
    ],
)
def test_what_the_client_may_not_ask_for(op: Provider, form: dict[str, str], error: str) -> None:
    assert refused(device(op, **form).response, error)


def test_a_network_that_begins_too_many_must_wait_unless_its_client_authenticates(op: Provider) -> None:
    settings = op.server.settings.model_copy(update={"interaction_limit": 2})
    with TestClient(create_app(settings, now=op.clock), ISSUER, raise_server_exceptions=False) as http:
        answers = [Device(http).response for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert refused(answers[-1], "temporarily_unavailable", 429) and int(answers[-1].headers["retry-after"]) <= 60
        assert [Device(http, "box", client_secret=SECRET).response.status_code for _ in range(3)] == [200] * 3


def test_nothing_that_can_be_presented_is_stored(op: Provider) -> None:
    told = device(op).told
    letters = told["user_code"].replace("-", "")
    dump = str(rows(op.database, "device_codes")) + str(rows(op.database, "interactions"))
    assert all(secret not in dump for secret in (told["device_code"], told["user_code"], letters))


# s3.3: the pages


def test_3_3_the_user_approves_in_any_browser_and_is_sent_back_to_the_device(op: Provider) -> None:
    asking = device(op, scope="openid email offline_access")
    browser = op.browser()
    page = browser.get("/device")
    assert 'id="user-code"' in page.text and 'id="continue"' in page.text
    sign_in = browser.submit(page, user_code=asking.told["user_code"])
    assert "Sign in to continue to A &lt;b&gt;TV" in sign_in.text
    asks = browser.sign_in(sign_in)
    assert asking.told["user_code"] in asks.text and "See your email address" in asks.text
    done = browser.allow(asks)
    assert done.status_code == 200 and "Go back to your device" in done.text
    tokens = granted(asking.poll())
    claims = op.claims(tokens["id_token"])
    assert claims.keys() == ID_TOKEN and claims["sub"] == "u_ada" and claims["aud"] == "tv"
    assert op.userinfo(tokens["access_token"]).json()["email"] == ADA["email"]


@pytest.mark.parametrize("change", [str.lower, lambda code: f" {code.replace('-', '')}.", lambda code: " ".join(code)])
def test_6_1_case_spaces_and_hyphens_of_the_user_code_do_not_matter(op: Provider, change: Any) -> None:
    asking, browser = device(op), op.browser()
    page = browser.submit(browser.get("/device"), user_code=change(asking.told["user_code"]))
    assert 'id="sign-in"' in page.text


def test_3_3_1_the_complete_uri_saves_typing_and_nothing_else(op: Provider) -> None:
    """s5.4: no one-click phishing: the code is shown, to be compared, and two more clicks are needed."""
    asking, browser = device(op), op.browser()
    browser.sign_in(browser.get("/account/sign-in"))
    page = browser.get(asking.told["verification_uri_complete"].removeprefix(ISSUER))
    assert f'value="{asking.told["user_code"]}"' in page.text and 'id="allow"' not in page.text
    assert refused(asking.poll(), "authorization_pending")
    asks = browser.submit(page)
    assert asking.told["user_code"] in asks.text and 'id="deny"' in asks.text
    browser.allow(asks)
    assert granted(asking.poll())


@pytest.mark.parametrize("typed", ['"><script>', "x" * 5000, "BCDF", "BCDF-GHJ1"])
def test_3_3_1_a_prefilled_value_that_is_no_code_is_left_out(op: Provider, typed: str) -> None:
    page = op.http.get("/device", params={"user_code": typed})
    assert page.status_code == 200 and 'name="user_code" value=""' in page.text


def test_5_4_the_page_says_which_app_asks_from_where_and_when(op: Provider) -> None:
    asking, browser = device(op, scope="read", resource=OTHER_AUDIENCE), op.browser()
    execute(op.database, "UPDATE device_codes SET network = '198.51.100.0/24' WHERE answered_at IS NULL")
    text = " ".join(unescape(re.sub("<[^>]+>", " ", asking.asked(browser).text)).split())
    assert "Connect A <b>TV on your device to your account?" in text and "You are signed in as ada" in text
    assert "198.51.100.0/24" in text and "2027-01-15" in text and " UTC" in text
    assert "Use the permission read" in text and OTHER_AUDIENCE in text
    assert "Did somebody send you this code" in text


def test_5_4_every_device_is_asked_about_whatever_was_agreed_before(op: Provider) -> None:
    for client_id in ("other-tv", "own"):
        browser = op.browser()
        device(op, client_id, scope="read").allowed(browser)
        asks = device(op, client_id, scope="read email").asked(browser)
        assert 'id="allow"' in asks.text and asks.text.count('class="new"') == 1
    assert {row["client_id"] for row in rows(op.database, "consents")} >= {"other-tv", "own"}


def test_3_3_a_denied_device_gets_access_denied(op: Provider) -> None:
    asking, browser = device(op), op.browser()
    done = browser.deny(asking.asked(browser))
    assert 'id="device-done"' in done.text and "Nobody got access" in done.text
    assert refused(asking.poll(), "access_denied") and refused(asking.poll(), "access_denied")
    assert browser.get(done.url.path).text == done.text or "Nobody got access" in browser.get(done.url.path).text


def test_a_code_is_answered_once(op: Provider) -> None:
    asking, first, second = device(op), op.browser(), op.browser()
    page, late = asking.asked(first), asking.asked(second)
    first.deny(page)
    for answer in (second.allow(late), second.get(late.url.path)):
        assert is_page(answer, 409) and "already complete" in answer.text
    assert "Nobody got access" in first.allow(page).text, "the same page's form, sent again"
    assert refused(asking.poll(), "access_denied")
    again = asking.page(op.browser())
    assert again.status_code == 422 and "No device is waiting with this code" in again.text


def test_an_answer_acts_for_nobody_but_the_user_whom_its_page_showed(op: Provider) -> None:
    asking, browser = device(op), op.browser()
    asks = asking.asked(browser)
    other = browser.get(f"{asks.url.path}?account=other")
    assert "bob" in browser.sign_in(other, "bob").text
    asked_again = browser.allow(asks)
    assert 'id="allow"' in asked_again.text and "<strong>bob</strong>" in asked_again.text
    assert refused(asking.poll(), "authorization_pending")


@pytest.mark.parametrize("step", ["type", "sign in", "answer"])
def test_a_forged_form_changes_nothing(op: Provider, step: str) -> None:
    asking, browser = device(op), op.browser()
    page = browser.get("/device")
    if step != "type":
        page = browser.submit(page, user_code=asking.told["user_code"])
    if step == "answer":
        page = browser.sign_in(page)
    fields = {"user_code": asking.told["user_code"], "username": "ada", "password": "x", "answer": "allow"}
    before = len(rows(op.database, "interactions"))
    evil = browser.submit(page, headers={"Origin": "https://evil.example"}, **fields)
    assert is_page(evil, 403) and "cannot be accepted" in evil.text
    assert is_page(browser.submit(page, csrf="forged", **fields), 403)
    assert len(rows(op.database, "interactions")) == before
    assert refused(asking.poll(), "authorization_pending")


def test_an_interaction_is_bound_to_its_browser_and_to_its_kind(op: Provider) -> None:
    asking, browser = device(op), op.browser()
    asks = asking.asked(browser)
    stranger = op.browser()
    stranger.get("/device")
    assert is_page(stranger.get(asks.url.path)) and is_page(stranger.get("/device/" + "0" * 32))
    stranger.http.cookies.clear()
    assert "did not send our cookies" in stranger.get(asks.url.path).text
    of_device, signing_in = asks.url.path.removeprefix("/device"), browser.authorize(prompt="login").url.path
    for path in (f"/interaction{of_device}", signing_in.replace("interaction", "device")):
        assert is_page(browser.get(path))
    _, fields = form_of(asks)
    for action in ("consent", "account", "sign-in"):
        url = f"/interaction{of_device}/{action}"
        assert browser.http.post(url, data=fields, headers=FROM_OUR_PAGE).status_code in (400, 403)


def test_somebody_may_sign_in_wrongly_first_reload_and_choose_another_account(op: Provider) -> None:
    asking, browser = device(op), op.browser()
    page = asking.page(browser)
    wrong = browser.sign_in(page, password="wrong")
    assert wrong.status_code == 422 and 'id="error"' in wrong.text
    reloaded = browser.get(str(wrong.url))
    assert reloaded.url.path == page.url.path
    asks = browser.sign_in(reloaded, "bob")
    assert "<strong>bob</strong>" in asks.text
    done = browser.allow(asks)
    assert browser.get(f"{done.url.path}?account=other").text == done.text, "it is over"
    assert op.claims(granted(asking.poll())["access_token"])["sub"] == "u_bob"


def test_somebody_without_an_account_comes_back_to_the_device(op: Provider) -> None:
    settings = op.server.settings.model_copy(update={"sign_up": "on"})
    with TestClient(create_app(settings, now=op.clock), ISSUER, raise_server_exceptions=False) as http:
        browser, asking = Browser(http), Device(http)
        page = asking.page(browser)
        (path,) = re.findall(r'id="create" href="([^"]+)"', page.text)
        form = browser.get(path)
        assert unescape(re.findall(r'id="back" href="([^"]+)"', form.text)[0]).startswith(f"{ISSUER}/device/")
        asks = browser.submit(form, username="eve", password="correct horse battery staple 2")
        assert "<strong>eve</strong>" in asks.text and asking.told["user_code"] in asks.text
        browser.allow(asks)
        assert granted(asking.poll())


# s3.4, s3.5: the token endpoint


def test_3_4_the_device_code_is_bound_to_its_client(op: Provider) -> None:
    asking = device(op, scope="read").allowed(op.browser())
    assert refused(asking.poll(client_id="other-tv"), "invalid_grant")
    assert refused(asking.poll(client_id="box", client_secret=SECRET), "invalid_grant")
    assert refused(asking.poll(client_id="sso"), "unauthorized_client")
    tokens = granted(asking.poll())
    assert op.claims(tokens["access_token"])["client_id"] == "tv"


def test_3_4_a_client_with_a_secret_must_authenticate(op: Provider) -> None:
    asking = device(op, "box", client_secret=SECRET, scope="read").allowed(op.browser())
    assert refused(asking.poll(), "invalid_client", 401)
    tokens = granted(asking.poll(client_secret=SECRET))
    assert "refresh_token" not in tokens, "it is not registered for refresh"


@pytest.mark.parametrize("code", ["", "x", "dc_" + "A" * 43, "ac_" + "A" * 43, "dc_" + "A" * 44])
def test_3_4_a_device_code_that_does_not_exist(op: Provider, code: str) -> None:
    answer = device(op).poll(device_code=code)
    assert refused(answer, "invalid_grant" if code else "invalid_request")


def test_3_5_a_device_that_polls_too_soon_is_told_to_slow_down(op: Provider, elsewhere: TestClient) -> None:
    """At any node: the interval MUST be increased by 5 seconds for this and all subsequent requests."""
    asking = device(op)
    answers = [(asking.poll(), "authorization_pending"), (asking.poll(elsewhere), "slow_down")]
    op.clock.forward(5)
    answers += [(asking.poll(), "slow_down")]
    op.clock.forward(10)
    answers += [(asking.poll(elsewhere), "authorization_pending")]
    op.clock.forward(15)
    answers += [(asking.poll(), "authorization_pending")]
    for answer, error in answers:
        assert refused(answer, error), (answer.text, error)
        assert JSON_HEADERS.items() <= {name.lower(): value for name, value in answer.headers.items()}.items()
    op.later(0)


def test_3_5_a_device_that_polls_too_often_still_gets_tokens_once_the_user_has_answered(op: Provider) -> None:
    asking = device(op)
    assert [asking.poll().json()["error"] for _ in range(4)] == ["authorization_pending", *["slow_down"] * 3]
    asking.allowed(op.browser())
    assert granted(asking.poll())


def test_a_flood_of_polls_writes_at_most_as_often_as_its_code_has_turns(op: Provider) -> None:
    asking = device(op)
    for _ in range(130):
        asking.poll()
    assert row_of(op, asking)["poll_interval"] == 600
    assert refused(asking.poll(), "slow_down")
    assert row_of(op, asking)["poll_interval"] == 600


def test_3_5_an_expired_device_code_is_expired_token(op: Provider) -> None:
    asking, browser = device(op), op.browser()
    asks = asking.asked(browser)
    op.later(599)
    assert refused(asking.poll(), "authorization_pending")
    op.later(1)
    assert refused(asking.poll(), "expired_token")
    for answer in (browser.allow(asks), browser.get(asks.url.path)):
        assert is_page(answer) and "expired" in answer.text
    late = browser.submit(browser.get("/device"), user_code=asking.told["user_code"])
    assert late.status_code == 422 and "the code is too old" in late.text


def test_an_answer_that_comes_too_late_to_be_fetched(op: Provider) -> None:
    asking = device(op).allowed(op.browser())
    op.later(600)
    assert refused(asking.poll(), "expired_token")


def test_64_polls_on_two_nodes_have_one_winner(op: Provider, elsewhere: TestClient) -> None:
    asking = device(op, scope="read").allowed(op.browser())
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(asking.poll, [op.http, elsewhere] * 32))
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(200) == 1 and set(statuses) == {200, 400}, statuses
    (tokens,) = (answer.json() for answer in answers if answer.status_code == 200)
    assert granted(op.refresh(tokens["refresh_token"], client_id="tv")), "a double submit ends nothing"


def test_a_code_that_is_used_again_later_ends_what_it_began(op: Provider, elsewhere: TestClient) -> None:
    """As RFC 6749 s4.1.2 has it for authorization codes."""
    asking = device(op).allowed(op.browser())
    tokens = granted(asking.poll())
    assert refused(asking.poll(elsewhere), "invalid_grant")
    refreshed = granted(op.refresh(tokens["refresh_token"], client_id="tv"))
    op.later(30)
    assert refused(asking.poll(), "invalid_grant")
    assert refused(op.refresh(refreshed["refresh_token"], client_id="tv"), "invalid_grant")


def test_refresh_tokens_outlive_the_browser_session_in_which_the_device_was_allowed(op: Provider) -> None:
    asking, browser = device(op, scope="openid"), op.browser()
    asking.allowed(browser)
    tokens = granted(asking.poll())
    assert "sid" not in op.claims(tokens["id_token"])
    page = browser.get("/logout")
    browser.submit(page, answer="sign-out", offline="yes")
    renewed = granted(op.refresh(tokens["refresh_token"], client_id="tv"))
    assert op.claims(renewed["id_token"])["sub"] == "u_ada"


def test_signing_out_before_the_device_asks_takes_nothing_back_and_a_new_password_does(op: Provider) -> None:
    asking, browser = device(op), op.browser()
    asking.allowed(browser)
    browser.submit(browser.get("/logout"), answer="sign-out")
    assert granted(asking.poll())
    again = device(op).allowed(op.browser())
    execute(op.database, "UPDATE users SET credential_version = credential_version + 1")
    assert refused(again.poll(), "invalid_grant")


def test_taking_back_an_applications_access_before_the_device_asks(op: Provider) -> None:
    asking, browser = device(op), op.browser()
    asking.allowed(browser)
    browser.submit(browser.get("/account/applications/end?client_id=tv"), client_id="tv")
    assert refused(asking.poll(), "invalid_grant")


def test_rfc8707_a_resource_is_chosen_when_the_device_asks_and_may_be_narrowed_at_each_token(op: Provider) -> None:
    asking = device(op, scope="read", resource=[AUDIENCE, OTHER_AUDIENCE]).allowed(op.browser())
    tokens = granted(asking.poll(resource=OTHER_AUDIENCE))
    assert op.claims(tokens["access_token"])["aud"] == OTHER_AUDIENCE
    default = device(op, scope="read").allowed(op.browser())
    assert refused(default.poll(resource=OTHER_AUDIENCE), "invalid_target")
    assert op.claims(granted(default.poll())["access_token"])["aud"] == AUDIENCE


# s4: discovery; s5.1: guessing


def test_4_the_metadata_names_the_endpoint_and_the_grant(op: Provider) -> None:
    for name in ("oauth-authorization-server", "openid-configuration"):
        document = op.http.get(f"/.well-known/{name}").json()
        assert document["device_authorization_endpoint"] == f"{ISSUER}{PATH}"
        assert DEVICE_CODE in document["grant_types_supported"]


def guess(browser: Browser, code: str = "BCDF-GHJK") -> Any:
    return browser.submit(browser.get("/device"), user_code=code)


def test_5_1_a_person_who_guesses_codes_must_wait_and_one_who_types_right_ones_need_not(op: Provider) -> None:
    browser, right = op.browser(), device(op)
    for _ in range(12):
        assert 'id="sign-in"' in right.page(browser).text, "right ones are given back"
    answers = [guess(browser) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [422] * 10 + [429]
    assert "too many wrong codes" in answers[-1].text and answers[-1].headers["retry-after"] == "1"
    assert right.page(browser).status_code == 429, "even the right one waits"
    assert 'id="sign-in"' in right.page(op.browser()).text, "another browser of the network does not"
    assert guess(browser, "not a code").status_code == 422, "what cannot be a code is not counted"
    op.later(1)
    assert 'id="sign-in"' in right.page(browser).text


def test_5_1_a_guess_or_poll_that_is_judged_again_after_a_concurrent_commit_counts_once(
    op: Provider, begins_again: None
) -> None:
    browser = op.browser()
    assert [guess(browser).status_code for _ in range(11)] == [422] * 10 + [429]
    assert refused(device(op).poll(), "authorization_pending")


def test_5_1_a_network_that_guesses_in_many_browsers_must_wait(op: Provider) -> None:
    settings = op.server.settings.model_copy(update={"network_attempts": 20})
    with TestClient(create_app(settings, now=op.clock), ISSUER, raise_server_exceptions=False) as http:
        execute(op.database, "DELETE FROM attempts")
        statuses = []
        for _ in range(5):
            http.cookies.clear()
            statuses.append(guess(Browser(http)).status_code)
    execute(op.database, "DELETE FROM attempts")
    assert statuses == [422] * 4 + [429]


def test_the_limits_can_be_turned_off(op: Provider) -> None:
    settings = op.server.settings.model_copy(update={"network_attempts": 0, "account_attempts": 0})
    with TestClient(create_app(settings, now=op.clock), ISSUER, raise_server_exceptions=False) as http:
        browser = Browser(http)
        assert {guess(browser).status_code for _ in range(15)} == {422}
        assert 'id="sign-in"' in Device(http).page(browser).text


def test_a_user_has_at_most_so_many_authorizations_of_a_client(op: Provider) -> None:
    with op.database.begin() as connection:
        clients.add(connection, replace(TV, id="limited", policy={"max_authorizations": 2}))
    tokens = []
    for _ in range(3):
        tokens.append(granted(device(op, "limited").allowed(op.browser()).poll()))
        op.later(1)
    first, *others = (op.refresh(each["refresh_token"], client_id="limited") for each in tokens)
    assert refused(first, "invalid_grant") and all(granted(each) for each in others)


def test_what_happened_is_in_the_audit_trail_without_a_code(op: Provider) -> None:
    asking, browser = device(op, scope="read"), op.browser()
    guess(browser)
    asking.allowed(browser)
    granted(asking.poll())
    denied = device(op)
    browser.deny(denied.asked(browser))
    trail = [(row["event"], row["actor"], row["result"], row["client_id"]) for row in rows(op.database, "events")]
    assert ("device_allowed", "user:u_ada", "success", "tv") in trail
    assert ("device_denied", "user:u_ada", "failure", "tv") in trail
    assert ("code_redeemed", "user:u_ada", "success", "tv") in trail
    assert ("user_code_wrong", "anonymous", "failure", None) in trail
    *_, allowed = (row for row in rows(op.database, "events") if row["event"] == "device_allowed")
    assert "scope read" in allowed["detail"]
    secrets = (asking.told["device_code"], asking.told["user_code"])
    assert not any(secret in str(rows(op.database, "events")) for secret in secrets)
