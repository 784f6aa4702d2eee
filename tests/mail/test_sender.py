"""A message in the outbox becomes a mail in the language of its reader, with the operator's own texts."""

import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select
from starlette.testclient import TestClient

from authserver.app import assemble
from authserver.domain.errors import Misconfigured
from authserver.domain.languages import LANGUAGES
from authserver.domain.mail import new_mail
from authserver.mail.samples import SAMPLES
from authserver.mail.templates import MailTemplates
from authserver.settings import Settings
from authserver.store import events, outbox, schema
from authserver.store.database import Database
from authserver.store.events import Filter
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER
from tests.harness.events import ROOT
from tests.harness.existing import existing
from tests.harness.mail_server import receiving_mail
from tests.harness.mails import mails_in, text_of

Post = Callable[..., None]


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """The operator's folder of templates for mails."""
    folder = tmp_path / "pages" / "mail"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    return settings.model_copy(update=mailing_to(tmp_path / "mails"))


def mailing_to(folder: Path) -> dict[str, Any]:
    return {"smtp_url": Settings(smtp_url=f"file:{folder}").smtp_url}  # type: ignore[arg-type]


@pytest.fixture
def deliver(clock: Clock) -> Callable[[Settings], None]:
    """`deliver(settings)` lets a server of these settings send what is due."""

    def deliver(settings: Settings) -> None:
        server = assemble(settings, now=clock, enable=())
        with TestClient(server.app, ISSUER) as http:
            for _ in range(3):  # a refused or failed mail leaves the others of its domain to the next look
                existing(http.portal).call(server.tasks.deliver_outbox)
                existing(http.portal).call(server.tasks.outbox.finish)

    return deliver


@pytest.fixture
def post(database: Database, clock: Clock, deliver: Callable[[Settings], None]) -> Post:
    """`post(settings, "test")` puts a mail into the outbox, and lets a server of these settings send it."""

    def post(settings: Settings, template: str, language: str = "en", **values: Any) -> None:
        with database.begin() as connection:
            mail = new_mail(template, "ada@example.org", language, user_id="u_ada", **values)
            outbox.add_many(connection, [mail], clock())
        deliver(settings)

    return post


