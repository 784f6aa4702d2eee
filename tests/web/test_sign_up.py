"""People create their accounts, and nobody can prepare one for somebody else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver.accounts.interaction import TTL as INTERACTION_TTL
from authserver.accounts.mail_form import MAILS
from authserver.domain.links import LIFETIME
from authserver.domain.models import User
from authserver.settings import Settings
from authserver.store import user_claims, users
from authserver.store.database import Database
from tests.harness.browser import FROM_OUR_PAGE, Browser, answer_of, form_of
from tests.harness.by_email import user_by_email
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER
from tests.harness.mails import text_of
from tests.web.mailing import Mailbox, post_address
from tests.web.serving import ELSEWHERE, HOME, rows

NEW = "a different battery staple"
EVE, ADA = "eve@example.com", "ada@example.com"
GONE = "This link no longer works"


@pytest.fixture
def settings(settings: Settings, mailing: dict[str, Any]) -> Settings:
    return settings.model_copy(update={"sign_up": "on", **mailing})


@pytest.fixture
def mailbox(database: Database, tmp_path: Path) -> Mailbox:
    with database.begin() as connection:
        user_claims.replace(connection, "u_ada", {"email": ADA, "email_verified": True})
    return Mailbox(tmp_path / "mails", database)


@pytest.fixture
def person(http: TestClient) -> Browser:
    return Browser(http)


def ask(person: Browser, address: str, **headers: str) -> Any:
    """The response to the form itself."""
    return post_address(person, "/sign-up", address, **headers)


def accounts(database: Database) -> set[str]:
    return {row["username"] for row in rows(database, "users")}


def test_a_person_gets_an_account_with_the_address_whose_mail_they_read(
    person: Browser, mailbox: Mailbox, database: Database
) -> None:
    sent = person.submit(person.get("/sign-up"), email="Eve@Example.com")
    assert "Check your email" in sent.text and accounts(database) == {"ada"}
    (mail,) = mailbox.mails()
    assert mail["To"] == EVE and mail["Subject"] == "Create your account at as.example"
    page = person.get(mailbox.link())
    assert "You will sign in as <strong>eve@example.com</strong>" in page.text
    page = person.submit(page, password=NEW)
    assert page.url.path == "/account" and f"<strong>{EVE}</strong>" in page.text
    with database.begin() as connection:
        eve = user_by_email(connection, EVE)
    assert eve and (eve.username, eve.claims) == (EVE, {"email": EVE, "email_verified": True})
    (event,) = [row for row in rows(database, "events") if row["event"] == "sign_up"]
    assert (event["actor"], event["username"]) == (f"user:{eve.id}", EVE)
    person.http.cookies.clear()
    assert "<strong>eve@" in person.sign_in(person.get("/account/sign-in"), "EVE@example.com", NEW).text


def test_prompt_create_shows_the_sign_up_page_and_continues_to_the_application_initiating_registration_4(
    browser: Browser, mailbox: Mailbox, redeem: Any
) -> None:
    page = browser.authorize(prompt="create")
    assert page.url.path == "/sign-up" and form_of(page)[1]["interaction"]
    browser.submit(page, email=EVE)
    page = browser.submit(browser.get(mailbox.link()), password=NEW)
    assert 'id="allow"' in page.text
    assert redeem(answer_of(browser.allow(page))["code"]).json()["id_token"]


def test_a_sign_in_that_has_expired_is_not_continued(browser: Browser, mailbox: Mailbox, clock: Clock) -> None:
    page = browser.authorize(prompt="create", ui_locales="de")
    clock.forward(INTERACTION_TTL - 1)
    sent = browser.submit(page, email=EVE)
    assert page.headers["content-language"] == sent.headers["content-language"] == "de"
    page = browser.get(mailbox.link())
    clock.forward(1)
    assert browser.submit(page, password=NEW).url.path == "/account"


def test_prompt_create_leads_to_sign_in_for_someone_who_has_an_account(browser: Browser, mailbox: Mailbox) -> None:
    browser.code()
    page = browser.authorize(prompt="create")
    assert page.url.path == "/sign-up"  # although somebody is signed in
    (back,) = [part for part in page.text.split('"') if part.endswith("?account=other")]
    page = browser.sign_in(browser.get(back))
    assert "code" in answer_of(page)


def test_the_metadata_name_the_prompt_and_the_sign_in_page_offers_it(browser: Browser) -> None:
    document = browser.http.get("/.well-known/openid-configuration").json()
    assert document["prompt_values_supported"] == ["consent", "create", "login", "none", "select_account"]
    page = browser.authorize()
    (link,) = [part for part in page.text.split('"') if "/sign-up?interaction=" in part]
    assert form_of(browser.get(link))[1]["interaction"] == page.url.path.rpartition("/")[2]


def test_nobody_is_told_who_has_an_account(person: Browser, mailbox: Mailbox, database: Database) -> None:
    with database.begin() as connection:
        users.add(connection, User("u_bob", "bob@example.com", ""))
    answers = [ask(person, address) for address in (EVE, ADA, "bob@example.com")]
    heads = [[pair for pair in each.headers.items() if pair[0] not in ("x-request-id", "date")] for each in answers]
    assert len({(each.status_code, each.content, str(head)) for each, head in zip(answers, heads, strict=True)}) == 1
    subjects = {mail["To"]: mail["Subject"] for mail in mailbox.mails()}
    assert subjects == {
        EVE: "Create your account at as.example",
        ADA: "You already have an account at as.example",
        "bob@example.com": "You already have an account at as.example",
    }
    told = {mail["To"]: text_of(mail) for mail in mailbox.mails()}
    assert f"{ISSUER}/reset\n" in told[ADA] and "?link=" not in told[ADA]
    # /reset mails nothing to an address that nobody has confirmed.
    assert "/reset" not in told["bob@example.com"] and "cannot be changed by email" in told["bob@example.com"]
    assert accounts(database) == {"ada", "bob@example.com"}


def test_pre_hijacking_an_address_has_no_account_before_its_reader_chose_the_password(
    person: Browser, mailbox: Mailbox, database: Database
) -> None:
    """An attacker asks for an account with the victim's address, in a browser of their own."""
    ask(person, EVE)
    attackers = dict(person.http.cookies)
    link = mailbox.link()
    assert accounts(database) == {"ada"}
    person.http.cookies.clear()
    done = person.submit(person.get(link), password=NEW)
    assert "Your account was created" in done.text and "session" not in str(dict(person.http.cookies))
    person.http.cookies.clear()
    person.http.cookies.update(attackers)
    assert 'id="sign-in"' in person.get("/account").text
    assert rows(database, "sessions") == []


