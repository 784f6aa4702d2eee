"""What people see and change of their own account."""

import asyncio
import json
import re
from collections.abc import Mapping
from http.cookies import SimpleCookie
from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver.app import assemble
from authserver.clock import Clock as SystemClock
from authserver.domain.attempts import FREE
from authserver.domain.audit import AuditRecord
from authserver.domain.models import User
from authserver.domain.session_end import EndedBy
from authserver.settings import Settings
from authserver.store import events, user_claims, users
from authserver.store.database import Database
from tests.harness.browser import FROM_OUR_PAGE, Browser, form_of
from tests.harness.clock import Clock
from tests.harness.constants import PASSWORD, SECOND
from tests.store.rows import begun
from tests.web.serving import change_client, everything, execute, rows

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 (KHTML) Version/18.0 Safari/604.1"
NEW = "a much better password"
FORM = "/account/sessions/end?session=others"


class OwnCookies:
    """Sends requests by `http` with other cookies than its own."""

    def __init__(self, http: TestClient, user_agent: str) -> None:
        self._http, self._user_agent, self.cookies = http, user_agent, dict[str, str]()

    def get(self, url: str, **options: Any) -> Any:
        return self._send("GET", url, **options)

    def post(self, url: str, **options: Any) -> Any:
        return self._send("POST", url, **options)

    def _send(self, method: str, url: str, headers: Mapping[str, str] | None = None, **options: Any) -> Any:
        self._http.cookies.clear()
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        own = {"User-Agent": self._user_agent, "Cookie": cookie, **(headers or {})}
        response = self._http.request(method, url, headers=own, **options)
        self._http.cookies.clear()
        for value in response.headers.get_list("set-cookie"):
            self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(value).items()}
        return response


class Visitor(Browser):
    """A browser with cookies of its own, among others of the same client of the server."""

    def __init__(self, http: TestClient, user_agent: str = FIREFOX) -> None:
        super().__init__(OwnCookies(http, user_agent))

    def signed_in(self, username: str = "ada", password: str = PASSWORD) -> "Visitor":
        page = self.sign_in(self.get("/account/sign-in"), username, password)
        assert page.url.path == "/account", page.text
        return self

    def is_signed_in(self) -> bool:
        return bool(self.get("/account").url.path == "/account")

    def fields(self, path: str) -> dict[str, str]:
        return form_of(self.get(path))[1]

    def post(self, path: str, **fields: str) -> Any:
        return self.http.post(path, data=fields, headers=FROM_OUR_PAGE, follow_redirects=False)


@pytest.fixture
def ada(http: TestClient) -> Visitor:
    return Visitor(http).signed_in()


@pytest.fixture
def phone(ada: Visitor, http: TestClient, clock: Clock) -> Visitor:
    """Where ada is signed in, too, a minute later."""
    clock.forward(60)
    return Visitor(http, SAFARI).signed_in()


@pytest.fixture
def bob(http: TestClient, database: Database, password_hash: str, clock: Clock) -> Visitor:
    with database.begin() as connection:
        users.add(connection, User("u_bob", "bob", password_hash, created_at=clock()))
    return Visitor(http).signed_in("bob")


def names(database: Database, subject: str = "u_ada") -> list[str]:
    with database.begin() as connection:
        return [each.record.event for each in events.newest(connection, events.Filter(subjects=[subject]), 100)]


def ids(page: Any) -> list[str]:
    return re.findall(r"session=([0-9a-f]{32})", page.text)


def test_the_sessions_of_a_person_with_what_each_browser_is(ada: Visitor, phone: Visitor, bob: Visitor) -> None:
    page = ada.get("/account/sessions")
    assert re.findall("<strong>(.*) on (.*)</strong>", page.text) == [("Firefox", "Linux"), ("Safari", "iPhone")]
    assert page.text.count("This device") == 1 and len(ids(page)) == 1


def test_ending_one_session_asks_first_and_leaves_the_others(ada: Visitor, phone: Visitor, database: Database) -> None:
    (id,) = ids(ada.get("/account/sessions"))
    page = ada.get(f"/account/sessions/end?session={id}")
    assert "Safari on iPhone" in page.text and phone.is_signed_in()
    page = ada.submit(page)
    assert (page.url.path, "You are now signed out there." in page.text) == ("/account/sessions", True)
    assert ada.is_signed_in() and not phone.is_signed_in()
    assert names(database)[0] == "session_ended"


