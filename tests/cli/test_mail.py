"""authserver mail test: a mail at once, and what the mail server answered."""

from collections.abc import Callable
from pathlib import Path

from click.testing import Result

from tests.harness.mail_server import receiving_mail
from tests.harness.mails import mails_in, text_of

Cli = Callable[..., Result]
ADDRESS = "ada@example.org"


def test_a_test_mail_is_handed_over_at_once(cli: Cli) -> None:
    with receiving_mail() as server:
        url = f"smtp://127.0.0.1:{server.port}?starttls=off"
        done = cli(
            "mail", "test", ADDRESS, "--language", "de", SMTP_URL=url, MAIL_FROM="Example <no-reply@example.com>"
        )
    [mail] = server.received
    assert mail["Subject"] == "Eine Test-E-Mail von 127.0.0.1:8000" and server.recipients == [ADDRESS]
    assert done.stderr == f"The email was handed over to 127.0.0.1:{server.port}.\n"


def test_a_test_mail_can_be_a_file(cli: Cli, tmp_path: Path) -> None:
    assert cli("mail", "test", ADDRESS, SMTP_URL="file:mails").stderr == "The email was handed over to mails.\n"
    [mail] = mails_in(tmp_path / "mails")
    assert mail["From"] == "authserver@localhost" and "Email from 127.0.0.1:8000 arrives." in text_of(mail)


def test_a_mail_that_is_refused_is_an_error_with_its_reason(cli: Cli) -> None:
    with receiving_mail() as server:
        server.answer = lambda recipient: "550 5.1.1 No such user"
        url = f"smtp://127.0.0.1:{server.port}?starttls=off"
        done = cli("mail", "test", ADDRESS, code=1, SMTP_URL=url, MAIL_FROM="no-reply@example.com")
    assert done.stderr == (
        "Error: The email was not sent: the mail server refused the recipient with status 550 5.1.1.\n"
    )


def test_without_a_mail_server_the_setting_is_named(cli: Cli) -> None:
    done = cli("mail", "test", ADDRESS, code=78)
    assert done.stderr.endswith("\n\n    AUTHSERVER_SMTP_URL=smtps://USER:PASSWORD@smtp.example.com\n")


def test_a_mail_server_without_a_sender_is_refused_with_the_line_that_fixes_it(cli: Cli) -> None:
    done = cli("mail", "test", ADDRESS, code=78, SMTP_URL="smtps://me:canary@smtp.example.com")
    assert "AUTHSERVER_MAIL_FROM" in done.stderr and "canary" not in done.stderr
    assert done.stderr.endswith("AUTHSERVER_MAIL_FROM=Example <no-reply@example.com>\n")


def test_what_is_no_address_is_a_usage_error(cli: Cli) -> None:
    cli("mail", "test", "ada", code=2, SMTP_URL="file:mails")