def test_a_mail_becomes_a_file_that_only_this_user_can_read(
    settings: Settings, post: Post, tmp_path: Path, clock: Clock
) -> None:
    folder = tmp_path / "not-there" / "mails"
    settings = settings.model_copy(update=mailing_to(folder))
    post(settings, "test")
    post(settings, "test", "de")
    english, german = mails_in(folder)
    assert (english["To"], english["From"]) == ("ada@example.org", "authserver@localhost")
    assert english["Subject"] == "A test email from as.example" and "You don't need to do anything" in text_of(english)
    assert german["Subject"] == "Eine Test-E-Mail von as.example" and german["Content-Language"] == "de"
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == [f"{clock()}.1.eml", f"{clock()}.2.eml"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_operators_text_takes_the_place_of_the_built_in_one(
    settings: Settings, post: Post, tmp_path: Path, pages: Path
) -> None:
    pages.joinpath("test.txt").write_text('Ours for {{ host }}\n\n{% include "built-in/test.txt" %}\n\nBye & <b>.\n')
    post(settings.model_copy(update={"pages_dir": pages.parent}), "test")
    [mail] = mails_in(tmp_path / "mails")
    assert mail["Subject"] == "Ours for as.example"
    assert "A test email from as.example" in text_of(mail) and "Bye & <b>." in text_of(mail)
    assert "Bye &amp; &lt;b&gt;." in text_of(mail, "html")


def test_only_the_servers_own_link_is_one_in_the_html(
    settings: Settings, post: Post, tmp_path: Path, pages: Path
) -> None:
    """Not what somebody else chose, such as the name of an account."""
    pages.joinpath("test.txt").write_text("Hello\n\n{{ name | default(issuer) }}\n{{ link }}\nhttps://other.example\n")
    link, name = "https://as.example/reset?a=1&b=2", "https://evil.example <a href='https://evil.example'>x</a>"
    post(settings.model_copy(update={"pages_dir": pages.parent}), "test", name=name, link=link)
    [mail] = mails_in(tmp_path / "mails")
    assert f"\n{link}\n" in text_of(mail) and name in text_of(mail)
    assert re.findall('<a href="(.*?)">', text_of(mail, "html")) == [link.replace("&", "&amp;")]
    assert "&lt;a href=" in text_of(mail, "html")


def test_a_text_that_cannot_be_rendered_stops_the_start(settings: Settings, database: Database, pages: Path) -> None:
    pages.joinpath("test.txt").write_text("{{ nothing }}")
    with pytest.raises(Misconfigured, match="(?s)mail/test cannot be rendered: test.txt, line 1:.*docs/how-to/mail.md"):
        assemble(settings.model_copy(update={"pages_dir": pages.parent}))


def test_a_mail_that_another_version_wrote_waits_for_one_that_knows_it(
    settings: Settings, post: Post, tmp_path: Path, database: Database
) -> None:
    post(settings, "newer")
    assert waiting(database) == ["this version does not know the mail newer"]
    assert mails_in(tmp_path / "mails") == []


def test_a_mail_server_that_is_busy_is_asked_again_and_one_that_refuses_is_not(
    settings: Settings, database: Database, clock: Clock, deliver: Callable[[Settings], None]
) -> None:
    answers = {"busy": "450 4.2.1 later", "nobody": "550 5.1.1 no such user", "ada": "250 OK"}
    with receiving_mail() as server:
        server.answer = lambda recipient: answers[recipient.partition("@")[0]]
        url = SecretStr(f"smtp://127.0.0.1:{server.port}?starttls=off")
        sends = settings.model_copy(update={"smtp_url": url, "mail_from": "no-reply@example.com"})
        with database.begin() as connection:
            mails = [new_mail("test", f"{name}@example.org", "en", user_id=name) for name in answers]
            outbox.add_many(connection, mails, clock())
        deliver(sends)
        assert (server.recipients, outcomes(database)) == (["ada@example.org"], ["failed", "given_up", "delivered"])
        answers["busy"] = "250 OK"
        clock.forward(5)
        deliver(sends)
    assert outcomes(database) == ["delivered", "given_up", "delivered"]
    with database.begin() as connection:
        [event] = events.newest(connection, Filter(event="message_given_up"), 10)
    refused = "the mail server refused the recipient with status 550 5.1.1"
    assert (event.record.subject, event.record.detail) == ("nobody", f"{refused}; to mail example.org; failures 1")


def outcomes(database: Database) -> list[str | None]:
    with database.begin() as connection:
        rows = connection.execute(select(schema.outbox).order_by(schema.outbox.c.id))
        return [outbox._message(row).outcome for row in rows]


def test_without_mail_a_message_waits_until_it_is_given_up(
    settings: Settings, post: Post, tmp_path: Path, database: Database
) -> None:
    post(settings.model_copy(update={"smtp_url": None}), "test")
    assert waiting(database) == ["AUTHSERVER_SMTP_URL is not set"]


def test_a_folder_that_cannot_be_written_is_named(
    settings: Settings, post: Post, tmp_path: Path, database: Database
) -> None:
    (tmp_path / "file").write_text("")
    post(settings.model_copy(update=mailing_to(tmp_path / "file")), "test")
    assert waiting(database) == [f"{tmp_path}/file cannot be written: File exists"]


VARIANTS: dict[str, list[dict[str, object]]] = {
    "sign_up": [{"has_account": True}, {"has_account": True, "link": ""}],
    "email": [{"is_taken": True}],
    "deletion_requested": [{"day": ""}],
    "deletion_cancelled": [{"by_operator": True}],
}
"""The other forms that a mail may have."""


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("template", SAMPLES)
def test_every_paragraph_of_a_mail_stands_alone(template: str, language: str) -> None:
    for values in ({}, *VARIANTS.get(template, ())):
        text = MailTemplates(ISSUER).render(template, language, SAMPLES[template] | values).plain
        paragraphs = text.removesuffix("\n").split("\n\n")
        assert all(paragraph and "\n" not in paragraph for paragraph in paragraphs), text


@pytest.mark.parametrize("template", SAMPLES)
def test_every_mail_is_documented_with_what_it_is_given(template: str) -> None:
    page = (ROOT / "docs" / "how-to" / "mail.md").read_text()
    [given] = re.findall(rf"^\| `{template}\.txt` \| .+ \| (.*) ?\|$", page, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", given)) == SAMPLES[template].keys()


def test_the_text_of_the_documentation_can_be_used(settings: Settings, post: Post, tmp_path: Path, pages: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "mail.md").read_text()
    [text] = re.findall(r"```html\n(.*?)```", page, re.DOTALL)
    pages.joinpath("test.txt").write_text(text)
    post(settings.model_copy(update={"pages_dir": pages.parent}), "test", "de")
    [mail] = mails_in(tmp_path / "mails")
    assert (mail["Subject"], text_of(mail)) == ("Hello from Example", "Diese Mail ist angekommen.\n")


def waiting(database: Database) -> list[str]:
    with database.begin() as connection:
        return [each.reason for each in outbox.failing(connection)]
