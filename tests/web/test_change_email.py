"""People change their address, and nobody takes an account over, or passes for somebody else, by that."""

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver.domain.models import User
from authserver.settings import Settings
from authserver.store import user_claims, users
from authserver.store.database import Database
from tests.harness.browser import FROM_OUR_PAGE, Browser, form_of
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER
from tests.harness.existing import existing
from tests.web.mailing import Mailbox, post_address
from tests.web.serving import rows

OLD, NEW, BOBS = "ada@example.com", "lovelace@example.com", "bob@example.com"
GONE = "This link no longer works"
PAGE = "/account/email"


@pytest.fixture
def settings(settings: Settings, mailing: dict[str, Any]) -> Settings:
    return settings.model_copy(update=mailing)


@pytest.fixture
def mailbox(database: Database, tmp_path: Path, password_hash: str) -> Mailbox:
    with database.begin() as connection:
        user_claims.replace(connection, "u_ada", {"name": "Ada", "email": OLD, "email_verified": True})
        bobs = {"email": BOBS, "email_verified": True}
        users.add(connection, User("u_bob", "bob", password_hash, claims=bobs))
    return Mailbox(tmp_path / "mails", database)


@pytest.fixture
def ada(http: TestClient, mailbox: Mailbox) -> Browser:
    person = Browser(http)
    person.sign_in(person.get("/account/sign-in"))
    return person


def ask(person: Browser, address: str, **headers: str) -> Any:
    """The response to the form itself."""
    return post_address(person, PAGE, address, **headers)


def claims(database: Database, name: str = "ada") -> Any:
    with database.begin() as connection:
        return existing(users.load_with_claims(connection, name)).claims


def test_a_new_address_counts_once_its_mail_was_read_and_the_old_one_is_told(
    ada: Browser, mailbox: Mailbox, database: Database
) -> None:
    assert f'id="email" href="{ada.issuer}{PAGE}"' in ada.get("/account").text
    assert f"Your address is <strong>{OLD}</strong>.</p>" in ada.get(PAGE).text
    sent = ada.submit(ada.get(PAGE), email=NEW)
    assert "on its way to the new address" in sent.text and claims(database)["email"] == OLD
    (mail,) = mailbox.mails()
    assert (mail["To"], mail["Subject"]) == (NEW, "Confirm your email address for as.example")
    page = ada.get(mailbox.link())
    assert f"Use <strong>{NEW}</strong> as the address of the account <strong>ada</strong>?" in page.text
    done = ada.submit(page)
    assert "Your email address was changed." in done.text
    assert claims(database) == {"name": "Ada", "email": NEW, "email_verified": True}
    told = mailbox.mails()[-1]
    assert (told["To"], told["Subject"]) == (OLD, "Your email address for as.example was changed")
    names = [row["event"] for row in rows(database, "events") if row["subject"] == "u_ada"]
    assert names.index("email_change_requested") < names.index("email_changed")
    activity = ada.get("/account/activity").text
    assert "A link to change the email address was requested" in activity and "was changed" in activity
    assert "<strong>ada</strong>" in ada.get("/account").text  # who is still signed in


def test_hijacked_session_a_sign_in_of_long_ago_is_not_enough(ada: Browser, mailbox: Mailbox, clock: Clock) -> None:
    page = ada.get(PAGE)
    clock.forward(301)
    assert ada.get(PAGE).url.path == "/account/sign-in"
    assert ada.submit(page, email=NEW).url.path == "/account/sign-in" and mailbox.mails() == []


