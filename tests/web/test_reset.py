"""Whoever forgot the password asks for a link, and is never told whether somebody has an account."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver.accounts.interaction import TTL as INTERACTION_TTL
from authserver.accounts.mail_form import MAILS
from authserver.domain.models import User
from authserver.settings import Settings
from authserver.store import user_claims, users
from authserver.store.database import Database
from tests.harness.browser import Browser, form_of, is_answer
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER
from tests.harness.mails import text_of
from tests.harness.new_links import reset_link
from tests.web.mailing import Mailbox, post_address
from tests.web.serving import ELSEWHERE, HOME, rows

NEW = "a different battery staple"
ADA, NOBODY = "ada@example.com", "nobody@example.com"


@pytest.fixture
def settings(settings: Settings, mailing: dict[str, Any]) -> Settings:
    return settings.model_copy(update=mailing)


@pytest.fixture
def mailbox(database: Database, tmp_path: Path) -> Mailbox:
    with database.begin() as connection:
        user_claims.replace(connection, "u_ada", {"email": "Ada@Example.com", "email_verified": True})
    return Mailbox(tmp_path / "mails", database)


@pytest.fixture
def person(http: TestClient) -> Browser:
    return Browser(http)


def ask(person: Browser, address: str, **headers: str) -> Any:
    """The response to the form itself."""
    return post_address(person, "/reset", address, **headers)


def test_the_link_in_the_mail_leads_to_a_new_password_and_its_change_is_told(person: Browser, mailbox: Mailbox) -> None:
    sent = person.submit(person.get("/reset"), email=" ADA@example.com ")
    assert "Check your email" in sent.text and "expires after 30 minutes" in sent.text
    (mail,) = mailbox.mails()
    assert mail["To"] == ADA and mail["Subject"] == "Choose a new password for as.example"
    assert "your account ada" in text_of(mail) and "30 minutes" in text_of(mail)
    done = person.submit(person.get(mailbox.link()), password=NEW)
    assert "Your password was changed" in done.text
    told = mailbox.mails()[-1]
    assert told["To"] == ADA and told["Subject"] == "Your password for as.example was changed"
    assert "<strong>ada</strong>" in person.sign_in(person.get("/account/sign-in"), password=NEW).text


def test_the_page_of_a_dead_link_leads_to_a_new_one(browser: Browser, mailbox: Mailbox) -> None:
    page = browser.authorize()
    (asked,) = [part for part in page.text.split('"') if "/reset?interaction=" in part]
    browser.submit(browser.get(asked), email=ADA)
    link = mailbox.link()
    browser.submit(browser.get(link), password=NEW)
    dead = browser.get(link)
    assert dead.status_code == 400 and f'id="again" href="{asked}"' in dead.text
    assert "Check your email" in browser.submit(browser.get(asked), email=ADA).text


def test_the_person_returns_to_the_application_that_sent_them(browser: Browser, mailbox: Mailbox) -> None:
    page = browser.authorize()
    (asked,) = [part for part in page.text.split('"') if "/reset?interaction=" in part]
    browser.submit(browser.get(asked), email=ADA)
    page = browser.submit(browser.get(mailbox.link()), password=NEW)
    assert 'id="sign-in"' in page.text and page.url.path.startswith("/interaction/")
    assert "Your password was changed" in page.text
    assert "Your password was changed" not in browser.get(page.url.path).text
    page = browser.sign_in(page, password=NEW)
    assert is_answer(browser.allow(page))


def test_other_browser_the_application_is_not_gone_on_with_elsewhere(browser: Browser, mailbox: Mailbox) -> None:
    page = browser.authorize()
    (asked,) = [part for part in page.text.split('"') if "/reset?interaction=" in part]
    browser.submit(browser.get(asked), email=ADA)
    browser.http.cookies.clear()
    page = browser.submit(browser.get(mailbox.link()), password=NEW)
    assert "Your password was changed" in page.text and page.url.path == "/reset/password"


def test_a_sign_in_that_has_expired_is_not_continued(browser: Browser, mailbox: Mailbox, clock: Clock) -> None:
    page = browser.authorize()
    clock.forward(INTERACTION_TTL - 1)
    browser.submit(browser.get(f"/reset?interaction={page.url.path.rpartition('/')[2]}"), email=ADA)
    page = browser.get(mailbox.link())
    clock.forward(1)
    done = browser.submit(page, password=NEW)
    assert "Your password was changed" in done.text and done.url.path == "/reset/password"


def test_pages_and_mails_are_in_the_language_that_the_application_asks_for(browser: Browser, mailbox: Mailbox) -> None:
    page = browser.authorize(ui_locales="de")
    asked = browser.get(f"/reset?interaction={page.url.path.rpartition('/')[2]}")
    sent = browser.submit(asked, email=ADA)
    opened = browser.get(mailbox.link())
    assert [each.headers["content-language"] for each in (page, asked, sent, opened)] == ["de"] * 4
    browser.submit(opened, password=NEW)
    assert all("as.example" in mail["Subject"] and "Passwort" in mail["Subject"] for mail in mailbox.mails())


def test_an_interaction_of_another_browser_is_ignored(browser: Browser, http: TestClient, mailbox: Mailbox) -> None:
    page = browser.authorize()
    http.cookies.clear()
    assert form_of(browser.get(f"/reset?interaction={page.url.path.rpartition('/')[2]}"))[1]["interaction"] == ""


def test_nobody_is_told_who_has_an_account(person: Browser, mailbox: Mailbox, database: Database) -> None:
    with database.begin() as connection:
        users.add(connection, User("u_bob", "bob@example.com", "", claims={"email": "bob@example.com"}))
        off = {"email": "eve@example.com", "email_verified": True}
        users.add(connection, User("u_eve", "eve", "", disabled=True, claims=off))
    answers = [ask(person, address) for address in (ADA, NOBODY, "bob@example.com", "eve@example.com")]
    varying = {"x-request-id", "date"}
    heads = [[pair for pair in each.headers.items() if pair[0] not in varying] for each in answers]
    told = {(each.status_code, each.content, str(head)) for each, head in zip(answers, heads, strict=True)}
    assert len(told) == 1 and answers[0].headers["location"].startswith(f"{ISSUER}/reset?done=")
    assert [mail["To"] for mail in mailbox.mails()] == [ADA]
    # The same was written for each of them, and by the same steps.
    assert {frozenset(json.loads(row["content"])["values"]) for row in rows(database, "outbox")} == {
        frozenset({"link", "interaction", "browser"})
    }
    assert len(rows(database, "outbox")) == len(answers)


def test_mail_bombing_an_address_gets_few_mails_and_nobody_is_told(
    person: Browser, mailbox: Mailbox, clock: Clock, database: Database, from_host: Callable[[str], None]
) -> None:
    """From however many networks."""
    for address in (ADA, NOBODY):
        answers = []
        for number in range(MAILS.capacity + 2):
            from_host((HOME, ELSEWHERE)[number % 2])
            answers.append(ask(person, address))
        (told,) = {(each.status_code, each.headers["location"]) for each in answers}
        assert told[0] == 303 and told[1].startswith(f"{ISSUER}/reset?done=")
    assert len(mailbox.mails()) == MAILS.capacity and len(rows(database, "outbox")) == 2 * MAILS.capacity
    clock.forward(3601)
    ask(person, ADA)
    assert len(mailbox.mails()) == MAILS.capacity + 1


@pytest.mark.parametrize("settings", [{"network_attempts": 5}], indirect=True)
def test_a_network_that_asks_for_many_addresses_must_wait(
    person: Browser, mailbox: Mailbox, from_host: Callable[[str], None]
) -> None:
    from_host(HOME)
    statuses = [ask(person, f"user{number}@example.com").status_code for number in range(4)]
    assert statuses[0] == 303 and statuses[-1] == 429
    again = ask(person, ADA)
    assert int(again.headers["retry-after"]) > 0 and "attempts from your network" in again.text
    assert form_of(again)[1]["email"] == ADA
    from_host(ELSEWHERE)
    assert ask(person, ADA).status_code == 303


@pytest.mark.parametrize(
    "address", ["", "ada", "ada@example.com\r\nBcc: eve@example.com", "a@b,c@d", "\u0131@example.com"]
)
def test_what_mail_cannot_be_sent_to_is_said_at_once(
    person: Browser, mailbox: Mailbox, database: Database, address: str
) -> None:
    answer = ask(person, address)
    assert answer.status_code == 422 and "We cannot send email to this address" in answer.text
    assert rows(database, "outbox") == []


def test_host_header_the_link_begins_with_the_issuer(person: Browser, mailbox: Mailbox) -> None:
    for name in ("Host", "X-Forwarded-Host", "X-Original-Host"):
        ask(person, ADA, **{name: "evil.example", "X-Forwarded-Proto": "http"})
    assert len(mailbox.mails()) == 3
    for mail in mailbox.mails():
        assert "evil.example" not in mail.as_string() and f"{ISSUER}/reset/password?link=lk_" in text_of(mail)


def test_csrf_a_form_of_another_site_sends_no_mail(person: Browser, mailbox: Mailbox, database: Database) -> None:
    assert ask(person, ADA, Origin="https://evil.example").status_code == 403
    assert rows(database, "outbox") == [] and mailbox.mails() == []


def test_the_mail_is_in_the_language_of_the_page(person: Browser, mailbox: Mailbox) -> None:
    ask(person, ADA, **{"Accept-Language": "de-CH, en;q=0.5"})
    (mail,) = mailbox.mails()
    assert mail["Subject"] == "W\u00e4hlen Sie ein neues Passwort f\u00fcr as.example"


def test_an_operators_link_outlives_those_that_anybody_asks_for(
    person: Browser, mailbox: Mailbox, database: Database, settings: Settings, clock: Clock
) -> None:
    operators = reset_link(database, settings, clock())
    ask(person, ADA)
    mailed = mailbox.link()
    again = reset_link(database, settings, clock())
    statuses = [person.get(link).status_code for link in (operators, mailed, again)]
    assert statuses == [400, 200, 200]


def test_two_links_only_the_newest_mail_works(person: Browser, mailbox: Mailbox) -> None:
    ask(person, ADA)
    older = mailbox.link()
    ask(person, ADA)
    newer = mailbox.link()
    assert older != newer
    assert person.get(older).status_code == 400 and person.get(newer).status_code == 200


def test_the_database_and_the_log_hold_no_link(
    person: Browser, mailbox: Mailbox, database: Database, events: list[Any]
) -> None:
    ask(person, ADA)
    secret = mailbox.link().partition("=")[2]
    held = str([rows(database, name) for name in ("outbox", "links", "events", "attempts")]) + str(events)
    assert secret not in held and secret[3:] not in held
    assert ADA not in str(events)


def test_the_sign_in_page_offers_a_link(person: Browser) -> None:
    assert 'id="forgot"' in person.get("/account/sign-in").text


class TestWithoutMail:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"smtp_url": None})

    def test_nobody_is_offered_a_link(self, person: Browser) -> None:
        assert 'id="forgot"' not in person.get("/account/sign-in").text
        page = person.get("/reset")
        assert page.status_code == 404 and "ask the people who run this server" in page.text
