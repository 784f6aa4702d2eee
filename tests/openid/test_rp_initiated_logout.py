"""OpenID Connect RP-Initiated Logout 1.0: what ends a session at once, what asks first, and what leads nowhere."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authserver.domain.logout_request import NAMES
from authserver.keyring.lifecycle import Lifecycle
from tests.harness.browser import CALLBACK, FROM_OUR_PAGE, answer_of, form_of
from tests.harness.constants import ISSUER
from tests.openid.provider import BYE, Provider, granted, is_page, refused
from tests.openid.test_id_token_hints import HOUR, lifecycle, sign
from tests.web.serving import change_client, rows, wait_until

__all__ = ["lifecycle", "sign"]

ASKS, SIGNED_OUT = 'id="sign-out"', 'id="signed-out"'


class Visit:
    """A browser in which ada has signed in, and the tokens that the client got."""

    def __init__(self, op: Provider, username: str = "ada", **request: Any) -> None:
        self.op, self.browser = op, op.signed_in(username, **request)
        client = {"client_id": request["client_id"]} if "client_id" in request else {}
        self.tokens = granted(op.redeem(self.browser.code(**request), **client))
        self.hint = self.tokens["id_token"]

    def logout(self, **parameters: Any) -> Any:
        given = {name: value for name, value in parameters.items() if value is not None}
        return self.browser.get(f"/logout?{urlencode(given, doseq=True)}")

    @property
    def is_signed_in(self) -> bool:
        return answer_of(self.browser.authorize(prompt="none")).get("error") != "login_required"


def asks(visit: Visit, response: Any) -> bool:
    """Whether the person is asked, and nothing has happened yet."""
    stays = "location" not in response.headers and "http-equiv" not in response.text
    return response.status_code == 200 and ASKS in response.text and stays and visit.is_signed_in


@pytest.mark.parametrize("state", [None, "a state", "", "a&b=c#d", "é\r\n<b>"])
def test_s2_an_id_token_of_the_session_ends_it_and_s3_the_browser_goes_back_with_the_state(
    op: Provider, state: Any
) -> None:
    visit = Visit(op)
    response = visit.logout(id_token_hint=visit.hint, post_logout_redirect_uri=BYE, state=state)
    assert response.status_code == 303
    assert answer_of(response, BYE) == ({} if state is None else {"state": state})
    assert "Max-Age=0" in response.headers["set-cookie"]
    assert not visit.is_signed_in
    assert refused(op.refresh(visit.tokens["refresh_token"]), "invalid_grant")
    assert op.userinfo(visit.tokens["access_token"]).status_code == 401


@pytest.mark.parametrize("more", [{}, {"client_id": "sso"}, {"logout_hint": "ada"}, {"unknown": "x"}])
def test_without_a_uri_a_page_says_so_and_asking_again_changes_nothing(op: Provider, more: Any) -> None:
    visit = Visit(op)
    for _ in range(2):
        page = visit.logout(id_token_hint=visit.hint, **more)
        assert page.status_code == 200 and SIGNED_OUT in page.text
        assert not visit.is_signed_in


def test_a_browser_in_which_nobody_is_signed_in_goes_back_at_once(op: Provider) -> None:
    hint = Visit(op).hint
    nobody = op.browser()
    query = urlencode({"id_token_hint": hint, "post_logout_redirect_uri": BYE, "state": "x"})
    assert answer_of(nobody.get(f"/logout?{query}"), BYE) == {"state": "x"}
    assert SIGNED_OUT in nobody.get("/logout").text


def test_an_id_token_ends_no_session_in_another_browser(op: Provider) -> None:
    visit = Visit(op)
    op.browser().get(f"/logout?{urlencode({'id_token_hint': visit.hint})}")
    assert visit.is_signed_in


def test_an_expired_id_token_and_one_of_a_renewed_session_count(op: Provider) -> None:
    visit = Visit(op)
    op.later(2 * HOUR)
    visit.browser.sign_in(visit.browser.authorize(prompt="login"))
    response = visit.logout(id_token_hint=visit.hint, post_logout_redirect_uri=BYE)
    assert answer_of(response, BYE) == {} and not visit.is_signed_in


def test_one_of_a_key_that_left_the_key_set_counts_and_one_of_a_revoked_key_does_not(
    op: Provider, lifecycle: Lifecycle
) -> None:
    visit = Visit(op)
    kid = op.http.get("/.well-known/jwks.json").json()["keys"][0]["kid"]
    lifecycle.promote("RS256", emergency=True)
    for _ in range(100):
        op.later(HOUR)
        lifecycle.run_due()
        if next(key.state for key in lifecycle.read() if key.kid == kid) == "removed":
            break
    op.later(HOUR)
    response = visit.logout(id_token_hint=visit.hint, post_logout_redirect_uri=BYE)
    assert answer_of(response, BYE) == {}
    visit = Visit(op)
    kid = op.http.get("/.well-known/jwks.json").json()["keys"][0]["kid"]
    lifecycle.revoke(kid)
    wait_until(lambda: kid not in op.http.get("/.well-known/jwks.json").text)
    assert asks(visit, visit.logout(id_token_hint=visit.hint, post_logout_redirect_uri=BYE))


def spoilt(hint: str) -> dict[str, str]:
    header, payload, signature = hint.split(".")
    return {
        "payload": f"{header}.{payload[:-4]}AAAA.{signature}",
        "signature": f"{header}.{payload}.{signature[:-8]}AAAAAAAA",
        "none": f"eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.",
        "unsigned": f"{header}.{payload}.",
        "header": f"{header[:-4]}AAAA.{payload}.{signature}",
    }


Hint = Callable[[Visit, Any], Any]
OTHER_SIGNED: dict[str, dict[str, Any]] = {
    "another issuer's": {"iss": "https://evil.example"},
    "an access token's claims": {"client_id": "sso"},
    "without auth_time": {"auth_time": None},
    "a logout token's claims": {"events": {}},
    "no subject": {"sub": None},
    "several audiences": {"aud": ["sso", "rp"]},
    "another audience": {"aud": "nobody"},
    "another session": {"sid": "0" * 32},
    "no session": {"sid": None},
    "a number as session": {"sid": 5},
    "another user": {"sub": "u_bob"},
}


def _signed(changes: dict[str, Any], typ: str = "JWT") -> Hint:
    def signed(visit: Visit, sign: Any) -> Any:
        claims = visit.op.claims(visit.hint) | changes
        return sign({name: value for name, value in claims.items() if value is not None}, typ)

    return signed


def _spoilt(part: str) -> Hint:
    return lambda visit, sign: spoilt(visit.hint)[part]


HOSTILE_HINTS: dict[str, Hint] = {
    "none": lambda visit, sign: None,
    "empty": lambda visit, sign: "",
    "junk": lambda visit, sign: "a.b.c",
    "huge": lambda visit, sign: "x" * 20_000,
    "not ASCII": lambda visit, sign: "é.é.é",
    "an access token": lambda visit, sign: visit.tokens["access_token"],
    "a refresh token": lambda visit, sign: visit.tokens["refresh_token"],
    "twice": lambda visit, sign: [visit.hint, visit.hint],
    "typ logout+jwt": _signed({}, "logout+jwt"),
    **{name: _signed(changes) for name, changes in OTHER_SIGNED.items()},
    **{f"spoilt {part}": _spoilt(part) for part in ("payload", "signature", "none", "unsigned", "header")},
}


@pytest.mark.parametrize("name", HOSTILE_HINTS)
def test_s2_anything_but_an_id_token_of_the_session_asks_first_and_leads_nowhere(
    op: Provider, sign: Any, name: str
) -> None:
    visit = Visit(op)
    hint = HOSTILE_HINTS[name](visit, sign)
    page = visit.logout(id_token_hint=hint, post_logout_redirect_uri=BYE, client_id="sso", state="x")
    assert asks(visit, page)
    if name in ("another session", "no session", "another user"):  # the client proved itself
        page = visit.browser.submit(page, answer="sign-out")
        assert answer_of(page, BYE) == {"state": "x"}
    else:
        page = visit.browser.submit(page, answer="sign-out")
        assert SIGNED_OUT in page.text and "http-equiv" not in page.text
    assert not visit.is_signed_in


@pytest.mark.parametrize(
    "uri",
    [
        *(CALLBACK, "https://evil.example/", "//evil.example", "javascript:alert(1)", BYE + "&more=x", BYE + "#", ""),
        *(BYE.replace("https", "http"), BYE.upper(), f"{BYE}\r\nX: y", "https://client.example", [BYE, BYE], "\udcff"),
    ],
)
def test_s3_a_uri_that_is_not_registered_is_never_redirected_to(op: Provider, uri: Any) -> None:
    visit = Visit(op)
    given = {"id_token_hint": visit.hint, "post_logout_redirect_uri": uri}
    page = visit.browser.get(f"/logout?{urlencode(given, doseq=True, errors='surrogateescape')}")
    if uri == "":  # RFC 6749 s3.1: as if it were omitted
        assert SIGNED_OUT in page.text
        return
    assert asks(visit, page)
    page = visit.browser.submit(page, answer="sign-out")
    assert SIGNED_OUT in page.text and "http-equiv" not in page.text and not visit.is_signed_in


def test_another_clients_uri_and_that_of_a_disabled_client_are_not_registered(op: Provider) -> None:
    visit = Visit(op, client_id="another")
    change_client(op.database, "another", post_logout_redirect_uris=())
    op.later(6)  # until no process has the client as it was before
    try:
        assert asks(visit, visit.logout(id_token_hint=visit.hint, post_logout_redirect_uri=BYE))
        change_client(op.database, "another", post_logout_redirect_uris=(BYE,), disabled=True)
        op.later(6)
        assert asks(visit, visit.logout(id_token_hint=visit.hint, post_logout_redirect_uri=BYE))
        assert asks(visit, visit.logout(id_token_hint=visit.hint))
    finally:
        change_client(op.database, "another", post_logout_redirect_uris=(BYE,), disabled=False)


def test_a_uri_that_was_registered_a_moment_ago_counts(op: Provider) -> None:
    visit, new = Visit(op), "https://client.example/new"
    change_client(op.database, "sso", post_logout_redirect_uris=(BYE, new))
    assert answer_of(visit.logout(id_token_hint=visit.hint, post_logout_redirect_uri=new), new) == {}


def test_s2_a_client_id_that_is_not_the_id_tokens_asks_first(op: Provider) -> None:
    visit = Visit(op)
    for client_id in ("rp", "nobody", ["sso", "rp"], "\n"):
        given = {"id_token_hint": visit.hint, "client_id": client_id, "post_logout_redirect_uri": BYE}
        assert asks(visit, visit.browser.get(f"/logout?{urlencode(given, doseq=True)}"))


def test_s2_a_post_from_another_site_brings_no_cookie_and_becomes_our_own_get(op: Provider) -> None:
    visit = Visit(op)
    form = {"id_token_hint": visit.hint, "post_logout_redirect_uri": BYE, "state": "x"}
    posted = op.http.post("/logout", data=form, headers={"Origin": "https://client.example"}, follow_redirects=False)
    assert posted.status_code == 303 and posted.headers["location"].endswith(f"/logout?{urlencode(form)}")
    assert answer_of(visit.browser.get(posted.headers["location"]), BYE) == {"state": "x"}
    assert not visit.is_signed_in


def test_the_person_may_stay_signed_in(op: Provider) -> None:
    visit = Visit(op)
    answer = post(visit, visit.logout(), answer="stay")
    assert answer.headers["location"].endswith("/account") and visit.is_signed_in


def post(visit: Visit, page: Any, headers: Any = FROM_OUR_PAGE, **fields: str) -> Any:
    action, filled = form_of(page)
    return visit.browser.http.post(action, data=filled | fields, headers=headers, follow_redirects=False)


@pytest.mark.parametrize("spoil", ["origin", "no token", "another browser's"])
def test_a_forged_form_ends_nothing(op: Provider, spoil: str) -> None:
    visit = Visit(op)
    page = visit.logout()
    if spoil == "origin":
        answer = post(visit, page, {"Origin": "https://evil.example"}, answer="sign-out")
    else:
        csrf = form_of(Visit(op).logout())[1]["csrf"] if spoil == "another browser's" else ""
        answer = post(visit, page, answer="sign-out", csrf=csrf)
    assert is_page(answer, 403) and visit.is_signed_in


def test_a_form_that_was_shown_to_one_user_ends_no_session_of_another(op: Provider) -> None:
    visit = Visit(op)
    page = visit.logout()
    visit.browser.sign_in(visit.browser.authorize(prompt="login", client_id="another"), username="bob")
    page = visit.browser.submit(page, answer="sign-out")
    assert asks(visit, page) and "<strong>bob</strong>" in page.text


@pytest.mark.parametrize("offline", [False, True])
def test_offline_access_stays_unless_the_person_asks_otherwise(op: Provider, offline: bool) -> None:
    visit = Visit(op, scope="openid offline_access", prompt="consent")
    post(visit, visit.logout(), answer="sign-out", offline="yes" if offline else "")
    assert refused(op.refresh(visit.tokens["refresh_token"]), "invalid_grant") == offline


def test_a_code_that_is_not_redeemed_yet_ends_with_the_session(op: Provider) -> None:
    visit = Visit(op)
    code = visit.browser.code()
    visit.logout(id_token_hint=visit.hint)
    assert refused(op.redeem(code), "invalid_grant")


def test_the_audit_trail_says_who_signed_out(op: Provider) -> None:
    visit = Visit(op)
    sid = op.claims(visit.hint)["sid"]
    visit.logout(id_token_hint=visit.hint)
    (event,) = [row for row in rows(op.database, "events") if row["event"] == "session_ended" and sid in row["detail"]]
    assert (event["actor"], event["username"], event["detail"]) == ("user:u_ada", "ada", f"signed out; sid {sid}")


def test_the_log_tells_developers_why_a_request_was_not_followed(op: Provider, events: list[Any]) -> None:
    visit = Visit(op)
    visit.logout()
    assert "logout_unproven" not in [event["event"] for event in events]
    visit.logout(id_token_hint=visit.hint, post_logout_redirect_uri=CALLBACK)
    (event,) = [event for event in events if event["event"] == "logout_unproven"]
    assert event["reason"].startswith("the post_logout_redirect_uri is not registered")
    assert (event["client_id"], event["subject"]) == ("sso", "u_ada")


def test_after_a_form_the_browser_goes_back_by_a_page_not_by_a_redirect_that_form_action_would_block(
    op: Provider,
) -> None:
    visit = Visit(op)
    query = urlencode({"id_token_hint": visit.hint, "post_logout_redirect_uri": BYE, "logout_hint": "bob"})
    page = visit.browser.submit(visit.browser.get(f"/logout?{query}"), answer="sign-out")
    assert page.status_code == 200 and "form-action 'self';" in page.headers["content-security-policy"]
    assert answer_of(page, BYE) == {}


@pytest.mark.parametrize("disabled", [False, True])
def test_pages_show_the_client_that_sent_the_browser_unless_it_is_disabled(op: Provider, disabled: bool) -> None:
    visit, home = Visit(op, client_id="another"), "https://another.example/home"
    change_client(op.database, "another", client_uri=home, disabled=disabled)
    op.later(6)  # until no process has the client as it was before
    try:
        page = visit.logout(client_id="another")
        assert asks(visit, page) and (home in page.text) is not disabled
        page = visit.browser.submit(page, answer="sign-out")
        assert SIGNED_OUT in page.text and (home in page.text) is not disabled
    finally:
        change_client(op.database, "another", client_uri="", disabled=False)


def test_a_state_of_any_bytes_survives_the_confirmation_page(op: Provider) -> None:
    visit = Visit(op)
    query = urlencode({"id_token_hint": visit.hint, "post_logout_redirect_uri": BYE, "logout_hint": "bob"})
    page = visit.browser.get(f"/logout?{query}&state=%FF%0A%22%3E")
    assert answer_of(visit.browser.submit(page, answer="sign-out"), BYE) == {"state": '\udcff\n">'}


@pytest.mark.parametrize(
    "values",
    [
        {"state": "(" * 20_000},
        {"state": "(" * 2048, "logout_hint": "(" * 2048, "ui_locales": "(" * 2048, "client_id": "(" * 20_000},
        {"id_token_hint": "x" * 20_000, "state": "(" * 9_000},
    ],
)
def test_a_request_that_the_form_cannot_carry_does_not_keep_anybody_from_signing_out(op: Provider, values: Any) -> None:
    visit = Visit(op)
    query = "&".join(f"{name}={value}" for name, value in values.items())
    page = visit.browser.get(f"/logout?{query}")
    assert asks(visit, page)
    assert SIGNED_OUT in visit.browser.submit(page, answer="sign-out").text and not visit.is_signed_in


@pytest.mark.parametrize("hints", ["logout_hint=ada&logout_hint=bob", "logout_hint=ada%FF"])
def test_a_logout_hint_that_nobody_can_read_asks_first(op: Provider, hints: str) -> None:
    visit = Visit(op)
    assert asks(visit, visit.browser.get(f"/logout?{urlencode({'id_token_hint': visit.hint})}&{hints}"))


@pytest.mark.parametrize("languages", ["de", "fr de en", "xx"])
def test_ui_locales_choose_the_language(op: Provider, languages: str) -> None:
    visit = Visit(op)
    expected = "Abmelden" if "de" in languages else "Sign out"
    page = visit.logout(ui_locales=languages)
    assert expected in page.text
    page = visit.browser.submit(page, answer="sign-out")
    assert SIGNED_OUT in page.text and f'lang="{"de" if "de" in languages else "en"}"' in page.text


def test_what_is_too_long_is_refused(op: Provider) -> None:
    assert op.http.get(f"/logout?x={'x' * 33_000}").status_code == 414
    assert op.http.post("/logout", data={"x": "x" * 17_000}).status_code == 413
    assert is_page(op.browser().get("/logout?" + "&".join(f"x{number}=" for number in range(65))))


def test_discovery_s3_the_endpoint_is_in_both_documents(op: Provider) -> None:
    for name in ("openid-configuration", "oauth-authorization-server"):
        document = op.http.get(f"/.well-known/{name}").json()
        assert document["end_session_endpoint"] == f"{document['issuer']}/logout"
        assert document["backchannel_logout_supported"] and document["backchannel_logout_session_supported"]


VALUES = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["sso", "rp", "nobody", "ada", "de", BYE, CALLBACK, "https://evil.example/", "\r\nX: y", "é", "x" * 3000]
    ),
)
REQUESTS = st.lists(st.tuples(st.sampled_from([*NAMES, "answer", "csrf", "request"]), VALUES), max_size=8)


def test_no_request_gets_a_5xx_or_leads_to_an_address_that_is_not_registered(op: Provider) -> None:
    """Whoever is signed in, and however much of it an ID token proves."""
    browsers = [(op.browser(), ""), (op.signed_in(), ""), (op.browser(), Visit(op).hint)]

    @given(REQUESTS, st.integers(0, 2), st.sampled_from(["GET", "POST", "confirm"]))
    @settings(max_examples=100, suppress_health_check=list(HealthCheck))
    def check(sent: list[tuple[str, str]], who: int, how: str) -> None:
        browser, hint = browsers[who]
        fields = [*sent, *([("id_token_hint", hint)] if hint else [])]
        if how == "GET":
            got = browser.http.get(f"/logout?{urlencode(fields)}", follow_redirects=False)
        else:
            path = "/logout/confirm" if how == "confirm" else "/logout"
            content = urlencode(fields)
            headers = FROM_OUR_PAGE | {"Content-Type": "application/x-www-form-urlencoded"}
            got = browser.http.post(path, content=content, headers=headers, follow_redirects=False)
        assert got.status_code in (200, 303, 400, 403), got.text
        location = got.headers.get("location", ISSUER)
        assert location.startswith((f"{ISSUER}/logout", BYE)) or location == ISSUER
        assert "http-equiv" not in got.text and "<script>alert" not in got.text

    check()