def test_host_header_and_referrer_the_link_begins_with_the_issuer_and_its_address_is_sent_to_nobody(
    ada: Browser, mailbox: Mailbox
) -> None:
    ask(ada, NEW, **{"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
    (mail,) = mailbox.mails()
    assert "evil.example" not in mail.as_string() and mailbox.link().startswith(
        f"{ISSUER}/account/email/confirm?link=lk_"
    )
    for link in (mailbox.link(), mailbox.link()[:-1]):
        assert ada.get(link).headers["referrer-policy"] == "strict-origin"


def test_somebody_elses_address_the_victim_who_opens_the_link_confirms_nothing(
    ada: Browser, mailbox: Mailbox, database: Database
) -> None:
    """An attacker enters the victim's address, so that applications take the attacker's account for the victim's."""
    ask(ada, "victim@example.com")
    link = mailbox.link()
    page = ada.get(link)
    ada.http.cookies.clear()
    refused = ada.get(link)
    assert refused.status_code == 403 and "Sign in first" in refused.text
    assert refused.headers["referrer-policy"] == "strict-origin"
    ada.sign_in(ada.get("/account/sign-in"), "bob")
    assert ada.get(link).status_code == 403 and ada.submit(page).status_code == 403
    _, fields = form_of(page)
    csrf = form_of(ada.get(PAGE))[1]["csrf"]
    answer = ada.http.post(f"{PAGE}/confirm", data=fields | {"csrf": csrf}, headers=FROM_OUR_PAGE)
    assert answer.status_code == 403 and claims(database)["email"] == OLD
    assert claims(database, "bob")["email"] == BOBS


def test_nobody_is_told_which_addresses_have_an_account(ada: Browser, mailbox: Mailbox, database: Database) -> None:
    answers = [ask(ada, address) for address in (NEW, BOBS)]
    assert len({(each.status_code, each.content, each.headers["location"]) for each in answers}) == 1
    subjects = {mail["To"]: mail["Subject"] for mail in mailbox.mails()}
    assert subjects[BOBS] == "This address already belongs to an account at as.example"
    assert claims(database)["email"] == OLD


@pytest.mark.parametrize("address", [BOBS, "named@example.com", "free@example.com"])
def test_an_older_link_dies_whether_or_not_the_next_address_has_an_account(
    ada: Browser, mailbox: Mailbox, database: Database, address: str
) -> None:
    """Otherwise a link to an own address would tell."""
    with database.begin() as connection:
        users.add(connection, User("u_named", "named@example.com", ""))
    ask(ada, NEW)
    older = mailbox.link()
    assert ada.get(older).status_code == 200
    ask(ada, address)
    mailbox.mails()
    assert GONE in ada.get(older).text


def test_the_link_that_was_asked_for_last_works_whichever_mail_is_made_first(
    ada: Browser, mailbox: Mailbox, database: Database
) -> None:
    """Which is made first depends on whether the other address has an account."""
    for address in (OLD, NEW):
        ask(ada, address)
        mailbox.link()
    (link,), sent = rows(database, "links"), [row["id"] for row in rows(database, "outbox")]
    assert link["message_id"] == max(sent) > min(sent) > 0


def test_an_address_that_somebody_else_has_by_then_is_refused(
    ada: Browser, mailbox: Mailbox, database: Database, events: list[Any]
) -> None:
    ask(ada, NEW)
    page = ada.get(mailbox.link())
    with database.begin() as connection:
        user_claims.replace(connection, "u_bob", {"email": NEW, "email_verified": True})
    assert GONE in ada.submit(page).text and claims(database)["email"] == OLD
    assert events[-1]["reason"] == "link to an address that is in use by now"


def test_prefetch_reuse_two_links_and_a_changed_password(ada: Browser, mailbox: Mailbox, database: Database) -> None:
    ask(ada, NEW)
    older = mailbox.link()
    ask(ada, "newer@example.com")
    link = mailbox.link()
    dead = ada.get(older).text
    assert GONE in dead and 'id="again" href="https://as.example/account/email"' in dead
    page = ada.get(link)
    assert page.headers["referrer-policy"] == "strict-origin" and claims(database)["email"] == OLD
    ada.submit(page)
    assert GONE in ada.submit(page).text and claims(database)["email"] == "newer@example.com"
    ask(ada, NEW)
    link = mailbox.link()
    with database.begin() as connection:
        users.raise_credential_version(connection, "ada")
    assert GONE in ada.get(link).text


def test_csrf_and_what_is_no_address(ada: Browser, mailbox: Mailbox, database: Database) -> None:
    assert ask(ada, NEW, Origin="https://evil.example").status_code == 403
    assert ask(ada, "ada").status_code == 422
    ask(ada, NEW)
    action, fields = form_of(ada.get(mailbox.link()))
    answer = ada.http.post(action, data=fields, headers=FROM_OUR_PAGE | {"Origin": "https://evil.example"})
    assert answer.status_code == 403 and claims(database)["email"] == OLD


def test_a_change_of_the_profile_leaves_the_link_alone_and_one_back_works(
    ada: Browser, mailbox: Mailbox, database: Database
) -> None:
    ask(ada, NEW)
    link = mailbox.link()
    ada.submit(ada.get("/account/profile"), name="Ada Lovelace")
    ada.submit(ada.get(link))
    assert claims(database)["email"] == NEW and claims(database)["name"] == "Ada Lovelace"
    ask(ada, OLD)
    ada.submit(ada.get(mailbox.link()))
    assert claims(database)["email"] == OLD