def test_ending_all_other_sessions_keeps_this_one_and_other_peoples(
    ada: Visitor, phone: Visitor, bob: Visitor, http: TestClient
) -> None:
    tablet = Visitor(http).signed_in()
    ada.submit(ada.get("/account/sessions/end?session=others"))
    assert [each.is_signed_in() for each in (ada, phone, tablet, bob)] == [True, False, False, True]


@pytest.mark.parametrize("asked", ["others", "one"])
@pytest.mark.parametrize(("answer", "ends"), [("", False), ("yes", True)])
def test_access_that_outlives_a_session_ends_with_it_if_the_person_asks(
    ada: Visitor, phone: Visitor, database: Database, asked: str, answer: str, ends: bool
) -> None:
    (id,) = ids(ada.get("/account/sessions"))
    begun(database, 1, session_id=bytes.fromhex(id), ends_with_session=False)
    ada.submit(ada.get(f"/account/sessions/end?session={id if asked == 'one' else asked}"), offline=answer)
    (row,) = rows(database, "authorizations")
    assert not phone.is_signed_in() and bool(row["revoked_at"]) is ends


def test_the_session_of_another_person_cannot_be_ended(ada: Visitor, bob: Visitor, database: Database) -> None:
    bobs = next(row["id"].hex() for row in rows(database, "sessions") if row["user_id"] == "u_bob")
    assert ada.get(f"/account/sessions/end?session={bobs}").url.path == "/account/sessions"
    fields = bob.fields("/account/sign-in")
    for session in (bobs, "", "0" * 32, "x"):
        answer = ada.post("/account/sessions/end", session=session, csrf=fields["csrf"])
        assert answer.status_code == 403
    assert bob.is_signed_in()


def test_a_form_that_was_shown_to_one_user_does_nothing_for_another_who_signed_in_since(
    ada: Visitor, phone: Visitor, bob: Visitor, database: Database
) -> None:
    """Two tabs of one browser, in one of which somebody else signs in."""
    page = ada.get("/account/sessions/end?session=others")
    ada.sign_in(ada.get("/account/sign-in?account=other"), "bob")
    before = rows(database, "sessions")
    assert ada.submit(page).url.path == "/account/sessions"
    assert rows(database, "sessions") == before


def test_an_applications_access_with_its_scopes_in_words_can_be_removed(
    browser: Browser, database: Database, redeem: Any, refresh: Any
) -> None:
    claims = '{"userinfo": {"birthdate": null}}'
    code = browser.code(scope="openid offline_access email read", claims=claims, resource="https://api.example")
    page = browser.get("/account/applications")
    assert "See your date of birth" in page.text and "Use <code>https://api.example</code>" in page.text
    assert "An &lt;b&gt;app" in page.text and "See your email address" in page.text and "<code>read</code>" in page.text
    tokens = redeem(code).json()
    page = browser.get("/account/applications/end?client_id=sso")
    assert refresh(tokens["refresh_token"], "sso").status_code == 200
    unused = browser.code()
    page = browser.submit(page)
    assert page.url.path == "/account/applications" and "No application has access" in page.text
    assert redeem(unused).json()["error"] == "invalid_grant"
    assert rows(database, "consents") == []
    (revoked,) = rows(database, "authorizations")
    assert revoked["revoked_reason"] == "consent_withdrawn"
    assert refresh(tokens["refresh_token"], "sso").json()["error"] == "invalid_grant"
    assert "consent_withdrawn" in names(database)
    assert 'id="allow"' in browser.authorize().text, "it asks again"


@pytest.mark.parametrize(("first_party", "words"), [(False, "it will ask you"), (True, "without asking you")])
def test_whether_an_application_will_ask_again_is_said_as_it_is(
    browser: Browser, database: Database, redeem: Any, first_party: bool, words: str
) -> None:
    change_client(database, "sso", first_party=first_party)
    redeem(browser.code())
    assert words in browser.get("/account/applications/end?client_id=sso").text


def test_nobody_removes_what_another_person_allowed(browser: Browser, bob: Visitor, database: Database) -> None:
    browser.code()
    before = rows(database, "consents")
    assert bob.get("/account/applications/end?client_id=sso").url.path == "/account/applications"
    assert "No application has access" in bob.get("/account/applications").text
    assert rows(database, "consents") == before