def test_host_header_and_referrer_the_link_begins_with_the_issuer_and_its_address_is_sent_to_nobody(
    person: Browser, mailbox: Mailbox
) -> None:
    ask(person, EVE, **{"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
    (mail,) = mailbox.mails()
    assert "evil.example" not in mail.as_string() and mailbox.link().startswith(f"{ISSUER}/sign-up/password?link=lk_")
    for link in (mailbox.link(), mailbox.link()[:-1]):
        assert person.get(link).headers["referrer-policy"] == "strict-origin"


def test_session_fixation_a_link_signs_nobody_in_elsewhere(
    browser: Browser, mailbox: Mailbox, database: Database
) -> None:
    """An attacker sends the link of their own sign-up to the victim, who would go on in the attacker's account."""
    page = browser.authorize(prompt="create")
    browser.submit(page, email=EVE)
    link = mailbox.link()
    browser.http.cookies.clear()
    page = browser.submit(browser.get(link), password=NEW)
    assert page.url.path == "/sign-up/password" and "Your account was created" in page.text
    assert 'id="sign-in"' in browser.get("/account").text
    assert [row["username"] for row in rows(database, "events") if row["event"] == "sign_up"] == [EVE]


def test_opening_a_link_does_not_use_it_up_and_only_the_newest_works_once(
    person: Browser, mailbox: Mailbox, database: Database, clock: Clock
) -> None:
    ask(person, EVE)
    older = mailbox.link()
    ask(person, EVE)
    link = mailbox.link()
    assert GONE in person.get(older).text
    for _ in range(2):
        page = person.get(link)
        assert page.status_code == 200 and page.headers["referrer-policy"] == "strict-origin"
    assert accounts(database) == {"ada"}
    person.submit(page, password=NEW)
    assert person.get(link).status_code == 400 and GONE in person.submit(page, password=NEW).text
    with database.begin() as connection:
        users.remove(connection, EVE)
    assert GONE in person.submit(page, password=NEW).text, "it brings no deleted account back"
    ask(person, "late@example.com")
    late = mailbox.link()
    clock.forward(LIFETIME)
    dead = person.get(late)
    assert GONE in dead.text and f'id="again" href="{ISSUER}/sign-up"' in dead.text


def test_an_address_that_somebody_else_has_by_then_is_refused(
    person: Browser, mailbox: Mailbox, database: Database, events: list[Any]
) -> None:
    ask(person, EVE)
    page = person.get(mailbox.link())
    with database.begin() as connection:
        user_claims.replace(connection, "u_ada", {"email": EVE, "email_verified": True})
    assert GONE in person.submit(page, password=NEW).text
    assert events[-1]["reason"] == "link to an address that is in use by now"


def test_a_password_that_is_easily_guessed_is_refused(person: Browser, mailbox: Mailbox, database: Database) -> None:
    ask(person, EVE)
    page = person.get(mailbox.link())
    again = person.submit(page, password=EVE)
    assert again.status_code == 422 and "This password is your username" in again.text
    assert person.submit(again, password=NEW).url.path == "/account" and EVE in accounts(database)


def test_forged_forms_send_nothing_and_one_address_gets_few_mails(
    person: Browser, mailbox: Mailbox, database: Database
) -> None:
    assert ask(person, EVE, Origin="https://evil.example").status_code == 403
    assert {ask(person, EVE).status_code for _ in range(MAILS.capacity + 2)} == {303}
    assert len(mailbox.mails()) == MAILS.capacity
    assert ask(person, "eve@example.com, ada@example.com").status_code == 422


def test_asking_for_other_mails_does_not_use_up_those_that_recover_the_account(
    person: Browser, mailbox: Mailbox
) -> None:
    for _ in range(MAILS.capacity + 1):
        ask(person, ADA)
    person.submit(person.get("/reset"), email=ADA)
    subjects = [mail["Subject"] for mail in mailbox.mails()]
    assert subjects.count("You already have an account at as.example") == MAILS.capacity
    assert subjects[-1] == "Choose a new password for as.example"


@pytest.mark.parametrize(("language", "words"), [("en", "changed by email"), ("de", "nicht per E-Mail")])
def test_the_owner_of_a_disabled_account_is_not_led_to_a_mail_that_never_comes(
    person: Browser, mailbox: Mailbox, database: Database, language: str, words: str
) -> None:
    with database.begin() as connection:
        users.set_disabled(connection, "ada", True)
    ask(person, ADA, **{"Accept-Language": language})
    (told,) = mailbox.mails()
    assert "/reset" not in text_of(told) and words in " ".join(text_of(told).split())


class TestWithoutMail:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"smtp_url": None})

    def test_a_username_and_a_password_make_an_account_at_once(self, browser: Browser, redeem: Any) -> None:
        page = browser.submit(browser.authorize(prompt="create"), username="Eve", password=NEW)
        assert redeem(answer_of(browser.allow(page))["code"]).status_code == 200
        browser.http.cookies.clear()
        assert "<strong>eve</strong>" in browser.sign_in(browser.get("/account/sign-in"), "eve", NEW).text

    @pytest.mark.parametrize(
        ("username", "password", "words"),
        [
            ("ADA", NEW, "This username is already taken"),
            ("eve@example.com", NEW, "This username cannot be used"),
            ("e v e", NEW, "This username cannot be used"),
            ("eve", "sh0rt!", "too short"),
            ("evelovelace", "EveLovelace", "This password is your username"),
        ],
    )
    def test_what_is_wrong_is_said(
        self, person: Browser, database: Database, username: str, password: str, words: str
    ) -> None:
        again = person.submit(person.get("/sign-up"), username=username, password=password)
        assert again.status_code == 422 and words in again.text and accounts(database) == {"ada"}
        assert form_of(again)[1]["username"] == username

    @pytest.mark.parametrize("settings", [{"network_attempts": 5}], indirect=True)
    def test_a_network_that_creates_many_accounts_must_wait(
        self, person: Browser, from_host: Callable[[str], None]
    ) -> None:
        from_host(HOME)
        for number in range(3):
            page = person.submit(person.get("/sign-up"), username=f"eve{number}", password=NEW)
        assert page.status_code == 429 and "attempts from your network" in page.text
        from_host(ELSEWHERE)
        assert person.submit(person.get("/sign-up"), username="eve7", password=NEW).url.path == "/account"

    def test_another_user_who_was_signed_in_is_signed_out(self, person: Browser, database: Database) -> None:
        person.sign_in(person.get("/account/sign-in"))
        person.submit(person.get("/sign-up"), username="eve", password=NEW)
        ended = {row["user_id"]: row["ended_at"] is not None for row in rows(database, "sessions")}
        assert ended.pop("u_ada") and list(ended.values()) == [False]


class TestWhileItIsOff:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"sign_up": "off"})

    def test_no_page_offers_it_and_none_accepts_it(self, browser: Browser, database: Database) -> None:
        assert 'id="create"' not in browser.authorize().text
        for path in ("/sign-up", "/sign-up/password"):
            assert browser.get(path).status_code == 404
        _, fields = form_of(browser.get("/account/sign-in"))
        for path in ("/sign-up", "/sign-up/password"):
            answer = browser.http.post(path, data={"csrf": fields["csrf"], "email": EVE}, headers=FROM_OUR_PAGE)
            assert answer.status_code == 404 and "You cannot create an account here" in answer.text

    def test_prompt_create_is_an_error_initiating_registration_4(self, browser: Browser) -> None:
        assert answer_of(browser.authorize(prompt="create"))["error"] == "invalid_request"
        assert "create" not in browser.http.get("/.well-known/openid-configuration").json()["prompt_values_supported"]
