"""Who deletes an account is told by mail, and comes back even if they forgot the password."""

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver.domain.mail import notices
from authserver.settings import Settings
from authserver.store import outbox, user_claims, users
from authserver.store.database import Database
from tests.harness.clock import Clock
from tests.harness.constants import PASSWORD
from tests.harness.mails import text_of
from tests.harness.new_links import reset_link
from tests.web.mailing import Mailbox
from tests.web.serving import rows
from tests.web.test_account_pages import NEW, Visitor

ADA = "ada@example.com"
GERMAN = {"Accept-Language": "de"}


@pytest.fixture
def settings(settings: Settings, mailing: dict[str, Any]) -> Settings:
    return settings.model_copy(update=mailing)


@pytest.fixture
def mailbox(database: Database, tmp_path: Path) -> Mailbox:
    with database.begin() as connection:
        user_claims.replace(connection, "u_ada", {"email": ADA, "email_verified": True})
    return Mailbox(tmp_path / "mails", database)


def delete(http: TestClient) -> Visitor:
    ada = Visitor(http).signed_in()
    assert ada.submit(ada.get("/account/delete"), confirmation="ada").url.path == "/account/deleted"
    return ada


def come_back(person: Visitor, password: str) -> None:
    page = person.sign_in(person.get("/account/sign-in"), password=password)
    assert page.status_code == 403 and "To keep it, enter your password again." in page.text
    assert person.sign_in(page, password=password).url.path == "/account"


def test_a_deletion_and_its_end_are_told_by_mail(http: TestClient, mailbox: Mailbox, clock: Clock) -> None:
    ada = delete(http)
    (mail,) = mailbox.mails()
    assert (mail["To"], mail["Subject"]) == (ADA, "Your account at as.example will be deleted")
    assert "account ada" in text_of(mail) and "It will be deleted on " in text_of(mail)
    come_back(ada, PASSWORD)
    mail = mailbox.mails()[-1]
    assert (mail["To"], mail["Subject"]) == (ADA, "Your account at as.example will not be deleted")
    assert len(mailbox.mails()) == 2


@pytest.mark.parametrize(
    ("language", "words"), [("en", "have cancelled the deletion of your account ada."), ("de", "ada abgebrochen.")]
)
def test_an_operator_who_cancels_it_is_said_to_have_done_so(
    http: TestClient, mailbox: Mailbox, database: Database, clock: Clock, language: str, words: str
) -> None:
    with database.begin() as connection:
        user = users.load_with_claims(connection, "ada")
        assert user is not None
        outbox.add_many(connection, notices("deletion_cancelled", user, language, by_operator=True), clock())
    (mail,) = mailbox.mails()
    assert words in text_of(mail) and "/reset" not in text_of(mail)


def test_the_mail_is_in_the_language_of_the_page(http: TestClient, mailbox: Mailbox) -> None:
    ada = Visitor(http).signed_in()
    page = ada.http.get("/account/delete", headers=GERMAN)
    headers = {"Origin": ada.issuer, "Sec-Fetch-Site": "same-origin", **GERMAN}
    ada.submit(page, headers=headers, confirmation="ada")
    (mail,) = mailbox.mails()
    assert mail["Subject"] == "Ihr Konto bei as.example wird gel\u00f6scht"


@pytest.mark.parametrize("verified", [True, False])
def test_only_a_verified_address_is_told(
    http: TestClient, mailbox: Mailbox, database: Database, verified: bool
) -> None:
    with database.begin() as connection:
        user_claims.replace(connection, "u_ada", {"email": ADA, "email_verified": verified})
    delete(http)
    assert len(mailbox.mails()) == int(verified)


def test_an_account_that_is_deleted_at_once_is_told_so(
    http: TestClient, mailbox: Mailbox, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("authserver.accounts.deletion._days", lambda _services: 0)
    delete(http)
    (mail,) = mailbox.mails()
    assert "deleted immediately" in text_of(mail) and "/reset" not in text_of(mail)


def test_a_user_who_forgot_the_password_can_still_keep_the_account(
    http: TestClient, mailbox: Mailbox, database: Database
) -> None:
    delete(http)
    person = Visitor(http)
    person.submit(person.get("/reset"), email=ADA)
    done = person.submit(person.get(mailbox.link()), password=NEW)
    assert "Your password was changed" in done.text
    (user,) = rows(database, "users")
    assert user["disabled"] and user["delete_at"], "a reset alone keeps no account"
    assert not person.is_signed_in()
    come_back(person, NEW)
    (user,) = rows(database, "users")
    assert not user["disabled"] and user["delete_at"] is None


def test_an_operators_link_works_in_the_period_of_grace_too(
    http: TestClient, database: Database, settings: Settings, clock: Clock, mailbox: Mailbox
) -> None:
    delete(http)
    person = Visitor(http)
    done = person.submit(person.get(reset_link(database, settings, clock())), password=NEW)
    assert "Your password was changed" in done.text


def test_a_user_whom_an_operator_disabled_gets_no_link_even_if_they_had_asked_to_be_deleted(
    http: TestClient, mailbox: Mailbox, database: Database
) -> None:
    delete(http)
    with database.begin() as connection:
        users.set_disabled(connection, "ada", True)
    person = Visitor(http)
    person.submit(person.get("/reset"), email=ADA)
    assert [json.loads(row["content"])["template"] for row in rows(database, "outbox")] == [
        "deletion_requested",
        "reset",
    ]
    assert len(mailbox.mails()) == 1