def test_a_new_password_ends_all_other_sessions_and_keeps_this_one(
    ada: Visitor, phone: Visitor, database: Database, login: Any
) -> None:
    before = ada.http.cookies["__Host-session"]
    page = ada.submit(ada.get("/account/password"), current_password=PASSWORD, new_password=NEW)
    assert page.url.path == "/account/password" and "Your password was changed." in page.text
    assert ada.is_signed_in() and not phone.is_signed_in()
    assert ada.http.cookies["__Host-session"] != before
    assert phone.sign_in(phone.get("/account/sign-in"), password=PASSWORD).status_code == 422
    phone.signed_in(password=NEW)
    assert names(database)[:2].count("sign_in") == 1
    assert {"user_password_changed", "session_ended"} <= set(names(database))


@pytest.mark.parametrize("settings", [{"smtp_url": "smtps://127.0.0.1:9", "mail_from": "a@example.com"}], indirect=True)
def test_a_new_password_is_told_to_the_verified_address(ada: Visitor, database: Database) -> None:
    with database.begin() as connection:
        user_claims.replace(connection, "u_ada", {"email": "ada@example.com", "email_verified": True})
    ada.submit(ada.get("/account/password"), current_password=PASSWORD, new_password=NEW)
    (message,) = rows(database, "outbox")
    assert message["user_id"] == "u_ada" and "ada@example.com" in message["content"]
    assert NEW not in str(message)


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"current_password": "wrong"}, 422, "The current password is wrong."),
        ({"new_password": "short"}, 422, "too short"),
        ({"new_password": "password1"}, 422, "attackers try it first"),
        ({"new_password": "12345678"}, 422, "attackers try it first"),
        ({"new_password": "x" * 1025}, 422, "too long"),
        ({"new_password": PASSWORD}, 422, "This is your current password."),
        ({"current_password": "wrong", "new_password": "wrong"}, 422, "The current password is wrong."),
    ],
)
def test_a_password_that_is_not_changed(
    ada: Visitor, database: Database, changes: dict[str, str], status: int, words: str
) -> None:
    before = rows(database, "users")
    fields = {"current_password": PASSWORD, "new_password": NEW} | changes
    old, new = fields["current_password"], fields["new_password"]
    page = ada.submit(ada.get("/account/password"), current_password=old, new_password=new)
    assert page.status_code == status and words in page.text
    assert "<title>Error:" in page.text and f'"{new}"' not in page.text
    assert rows(database, "users") == before and ada.is_signed_in()


def test_guessing_the_password_on_an_open_session_is_as_slow_as_at_sign_in(ada: Visitor) -> None:
    fields = ada.fields("/account/password") | {"current_password": "wrong", "new_password": NEW}
    answers = [ada.post("/account/password", **fields) for _ in range(FREE + 1)]
    assert [answer.status_code for answer in answers][-2:] == [422, 429]
    assert "Wait" in answers[-1].text


def test_the_password_of_another_user_opens_nothing(ada: Visitor, bob: Visitor, database: Database) -> None:
    """The hidden username of the form is for password managers, and decides nothing."""
    before = rows(database, "users")
    fields = ada.fields("/account/password") | {"username": "bob", "current_password": PASSWORD, "new_password": NEW}
    assert ada.post("/account/password", **fields).status_code == 303
    assert rows(database, "users") == before


def test_a_session_with_the_password_of_before_is_over(ada: Visitor, database: Database) -> None:
    execute(database, "UPDATE users SET credential_version = credential_version + 1")
    assert not ada.is_signed_in()


def test_recent_security_events_are_told_in_words(ada: Visitor, bob: Visitor) -> None:
    ada.sign_in(ada.get("/account/sign-in"), password="wrong")
    ada.submit(ada.get("/account/password"), current_password=PASSWORD, new_password=NEW)
    page = ada.get("/account/activity")
    told = re.findall("<strong>(.*)</strong></p>\n<dl>", page.text)
    assert told == ["The password was changed", "A wrong password was entered", "Signed in"]


def test_recent_security_events_name_applications_that_lost_their_access_and_who_ended_a_session(
    browser: Browser, http: TestClient
) -> None:
    browser.code()
    browser.submit(browser.get("/account/applications/end?client_id=sso"))
    assert "<dd>sso</dd>" not in browser.get("/account/activity").text
    assert "An &lt;b&gt;app" in browser.get("/account/activity").text
    second = Visitor(http).signed_in()
    second.submit(second.get(FORM))
    assert "Signed out from another browser" in second.get("/account/activity").text


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (EndedBy.SIGN_OUT, "Signed out<"),
        (EndedBy.ANOTHER_USER, "because someone else signed in"),
        (EndedBy.TOO_MANY, "too many browsers"),
        (EndedBy.PASSWORD_CHANGE, "because the password was changed"),
        (EndedBy.PASSWORD_RESET, "because a new password was chosen with a link"),
        (EndedBy.DELETION_REQUEST, "because the account was marked for deletion"),
        (EndedBy.OPERATOR, "An administrator signed you out"),
        (EndedBy.DISABLING, "An administrator signed you out"),
        ("something new", "You were signed out in one browser"),
    ],
)
def test_the_end_of_a_session_is_told_as_what_it_was(
    ada: Visitor, database: Database, clock: Clock, reason: str, words: str
) -> None:
    ended = AuditRecord("session_ended", "user:u_ada", "success", subject="u_ada", detail=f"{reason}; sid 0")
    with database.begin() as connection:
        events.add(connection, clock(), [ended])
    page = ada.get("/account/activity").text
    assert words in page and ("<strong>Signed out<" in page.replace("\n", "")) == (reason == EndedBy.SIGN_OUT)


def test_recent_security_events_are_not_hidden_by_many_others(ada: Visitor, database: Database, clock: Clock) -> None:
    other = AuditRecord("token_issued", "client:app", "success", subject="u_ada")
    with database.begin() as connection:
        events.add(connection, clock() + 1, [other] * 1100)
    assert "Signed in" in ada.get("/account/activity").text


def test_the_profile_that_people_may_edit(ada: Visitor, database: Database) -> None:
    with database.begin() as connection:
        user_claims.replace(connection, "u_ada", {"name": "A", "roles": ["editor"], "email": "ada@example.com"})
    page = ada.get("/account/profile")
    assert form_of(page)[1]["name"] == "A" and "email" not in form_of(page)[1]
    page = ada.submit(page, name="Ada Lovelace", birthdate="1815-12-10", roles="admin", email="x@example.com")
    assert "Your profile was saved." in page.text
    (row,) = rows(database, "user_claims")
    claims = json.loads(row["claims"])
    assert claims.pop("updated_at") > 0
    expected = {"name": "Ada Lovelace", "roles": ["editor"], "email": "ada@example.com", "birthdate": "1815-12-10"}
    assert claims == expected
    ada.submit(page, name="")
    assert "name" not in json.loads(rows(database, "user_claims")[0]["claims"])


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"birthdate": "yesterday"}, "not a date"),
        ({"birthdate": "2999-01-01"}, "in the future"),
        ({"name": "Ada \u202eecalevoL"}, "change the direction of the text"),
        ({"name": "x" * 257}, "too long"),
        ({"name": "\U0001f600" * 256, "given_name": "\U0001f600" * 256}, "too long"),
    ],
)
def test_a_profile_that_is_not_valid_is_shown_again_as_it_was_typed(
    ada: Visitor, database: Database, typed: dict[str, str], words: str
) -> None:
    action, fields = form_of(ada.get("/account/profile"))
    page = ada.post(action, **fields | {"nickname": "Countess"} | typed)
    assert page.status_code == 422 and words in page.text and 'value="Countess"' in page.text
    assert rows(database, "user_claims") == []


def test_each_field_that_is_wrong_says_so_itself(ada: Visitor) -> None:
    """WCAG 2.2 s3.3.1."""
    action, fields = form_of(ada.get("/account/profile"))
    page = ada.post(action, **fields | {"name": "a\u0007", "birthdate": "x"}).text
    assert re.findall('<input[^>]*id="([a-z_]+)"[^>]*aria-invalid="true" aria-describedby="([a-z_-]+)"', page) == [
        ("name", "name-fault"),
        ("birthdate", "birthdate-fault"),
    ]
    assert page.count('class="fault" id="name-fault"') == page.count('class="fault" id="birthdate-fault"') == 1


@pytest.mark.parametrize("spoilt", ["&name=Bobb%FF", "&name=a&name=b", "&name=&name=", "&name=%FF&nickname=c"])
def test_a_field_of_the_profile_that_is_repeated_or_not_utf8_changes_nothing(
    ada: Visitor, database: Database, spoilt: str
) -> None:
    with database.begin() as connection:
        user_claims.replace(connection, "u_ada", {"name": "Ada"})
    before = rows(database, "user_claims")
    content = f"csrf={ada.fields('/account/profile')['csrf']}{spoilt}"
    headers = FROM_OUR_PAGE | {"Content-Type": "application/x-www-form-urlencoded"}
    answer = ada.http.post("/account/profile", content=content, headers=headers, follow_redirects=False)
    assert answer.status_code == 400
    assert rows(database, "user_claims") == before


def test_a_claim_that_the_page_did_not_show_is_kept(ada: Visitor, database: Database) -> None:
    """The page may be older than the setting that lets people edit the claim."""
    with database.begin() as connection:
        user_claims.replace(connection, "u_ada", {"name": "Ada", "nickname": "Countess"})
    csrf = ada.fields("/account/profile")["csrf"]
    page = ada.post("/account/profile", csrf=csrf, birthdate="yesterday")
    assert page.status_code == 422 and 'value="Countess"' in page.text
    assert ada.post("/account/profile", csrf=csrf, name="Ada Lovelace").status_code == 303
    claims = json.loads(rows(database, "user_claims")[0]["claims"])
    assert (claims["name"], claims["nickname"]) == ("Ada Lovelace", "Countess")


def test_a_person_downloads_their_own_data_and_nobody_elses(
    browser: Browser, bob: Visitor, clock: Clock, database: Database
) -> None:
    browser.code()
    for user, network in (("u_ada", "192.0.2.0/24"), ("u_bob", "198.51.100.0/24")):
        execute(database, "INSERT INTO known_networks VALUES (?, ?, 5000000)", user, network)
    answer = browser.get("/account/data/download")
    assert answer.headers["content-disposition"] == 'attachment; filename="account.json"'
    data = answer.json()
    assert data["user"]["username"] == "ada" and data["applications"][0]["client_id"] == "sso"
    assert {event["subject"] for event in data["events"]} == {"u_ada"}
    assert data["known_networks"] == [{"network": "192.0.2.0/24", "seen_at": "1970-01-01T00:00:05Z"}]
    assert "bob" not in answer.text and "password_hash" not in answer.text and "argon2" not in answer.text
    clock.forward(301)
    page = browser.get("/account/data/download")
    assert page.url.path == "/account/sign-in", "a session alone is not enough"
    page = browser.sign_in(page, "ada")
    assert page.url.path == "/account" and 'href="https://as.example/account/data/download"' in page.text


def test_what_matters_asks_for_the_password_again_after_five_minutes(ada: Visitor, clock: Clock) -> None:
    assert "type your username" in ada.get("/account/delete").text
    page = ada.get("/account/delete")
    clock.forward(301)
    again = ada.submit(page, confirmation="ada")
    assert again.url.path == "/account/sign-in" and "Confirm that you are" in again.text
    page = ada.sign_in(again, "ada")
    assert page.url.path == "/account/delete"
    assert ada.submit(page, confirmation="ada").url.path == "/account/deleted"


def test_an_account_is_deleted_only_after_its_name_was_typed(ada: Visitor, database: Database) -> None:
    page = ada.submit(ada.get("/account/delete"), confirmation="eva")
    assert page.status_code == 422 and "This is not your username." in page.text
    assert rows(database, "users")[0]["delete_at"] is None


def test_an_account_in_its_period_of_grace_is_as_if_disabled_until_its_user_comes_back(
    ada: Visitor, phone: Visitor, database: Database, token: Any, http: TestClient
) -> None:
    page = ada.submit(ada.get("/account/delete"), confirmation="Ada")
    assert page.url.path == "/account/deleted" and "within 14 days" in page.text
    assert not ada.is_signed_in() and not phone.is_signed_in()
    assert token("password", "app", username="ada", password=PASSWORD).status_code == 400
    stranger = Visitor(http)
    assert stranger.sign_in(stranger.get("/account/sign-in"), password="wrong").status_code == 422
    page = stranger.sign_in(stranger.get("/account/sign-in"))
    assert page.status_code == 403 and "To keep it, enter your password again." in page.text
    assert not stranger.is_signed_in()
    page = stranger.sign_in(page)
    assert page.url.path == "/account" and stranger.is_signed_in()
    assert rows(database, "users")[0]["delete_at"] is None and not rows(database, "users")[0]["disabled"]
    assert "user_deletion_cancelled" in names(database)


def test_a_clock_that_was_set_forward_deletes_no_account(
    ada: Visitor, database: Database, clock: Clock, settings: Settings
) -> None:
    """The clock may be wrong: nothing would bring the account back when it is set right again."""
    ada.submit(ada.get("/account/delete"), confirmation="ada")
    ahead = [0]
    server = assemble(settings, now=SystemClock(clock, lambda: clock() - ahead[0]), enable=())
    clock.forward(365 * 86400)
    ahead[0] = 365 * 86400 * SECOND

    async def run_the_task_twice() -> None:
        for _ in range(2):
            await server.tasks.delete_accounts()
            clock.forward(3600)

    asyncio.run(run_the_task_twice())
    server.close()
    assert rows(database, "users") != []


def test_after_the_period_of_grace_the_account_and_all_that_it_had_are_gone(
    ada: Visitor, database: Database, clock: Clock, settings: Settings
) -> None:
    ada.submit(ada.get("/account/delete"), confirmation="ada")
    server = assemble(settings, now=clock, enable=())

    async def run_the_task_before_and_after() -> None:
        await server.tasks.delete_accounts()
        assert rows(database, "users") != []
        clock.forward(14 * 86400)
        await server.tasks.delete_accounts()

    asyncio.run(run_the_task_before_and_after())
    server.close()
    assert [row for name in ("users", "sessions", "user_claims") for row in rows(database, name)] == []
    assert names(database)[0] == "user_deleted"


@pytest.mark.parametrize(
    "path",
    [
        "sessions",
        "sessions/end",
        "applications",
        "applications/end",
        "activity",
        "password",
        "profile",
    ],
)
def test_every_page_asks_who_it_is_for_first_and_then_comes_back(http: TestClient, path: str) -> None:
    page = Visitor(http).get(f"/account/{path}")
    assert page.url.path == "/account/sign-in" and form_of(page)[1]["next"] == f"/account/{path}"


def test_the_data_name_no_operator_and_say_when_events_are_missing(
    ada: Visitor, database: Database, clock: Clock
) -> None:
    def downloaded() -> Any:
        return ada.get("/account/data/download").json()

    made = AuditRecord("user_reset_link_made", "os:root", "success", subject="u_ada")
    with database.begin() as connection:
        events.add(connection, clock(), [made])
    assert downloaded()["events"][0]["actor"] == "administrator" and downloaded()["events_are_cut"] is False
    with database.begin() as connection:
        events.add(connection, clock(), [made] * 1000)
    assert downloaded()["events_are_cut"] is True


@pytest.mark.parametrize("path", ["data/download", "deleted", "sign-in"])
def test_signing_in_leads_to_a_page_that_is_true_and_takes_the_form_with_the_password_away(
    ada: Visitor, path: str
) -> None:
    page = ada.get(f"/account/sign-in?next=/account/{path}")
    assert form_of(page)[1]["next"] == "/account"


def test_nobody_who_is_signed_in_reads_that_they_have_deleted_their_account(ada: Visitor, http: TestClient) -> None:
    assert ada.get("/account/deleted").url.path == "/account"
    assert Visitor(http).get("/account/deleted").url.path == "/account/sign-in", "nor anybody else who did not"


@pytest.mark.parametrize("path", ["sessions/end", "applications/end", "password", "profile", "delete"])
def test_csrf_no_form_of_the_account_is_accepted_from_elsewhere(
    ada: Visitor, phone: Visitor, database: Database, path: str
) -> None:
    fields = ada.fields(FORM) | {"session": "others", "client_id": "app", "confirmation": "ada"}
    before = everything(database)
    for headers in ({"Origin": "https://evil.example"}, {}, FROM_OUR_PAGE | {"Sec-Fetch-Site": "cross-site"}):
        answer = ada.http.post(f"/account/{path}", data=fields, headers=headers, follow_redirects=False)
        assert answer.status_code == 403
    strangers = phone.fields(FORM)["csrf"]
    assert ada.post(f"/account/{path}", **fields | {"csrf": strangers}).status_code == 403
    assert everything(database) == before
